// The command line of `npm run bench`.
import { Command, InvalidArgumentError, Option } from 'commander';
import { ATTACK_SIZES, attacks } from './attacks.ts';
import { attacksCommand, modelsCommand, opsCommand, rooflineCommand, scalingCommand } from './commands.ts';
import { exitWith } from './exit.ts';
import { networks, SIZES } from './networks.ts';
import { shapes } from './shapes/index.ts';

const ADAPTERS = ['auto', 'gpu', 'lavapipe', 'swiftshader'];

const adapterOption = () =>
  new Option('--adapter <name>', 'what to measure on').choices(ADAPTERS).default('auto');
const jsonOption = () => new Option('--json <file>', 'write the results there');
const roundsOption = () =>
  new Option('--rounds <n>', 'rounds, of which the median is shown').argParser(countOf).default(5);
const secondsOption = () =>
  new Option('--seconds <n>', 'about how long finding the roof may take').argParser(secondsOf).default(6);

function countOf(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('needs a whole number from 1 up');
  return count;
}

function secondsOf(text: string): number {
  const seconds = Number(text);
  if (!(seconds > 0)) throw new InvalidArgumentError('needs a number above 0');
  return seconds;
}

const program = new Command('bench').description('Times of ops, and what the adapter allows.');

program
  .command('ops', { isDefault: true })
  .description('ops at fixed sizes')
  .argument('[op...]', `parts of names, or families: ${Object.keys(shapes).join(', ')}; all when left out`)
  .option('--variants', 'every kernel that could be picked', false)
  .option('--grad', 'gradients too', false)
  .option('--cases', 'the cases of test/ops instead of the fixed workloads', false)
  .option('--compare <file>', 'ratios to the results of an earlier --json')
  .addOption(roundsOption())
  .addOption(secondsOption())
  .addOption(jsonOption())
  .addOption(adapterOption())
  .action(opsCommand);

program
  .command('roofline')
  .description('what the adapter can do at most; kept for the other commands')
  .addOption(secondsOption())
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
  .option('--trace <file>', 'write a Chrome trace of the last pass')
  .addOption(roundsOption())
  .addOption(secondsOption())
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
