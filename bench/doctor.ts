// `npm run doctor`: the adapters of this machine, what kernels are chosen by, the roof, and what to mend.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { Command } from 'commander';
import { type AdapterChoice, type AdapterKind, openGpu } from '../src/node/gpu.ts';
import { note, print } from './commands.ts';
import { type Chosen, diagnose, type Facts, type Finding, type Opened, type Refused } from './diagnosis.ts';
import { exitWith, UserError } from './exit.ts';
import { adapterOption, jsonOption, secondsOption } from './flags.ts';
import { type Bench, openBench } from './open.ts';
import { newTable, writeResults } from './report.ts';
import { knownRoof } from './roof.ts';
import { formatRoof, measureAndKeepRoof } from './roofline.ts';

const MANIFEST_FOLDERS = [
  '/usr/local/share/vulkan/icd.d',
  '/usr/local/etc/vulkan/icd.d',
  '/etc/vulkan/icd.d',
  '/usr/share/vulkan/icd.d',
];
const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupsPerDimension',
] as const;

interface Flags {
  readonly adapter: AdapterChoice;
  readonly seconds: number;
  readonly json?: string;
}

async function doctor({ adapter, seconds, json }: Flags): Promise<void> {
  const facts = await gather(adapter, seconds);
  note('');
  const findings = diagnose(facts);
  print(formatMachine(facts));
  if (facts.chosen) print(formatChosen(facts.chosen));
  print(formatFindings(findings));
  if (json !== undefined) writeResults(json, { ...facts, findings });
  if (!facts.chosen) process.exitCode = 2;
}

async function gather(choice: AdapterChoice, seconds: number): Promise<Facts> {
  const adapters = {
    gpu: await tryKind('gpu'),
    lavapipe: await tryKind('lavapipe'),
    swiftshader: await tryKind('swiftshader'),
  };
  return {
    ...{ node: process.version, platform: `${process.platform} ${process.arch}`, wsl: isWsl() },
    driverVariable: process.env.VK_DRIVER_FILES || process.env.VK_ICD_FILENAMES || undefined,
    manifests: MANIFEST_FOLDERS.flatMap(list),
    gpuNodes: [
      ...list('/dev/dri').filter((name) => name.startsWith('renderD')),
      ...list('/dev').filter((name) => /^nvidia\d+$/.test(name)),
    ],
    ...{ adapters, asked: choice, chosen: await tryChosen(choice, seconds) },
  };
}

async function tryKind(kind: AdapterKind): Promise<Opened | Refused> {
  try {
    return { description: (await openGpu({ adapter: kind })).description };
  } catch (error) {
    return { error: messageOf(error) };
  }
}

async function tryChosen(choice: AdapterChoice, seconds: number): Promise<Chosen | undefined> {
  let bench: Bench;
  try {
    bench = await openBench(choice);
  } catch (error) {
    if (error instanceof UserError) return undefined; // a finding says so
    throw error;
  }
  const { gpu, traits } = bench.device;
  const known = knownRoof(bench.adapter);
  note('measuring the roof …');
  const { roof } = await measureAndKeepRoof(bench, seconds);
  bench.device.dispose();
  return {
    ...{ kind: bench.kind, description: bench.adapter, features: [...gpu.features].sort() },
    limits: Object.fromEntries(LIMITS.map((name) => [name, gpu.limits[name]])),
    ...{ traits, roof, known },
  };
}

function formatMachine({ node, platform, adapters, manifests, gpuNodes }: Facts): string {
  const table = newTable(['machine', ''], 2);
  table.push(['Node', node], ['platform', platform]);
  for (const [kind, adapter] of Object.entries(adapters))
    table.push([`adapter ${kind}`, 'error' in adapter ? shortened(adapter.error) : adapter.description]);
  table.push(['Vulkan drivers', manifests.join('\n') || '–'], ['GPU devices', gpuNodes.join(', ') || '–']);
  return `${table.toString()}\n`;
}

function formatChosen({ kind, description, features, limits, traits, roof, known }: Chosen): string {
  const table = newTable([kind, description], 2);
  table.push(['features', features.join('\n')]);
  for (const [name, value] of Object.entries(limits)) table.push([name, `${value}`]);
  for (const [name, value] of Object.entries(traits)) table.push([`trait ${name}`, `${value}`]);
  return `${table.toString()}\n${roof ? formatRoof(roof, known) : ''}`;
}

function formatFindings(findings: readonly Finding[]): string {
  if (findings.length === 0) return 'nothing to mend\n';
  return findings.map(({ level, what, remedy }) => `${level}: ${what}\n  → ${remedy}\n`).join('');
}

/** What went wrong without what was found instead, which may be long. */
function shortened(error: string): string {
  return `– ${error.replace(/ \(found .*\);/, ';')}`;
}

function list(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

function isWsl(): boolean {
  return existsSync('/proc/version') && /microsoft/i.test(readFileSync('/proc/version', 'utf8'));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const program = new Command('doctor')
  .description('What WebGPU can do on this machine, and what to mend.')
  .exitOverride()
  .addOption(adapterOption())
  .addOption(secondsOption(4))
  .addOption(jsonOption())
  .action(doctor);

await exitWith(() => program.parseAsync());
