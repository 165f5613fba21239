/**
 * The layer guard: which folder of src may import which, npm packages and node: modules included. A new edge is a
 * reviewed line in the table. Run by itself it checks the project and exits with 1 if an import breaks the table.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

interface Layer {
  readonly folder: string;
  /** npm packages and node: modules. 'node:*' stands for all of node. */
  readonly packages: readonly string[];
  /** Folders above that it may not see all the same. */
  readonly never?: readonly string[];
}

/** From the ground up: a row may import only itself and rows above it. */
export const LAYERS: readonly Layer[] = [
  { folder: 'base', packages: [] },
  { folder: 'bytes', packages: [] },
  { folder: 'arch', packages: [] },
  { folder: 'elf', packages: [] },
  { folder: 'dwarf', packages: [] },
  { folder: 'asm', packages: [], never: ['dwarf'] },
  { folder: 'patch', packages: ['valibot'], never: ['dwarf', 'asm'] },
  { folder: 'unwind', packages: [], never: ['asm', 'patch'] },
  { folder: 'sys', packages: ['koffi', 'node:*'] },
  { folder: 'process', packages: ['node:*'], never: ['asm', 'patch'] },
  { folder: 'store', packages: ['valibot', 'node:*'], never: ['asm', 'process'] },
  { folder: 'build', packages: ['diff', 'valibot', 'node:*'], never: ['unwind', 'process', 'store'] },
  { folder: 'apply', packages: [], never: ['asm', 'build'] },
  { folder: 'report', packages: ['cli-table3', 'picocolors'] },
  { folder: 'daemon', packages: ['node:*'] },
  { folder: 'cli', packages: ['commander', 'cli-progress', 'picocolors', 'node:*'] },
  { folder: 'compat', packages: ['node:*'] },
];

/** Files that touch the world although their folder is pure. */
const PACKAGES_OF_FILE: Readonly<Record<string, readonly string[]>> = {
  'apply/engine.ts': ['node:*'],
};

/** The library's face: may import every engine folder, not the command line. */
const LIBRARY_FACE = 'index.ts';

/** The commands' entry: may import the faces only. */
const COMMANDS = 'commands.ts';

/** Folders of commands, which the library does not need. */
const FACES: ReadonlySet<string> = new Set(['cli', 'compat']);

const NAMELESS_FOLDERS = new Set(['utils', 'util', 'common', 'helpers', 'helper', 'lib', 'misc']);
const LONGEST_FILE = 600;

export interface SourceFile {
  /** Relative to src, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

/** One sentence for each thing in these files that breaks the table; empty if all is well. */
export function violations(files: readonly SourceFile[]): string[] {
  const cpus = cpuFolders(files);
  return files.flatMap((file) => [
    ...shapeViolations(file),
    ...importsOf(file).flatMap((specifier) => importViolation(file.path, specifier) ?? []),
    ...cpuNameViolations(file, cpus),
  ]);
}

function importsOf(file: SourceFile): string[] {
  return ts.preProcessFile(file.text, true, true).importedFiles.map((found) => found.fileName);
}

/** Why `path` may not import `specifier`, or undefined if it may. */
function importViolation(path: string, specifier: string): string | undefined {
  const say = (reason: string) => `${path} imports ${specifier}: ${reason}`;
  if (!specifier.startsWith('.')) {
    const allowed = PACKAGES_OF_FILE[path] ?? layerOf(path)?.packages ?? [];
    if (allowed.includes(specifier)) return undefined;
    if (specifier.startsWith('node:') && allowed.includes('node:*')) return undefined;
    return say('its folder may not use that package');
  }
  if (specifier === '../../package.json' && path.startsWith('cli/')) return undefined;
  const to = posix.normalize(posix.join(posix.dirname(path), specifier));
  if (to.startsWith('..')) return say('it is outside src');
  if (to.endsWith('.test.ts')) return say('it is a test');

  const target = layerOf(to);
  if (path === LIBRARY_FACE) {
    return target !== undefined && !FACES.has(target.folder)
      ? undefined
      : say('the library does not need it');
  }
  if (path === COMMANDS) {
    return target !== undefined && FACES.has(target.folder) ? undefined : say('it runs commands, no more');
  }
  const own = layerOf(path);
  if (own === undefined) return say(`folder ${top(path)} is not in the table of layers`);
  if (target === undefined) return say(`folder ${top(to)} is not in the table of layers`);
  if (LAYERS.indexOf(target) > LAYERS.indexOf(own)) return say(`${target.folder} is above ${own.folder}`);
  if (own.never?.includes(target.folder)) return say(`${own.folder} must not know ${target.folder}`);

  const cpu = cpuOf(to);
  if (cpu !== undefined && cpuOf(path) !== cpu && path !== 'arch/index.ts') {
    return say('a CPU is reached only through arch/index.ts');
  }
  return undefined;
}

function shapeViolations(file: SourceFile): string[] {
  const found = file.path.split('/').filter((part) => NAMELESS_FOLDERS.has(part.replace(/\.ts$/, '')));
  const lines = file.text.split('\n').length - 1;
  return [
    ...found.map((part) => `${file.path}: "${part}" says nothing about what is in it`),
    ...(lines > LONGEST_FILE ? [`${file.path} has ${lines} lines, more than ${LONGEST_FILE}: split it`] : []),
  ];
}

/** A CPU is described, never asked for: its name as a string outside its own folder is a test of the name. */
function cpuNameViolations(file: SourceFile, cpus: ReadonlySet<string>): string[] {
  if (file.path.startsWith('arch/')) return [];
  const scanner = ts.createScanner(ts.ScriptTarget.Latest, true, ts.LanguageVariant.Standard, file.text);
  const found: string[] = [];
  for (let token = scanner.scan(); token !== ts.SyntaxKind.EndOfFileToken; token = scanner.scan()) {
    if (token === ts.SyntaxKind.StringLiteral && cpus.has(scanner.getTokenValue())) {
      found.push(`${file.path} names the CPU "${scanner.getTokenValue()}": ask arch for the fact instead`);
    }
  }
  return found;
}

const cpuFolders = (files: readonly SourceFile[]): Set<string> =>
  new Set(files.map((file) => cpuOf(file.path)).filter((cpu) => cpu !== undefined));

const cpuOf = (path: string): string | undefined => /^arch\/([^/]+)\//.exec(path)?.[1];
const top = (path: string): string => path.split('/')[0] ?? path;
const layerOf = (path: string): Layer | undefined =>
  path.includes('/') ? LAYERS.find((layer) => layer.folder === top(path)) : undefined;

/** Every source file below `src`, tests left out: a test may import what it tests with. */
export function sourceFiles(src: string): SourceFile[] {
  return readdirSync(src, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.path, entry.name))
    .sort()
    .map((path) => ({ path: relative(src, path).replaceAll('\\', '/'), text: readFileSync(path, 'utf8') }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const files = sourceFiles(fileURLToPath(new URL('../src', import.meta.url)));
  const found = violations(files);
  for (const line of found) console.error(`src/${line}`);
  console.log(`${files.length} files, ${found.length} imports or names against the table of layers`);
  process.exitCode = found.length === 0 && files.length > 0 ? 0 : 1;
}
