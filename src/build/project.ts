/**
 * What a record says about the project: units (one compiled source each), archives, and linked objects with what went
 * into them.
 */
import * as path from 'node:path';
import {
  type CompilerCommand,
  type LinkArgument,
  LinkerInputs,
  type LinkFacts,
  parseCompilerCommand,
} from './command-line.ts';
import { isCompiled, type Language } from './language.ts';
import { recognizeTool, type Tool } from './program.ts';
import type { BuildRecord, Environment, RecordedCommand } from './record.ts';

/** One compiled source file with its command. */
export interface Unit {
  /** Absolute path of the object file; a source compiled and linked in one command has `OUTPUT#SOURCE`. */
  readonly key: string;
  /** Absolute. */
  readonly source: string;
  /** As the command names it: the compiler puts this spelling into the code (`__FILE__`). */
  readonly sourceArgument: string;
  readonly language: Language;
  /** Value of -x in force. */
  readonly languageOption: string | undefined;
  /** Absolute folder in which the compiler runs. */
  readonly directory: string;
  /** Compiler driver, as called. */
  readonly driver: string;
  readonly environment: Environment;
  readonly command: CompilerCommand;
}

export interface LinkedObject {
  /** Absolute path of the executable or library. */
  readonly output: string;
  readonly kind: 'executable' | 'library';
  /** Build id when it was recorded, lower-case hexadecimal; null: it had none; undefined: not noted. */
  readonly buildId: string | null | undefined;
  /** Keys of the units that may be in it, through archives and partial links. */
  readonly units: ReadonlySet<string>;
  /** Those that are in it for certain: linkers take from archives only what they need. */
  readonly direct: ReadonlySet<string>;
}

export interface Project {
  readonly root: string;
  readonly units: readonly Unit[];
  readonly linked: readonly LinkedObject[];
}

/** One step of the build that makes a file out of others. */
interface Assembly {
  readonly kind: LinkFacts['kind'] | 'archive';
  readonly inputs: readonly string[];
}

/**
 * Reads a record. Of several commands with the same output the last one counts, except that archives grow. Units and
 * objects are in the order of their paths: that in which a parallel build happened to end them must not tell in a patch.
 */
export function projectOf(record: BuildRecord): Project {
  const units = new Map<string, Unit>();
  const assemblies = new Map<string, Assembly>();
  for (const command of record.commands) {
    const steps = stepsOf(command);
    for (const unit of steps.units) units.set(unit.key, unit);
    for (const [output, assembly] of steps.assemblies) {
      const earlier = assemblies.get(output);
      const grows = assembly.kind === 'archive' && earlier?.kind === 'archive';
      assemblies.set(
        output,
        grows ? { kind: 'archive', inputs: [...earlier.inputs, ...assembly.inputs] } : assembly,
      );
    }
  }
  const linked: LinkedObject[] = [];
  for (const [output, { kind }] of [...assemblies].sort(byPath)) {
    if (kind !== 'executable' && kind !== 'library') continue;
    linked.push({
      output,
      kind,
      buildId: record.linked.get(output),
      units: unitsIn(output, units, assemblies, ALL_STEPS),
      direct: unitsIn(output, units, assemblies, WHOLE_STEPS),
    });
  }
  return {
    root: record.root,
    units: [...units].sort(byPath).map(([, unit]) => unit),
    linked,
  };
}

const byPath = ([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number =>
  one < other ? -1 : 1;

/** Steps whose inputs end up in the output, perhaps and certainly; a library that is linked with stays an object of its own. */
const ALL_STEPS: ReadonlySet<Assembly['kind']> = new Set(['archive', 'relocatable']);
const WHOLE_STEPS: ReadonlySet<Assembly['kind']> = new Set(['relocatable']);

function unitsIn(
  output: string,
  units: ReadonlyMap<string, Unit>,
  assemblies: ReadonlyMap<string, Assembly>,
  through: ReadonlySet<Assembly['kind']>,
): Set<string> {
  const found = new Set<string>();
  const seen = new Set<string>([output]);
  const open = [output];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (units.has(file)) found.add(file);
    const assembly = assemblies.get(file);
    if (assembly === undefined || (file !== output && !through.has(assembly.kind))) continue;
    for (const input of assembly.inputs) {
      if (seen.has(input)) continue;
      seen.add(input);
      open.push(input);
    }
  }
  return found;
}

export interface Steps {
  readonly units: readonly Unit[];
  /** By absolute output. */
  readonly assemblies: readonly (readonly [string, Assembly])[];
}

const NOTHING: Steps = { units: [], assemblies: [] };

/** What one command makes; nothing for commands of no interest. */
export function stepsOf(recorded: RecordedCommand): Steps {
  const tool = recognizeTool(recorded.arguments);
  switch (tool?.kind) {
    case undefined:
      return NOTHING;
    case 'compiler':
      return compilerSteps(recorded, tool);
    case 'linker':
      return linkerSteps(recorded, tool.argv);
    case 'archiver':
      return archiverSteps(recorded, tool.argv);
  }
}

/** Absolute outputs of a command: what a later command with the same outputs replaces. */
export function outputsOf(recorded: RecordedCommand): string[] {
  const { units, assemblies } = stepsOf(recorded);
  return [...units.map((unit) => unit.key), ...assemblies.map(([output]) => output)];
}

/** True for `ar`, whose calls add to one output. */
export function isArchiver(recorded: RecordedCommand): boolean {
  return recognizeTool(recorded.arguments)?.kind === 'archiver';
}

function compilerSteps(recorded: RecordedCommand, tool: Extract<Tool, { kind: 'compiler' }>): Steps {
  const command = parseCompilerCommand(tool.argv);
  if (command.stage === 'inspect' || command.stage === 'assembly') return NOTHING;
  const absolute = (file: string): string => path.resolve(recorded.directory, file);
  const linkOutput = absolute(command.output ?? 'a.out');
  if (linkOutput === '/dev/null') return NOTHING;
  const units: Unit[] = [];
  const keyOf = new Map<string, string>();
  for (const { path: given, language, option } of command.sources) {
    if (given === '-' || given === '/dev/null' || isProbe(given)) return NOTHING;
    const key =
      command.stage === 'link' ? `${linkOutput}#${given}` : absolute(command.output ?? defaultObject(given));
    keyOf.set(given, key);
    if (language === 'header' || language === 'other') continue;
    const { directory, environment } = recorded;
    units.push({
      key,
      source: absolute(given),
      sourceArgument: given,
      language,
      languageOption: option,
      directory,
      driver: command.driver,
      environment,
      command,
    });
  }
  if (command.stage !== 'link' || command.link.inputs.length === 0) return { units, assemblies: [] };
  const inputs = linkInputs(command.link.inputs, command.link.searchFolders, absolute, keyOf);
  return { units, assemblies: [[linkOutput, { kind: command.link.kind, inputs }]] };
}

function linkerSteps(recorded: RecordedCommand, argv: readonly string[]): Steps {
  const linker = new LinkerInputs();
  for (const argument of argv.slice(1)) linker.take(argument);
  const absolute = (file: string): string => path.resolve(recorded.directory, file);
  const output = absolute(linker.output ?? 'a.out');
  if (linker.inputs.length === 0 || output === '/dev/null') return NOTHING;
  return {
    units: [],
    assemblies: [
      [
        output,
        { kind: linker.kind, inputs: linkInputs(linker.inputs, linker.searchFolders, absolute, new Map()) },
      ],
    ],
  };
}

/** `ar [-]OPERATIONS [POSITION] ARCHIVE MEMBER…`; only adding (r, q) makes something. GNU binutils manual, "ar". */
function archiverSteps(recorded: RecordedCommand, argv: readonly string[]): Steps {
  const rest = argv.slice(1).filter((argument) => !argument.startsWith('--'));
  const operations = (rest.shift() ?? '').replace(/^-/, '');
  if (!/[rq]/.test(operations)) return NOTHING;
  if (/[abi]/.test(operations)) rest.shift();
  if (operations.includes('N')) rest.shift();
  const [archive, ...members] = rest;
  if (archive === undefined) return NOTHING;
  const absolute = (file: string): string => path.resolve(recorded.directory, file);
  return {
    units: [],
    assemblies: [
      [
        absolute(archive),
        { kind: 'archive', inputs: members.filter((m) => !m.startsWith('-')).map(absolute) },
      ],
    ],
  };
}

function linkInputs(
  given: readonly LinkArgument[],
  folders: readonly string[],
  absolute: (file: string) => string,
  keyOf: ReadonlyMap<string, string>,
): string[] {
  return given.flatMap((input): string[] => {
    if (input.kind === 'source') return [keyOf.get(input.path) ?? absolute(input.path)];
    if (input.kind === 'file') return [absolute(input.path)];
    // Which of these exists is not asked: only files that the record made lead anywhere.
    const names = input.name.startsWith(':')
      ? [input.name.slice(1)]
      : [`lib${input.name}.so`, `lib${input.name}.a`];
    return folders.flatMap((folder) => names.map((name) => absolute(path.join(folder, name))));
  });
}

function defaultObject(source: string): string {
  return `${path.basename(source).replace(/\.[^.]*$/, '')}.o`;
}

/** Sources that configuration scripts write to try the compiler out. */
function isProbe(source: string): boolean {
  return /(^|\/)(conftest|CMake\w*CompilerId)\.[^/]*$|\/CMakeFiles\/(CMakeTmp|CMakeScratch|ShowIncludes)\/|\/meson-private\//.test(
    source,
  );
}

/** True if the unit is compiled from C or a related language; assembler sources cannot be compared. */
export function isComparable(unit: Unit): boolean {
  return isCompiled(unit.language);
}
