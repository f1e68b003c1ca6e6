// Reads the project's own source: files, imports and functions, by the parser that vite brings.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ESTree, parseSync, Visitor } from 'vite';

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** One import or re-export. */
export interface Import {
  /** What is imported: a path from the project's root for the project's own files, else the package. */
  readonly to: string;
  /** Erased by the compiler. */
  readonly typeOnly: boolean;
}

export interface NamedFunction {
  readonly name: string;
  readonly lines: number;
}

/** Paths from the root of the TypeScript files below `folder`, sorted. */
export function filesIn(folder: string, extension = '.ts'): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(extension) && !name.includes('node_modules'))
    .map((name) => join(folder, name))
    .sort();
}

export function textOf(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

export function linesIn(text: string): number {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
}

/** Everything `file` imports: static, re-exported, dynamic and by `typeof import()`. */
export function importsOf(file: string, text = textOf(file)): Import[] {
  const { module, program, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]?.message}`);
  const found: [string, boolean][] = module.staticImports.map((statement) => [
    statement.moduleRequest.value,
    /^import\s+type\b/.test(text.slice(statement.start, statement.end)) || allTypes(statement.entries),
  ]);
  for (const statement of module.staticExports) {
    const from = statement.entries.find((entry) => entry.moduleRequest)?.moduleRequest?.value;
    if (from !== undefined) found.push([from, allTypes(statement.entries)]);
  }
  new Visitor({
    ImportExpression: ({ source }) =>
      void found.push([String((source as ESTree.StringLiteral).value), false]),
    TSImportType: ({ source }) => void found.push([source.value, true]),
  }).visit(program);
  return found.map(([to, typeOnly]) => ({ to: resolve(file, to), typeOnly }));
}

function allTypes(entries: readonly { readonly isType: boolean }[]): boolean {
  return entries.length > 0 && entries.every((entry) => entry.isType);
}

function resolve(file: string, specifier: string): string {
  return specifier.startsWith('.') ? relative(root, join(root, dirname(file), specifier)) : specifier;
}

/** Functions with a name: declarations, methods, accessors, and arrow functions assigned to a const. */
export function functionsOf(file: string, text = textOf(file)): NamedFunction[] {
  const found: NamedFunction[] = [];
  const add = (name: string, { start, end }: { start: number; end: number }) =>
    found.push({ name, lines: linesIn(text.slice(start, end)) });
  const nameOf = (key: object) => ('name' in key ? String(key.name) : 'computed');
  new Visitor({
    FunctionDeclaration: (node) => void add(node.id?.name ?? 'anonymous', node),
    MethodDefinition: (node) => void add(nameOf(node.key), node),
    Property: (node) => void (node.method && add(nameOf(node.key), node)),
    VariableDeclarator: (node) =>
      void (node.init?.type === 'ArrowFunctionExpression' && add(nameOf(node.id), node)),
  }).visit(parseSync(file, text).program);
  return found;
}

/** The names `file` exports, types included; `export *` is followed. */
export function exportsOf(file: string): string[] {
  const { module } = parseSync(file, textOf(file));
  return module.staticExports
    .flatMap((statement) => statement.entries)
    .flatMap((entry) => {
      if (entry.exportName.name !== null) return [entry.exportName.name];
      return exportsOf(resolve(file, entry.moduleRequest?.value ?? ''));
    })
    .sort();
}

/** The names that the signatures of what `file` exports refer to, each with who does: parameters, results, members, bases. */
export function signaturesOf(file: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const { name, from } of declaredIn(file)) {
    const { body } = parseSync(from, textOf(from)).program;
    for (const statement of body)
      if ('declaration' in statement && namesOf(statement.declaration).includes(name))
        for (const type of typesIn(statement.declaration)) found.set(type, name);
  }
  return found;
}

/** Every type that a file of src declares and exports. */
export function typesOfProject(): Set<string> {
  const declared = filesIn('src').flatMap((file) => {
    const { body } = parseSync(file, textOf(file)).program;
    const named = body.flatMap((statement) => ('declaration' in statement ? [statement.declaration] : []));
    return named.filter((node) => node && /^TS|^Class/.test(node.type)).flatMap(namesOf);
  });
  return new Set(declared);
}

/** What `file` exports, and the file that declares it; all of it where a file is re-exported as a whole. */
function declaredIn(file: string): { name: string; from: string }[] {
  const { module } = parseSync(file, textOf(file));
  return module.staticExports
    .flatMap((statement) => statement.entries)
    .flatMap((entry) => {
      const name = entry.exportName.name;
      if (!entry.moduleRequest) return name === null ? [] : [{ name, from: file }];
      const further = declaredIn(resolve(file, entry.moduleRequest.value));
      return name === null ? further : further.filter((one) => one.name === name);
    });
}

function namesOf(node: unknown): string[] {
  const { id, declarations } = (node ?? {}) as { id?: { name: string }; declarations?: readonly unknown[] };
  return id ? [id.name] : (declarations ?? []).flatMap(namesOf);
}

type Syntax = Readonly<Record<string, unknown>> & { readonly type?: string };

/** Names of the types in a declaration, without what its functions do and what is private. */
function typesIn(node: unknown): string[] {
  if (typeof node !== 'object' || node === null) return [];
  if (Array.isArray(node)) return node.flatMap(typesIn);
  const syntax = node as Syntax;
  if ((syntax.key as Syntax | undefined)?.type === 'PrivateIdentifier' || syntax.accessibility === 'private')
    return [];
  const own = (syntax.typeName ?? syntax.expression) as { name?: string } | undefined;
  const hidden = /Function|Property/.test(syntax.type ?? '') ? ['body', 'value'] : ['superClass'];
  const parts = Object.entries(syntax).filter(([key]) => !hidden.includes(key) || syntax.type === 'Property');
  return [...(own?.name ? [own.name] : []), ...parts.flatMap(([, part]) => typesIn(part))];
}
