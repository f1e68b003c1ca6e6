import { parseSync, Visitor } from 'vite';
import { expect, test } from 'vitest';
import { SCHEMA } from '../../experiments/results.ts';
import { textOf } from '../structure/source.ts';

const FILES = ['experiments/results.ts', 'src/train/metrics.ts'];
/** Each table of docs/results.md, by its heading, and the types that it describes. */
const TABLES: Readonly<Record<string, readonly string[]>> = {
  'results.json': ['Results', 'DatasetSummary', 'Share'],
  'A network': ['ModelResult', 'Share', 'Balance', 'StageWeights', 'TrainingCurve', 'EpochRecord'],
  'An attack': ['RobustResult', 'Share'],
};

/** The fields of the interfaces called so, those of object types inside them included. */
function fieldsOf(types: readonly string[]): Set<string> {
  const found = new Set<string>();
  const fields = new Visitor({
    TSPropertySignature: ({ key }) => void ('name' in key && found.add(String(key.name))),
  });
  const program = (file: string) => parseSync(file, textOf(file)).program;
  new Visitor({
    TSInterfaceDeclaration: (node) => {
      if (types.includes(node.id.name)) fields.visit({ ...program(FILES[0]!), body: [node] });
    },
  }).visit({ ...program(FILES[0]!), body: FILES.flatMap((file) => program(file).body) });
  return found;
}

/** Names in the first column of the table below a heading, and in the braces of its second. */
function documented(heading: string): Set<string> {
  const section = textOf('docs/results.md')
    .split(/^#+ /m)
    .find((part) => part.startsWith(heading));
  const rows = [...(section ?? '').matchAll(/^\| (`.*?) \| (.*?) \|/gm)];
  const texts = rows.flatMap(([, names = '', type = '']) => [names, ...(type.match(/\{.*?\}/g) ?? [])]);
  return new Set(texts.flatMap((text) => text.match(/\w+/g) ?? []));
}

test.each(Object.entries(TABLES))('the table of “%s” has every field and no other', (heading, types) => {
  const fields = fieldsOf(types);
  expect(fields.size).toBeGreaterThan(5);
  // What `models[]` stands for; ε by modality is no field of its own.
  const names = [...documented(heading)].filter((name) => !['rgb', 'skeleton'].includes(name));
  expect(names.sort()).toEqual([...fields].sort());
});

test('the page is of the version that is written', () => {
  expect(textOf('docs/results.md')).toMatch(new RegExp(`^# results.json, schema ${SCHEMA}\n`));
});
