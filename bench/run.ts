// The command line of `npm run bench`.
import { Command, Option } from 'commander';
import { ATTACK_SIZES, attacks } from './attacks.ts';
import { attacksCommand, modelsCommand, opsCommand, rooflineCommand, scalingCommand } from './commands.ts';
import { exitWith } from './exit.ts';
import { outputFile } from './files.ts';
import { adapterOption, countOf, jsonOption, roundsOption, secondsOption } from './flags.ts';
import { networks, SIZES } from './networks.ts';
import { shapes } from './shapes/index.ts';

const program = new Command('bench').description('Times of ops, and what the adapter allows.').exitOverride();

program
  .command('ops', { isDefault: true })
  .description('ops at fixed sizes')
  .argument('[op...]', `parts of names, or families: ${Object.keys(shapes).join(', ')}; all when left out`)
  .option('--variants', 'every kernel that could be picked', false)
  .option('--grad', 'gradients too', false)
  .option('--cases', 'the cases of test/ops instead of the fixed workloads', false)
  .option('--compare <file>', 'ratios to the results of an earlier --json')
  .addOption(roundsOption())
  .addOption(secondsOption(6))
  .addOption(jsonOption())
  .addOption(adapterOption())
  .action(opsCommand);

program
  .command('roofline')
  .description('what the adapter can do at most; kept for the other commands')
  .addOption(secondsOption(6))
  .addOption(jsonOption())
  .addOption(adapterOption())
  .action(rooflineCommand);

program
  .command('models')
  .description('forward, input gradient and training step of each network')
  .argument('[network...]', `${Object.keys(networks).join(', ')}; all when left out`)
  .addOption(new Option('--size <name>', 'how large').choices(Object.keys(SIZES)).default('small'))
  .option('--kernels <n>', 'kernels of each pass that are shown', countOf, 8)
  .option('--no-first', 'leave out how long first steps take')
  .option('--trace <file>', 'write a Chrome trace of the last pass', outputFile)
  .addOption(roundsOption())
  .addOption(secondsOption(6))
  .addOption(jsonOption())
  .addOption(adapterOption())
  .action(modelsCommand);

program
  .command('attacks')
  .description(
    'attacks on a CIFAR ResNet-20: samples × steps a second, and the share of time outside kernels',
  )
  .argument('[attack...]', `${Object.keys(attacks).join(', ')}; all when left out`)
  .addOption(new Option('--size <name>', 'how large').choices(Object.keys(ATTACK_SIZES)).default('small'))
  .addOption(roundsOption())
  .addOption(jsonOption())
  .addOption(adapterOption())
  .action(attacksCommand);

program
  .command('scaling')
  .description('whether a training step costs as much for each sample of any batch, and PGD for each step')
  .argument('[network...]', `${Object.keys(networks).join(', ')}; r3d and st-gcn when left out`)
  .addOption(new Option('--size <name>', 'how large').choices(Object.keys(SIZES)).default('small'))
  .addOption(roundsOption())
  .addOption(jsonOption())
  .addOption(adapterOption())
  .action(scalingCommand);

await exitWith(() => program.parseAsync());
