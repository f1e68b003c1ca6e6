// The command line of `npm run parity`: the numbers that other implementations give for the same weights and images.
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { CifarResNet } from '../../src/models/cifar-resnet.ts';
import { Initialiser } from '../../src/nn/initialisers.ts';
import { loadTorch } from '../../src/nn/load-torch.ts';
import { type AdapterChoice, openGpu } from '../../src/node/gpu.ts';
import { openDevice } from '../../src/tensor/device.ts';
import { explain } from '../errors.ts';
import { readCifarFolder } from './data.ts';
import { earlierParity, writeParity } from './file.ts';
import { measureParity, type Parity } from './measure.ts';
import { formatLeftOut, formatParity } from './report.ts';
import { type AttackRun, RUNS } from './runs.ts';
import { STRONG_RUNS } from './strong-runs.ts';

/** Beside the project. */
const DATA = join(import.meta.dirname, '../../../shared/data/cifar10-resnet20');

interface Flags {
  readonly data: string;
  readonly json?: string;
  readonly adapter: AdapterChoice;
  readonly attacks: readonly AttackRun[];
}

async function resnet20({ data, json, adapter, attacks }: Flags): Promise<void> {
  const folder = await readCifarFolder(data);
  const opened = await openGpu({ adapter });
  const device = await openDevice(opened);
  try {
    // Before the hours that the attacks may take.
    if (json !== undefined) earlierParity(json, opened.description);
    const onMeasured = (found: Parity) => {
      if (json !== undefined) writeParity(json, found, opened.description);
    };
    const network = new CifarResNet(new Initialiser(device, 0));
    await loadTorch(network, folder.weights, { what: data });
    const parity = await measureParity(device, network, folder, { runs: attacks, onProgress, onMeasured });
    process.stderr.write('\n');
    process.stdout.write(`${opened.description}\n${formatParity(parity)}`);
    process.stdout.write(formatLeftOut(EVERY_RUN.filter((run) => !attacks.includes(run))));
  } finally {
    await device.dispose();
  }
}

function onProgress(what: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${what} …` : `${what} … `);
}

const EVERY_RUN = [...RUNS, ...STRONG_RUNS];
const NAMES = EVERY_RUN.map(({ name }) => name).join(',');

function runsOf(list: string): readonly AttackRun[] {
  if (list === 'none') return [];
  if (list === 'all') return EVERY_RUN;
  return list.split(',').map((name) => {
    const run = EVERY_RUN.find((one) => one.name === name.trim());
    if (run) return run;
    throw new InvalidArgumentError(`needs none, all or some of ${NAMES}`);
  });
}

function program(): Command {
  const command = new Command('npm run parity --')
    .description('Figures to compare with other implementations')
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  command
    .command('resnet20')
    .description(
      'ResNet-20 on CIFAR-10 with published weights: accuracy, logits, input gradient, robust accuracy',
    )
    .option('--data <folder>', 'weights and images', DATA)
    .option('--json <file>', 'write the figures there; those of attacks that are not run stay')
    .addOption(
      new Option('--attacks <list>', `none, all (hours without a GPU), or some of ${NAMES}`)
        .argParser(runsOf)
        .default(RUNS, RUNS.map(({ name }) => name).join(',')),
    )
    .addOption(
      new Option('--adapter <name>', 'what computes')
        .choices(['auto', 'gpu', 'lavapipe', 'swiftshader'])
        .default('auto'),
    )
    .exitOverride()
    .action(resnet20);
  return command;
}

/** Exit codes: 0 done, 2 something the user can mend. */
async function main(): Promise<number> {
  try {
    await program().parseAsync();
    return 0;
  } catch (error) {
    const line = explain(error);
    if (line === undefined) throw error;
    if (line === '(outputHelp)') return 0;
    process.stderr.write(`error: ${line}\n`);
    return 2;
  }
}

process.exitCode = await main();
