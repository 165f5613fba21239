/**
 * Runs the compiler that the record names on a unit: to assembler text, for the list of files that it reads, and for
 * its version.
 */
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { SutureError } from '../base/errors.ts';
import { optionsAgainst } from './layout-dependence.ts';
import type { Unit } from './project.ts';
import { COMPILER_VARIABLES, type Environment } from './record.ts';

export interface Ended {
  /** undefined: killed by a signal. */
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export class Toolchain {
  readonly #abort: AbortSignal;
  readonly #folder: string;
  readonly #versions = new Map<string, Promise<string>>();
  /** Texts that were begun and not asked for yet, in this order. */
  readonly #begun = new Map<Unit, Promise<Buffer>[]>();
  readonly #asRecorded = new Map<Unit, Buffer>();
  /** Options that units are compiled with besides the recorded ones. */
  readonly #added = new Map<Unit, readonly string[]>();
  #sequence = 0;

  /**
   * @param folder for intermediate files; the caller removes it
   * @param abort ends running compilers
   */
  constructor(folder: string, abort: AbortSignal) {
    this.#folder = folder;
    this.#abort = abort;
  }

  /**
   * The unit as assembler text, one character per byte, in which code names the variables that it uses.
   * @throws SutureError COMPILE with the compiler's words, TOOLCHAIN when it cannot be run
   */
  async assemblerText(unit: Unit, what: string): Promise<Buffer> {
    return await (this.#begun.get(unit)?.shift() ?? this.#assemblerText(unit, what));
  }

  /**
   * Begins to compile the unit as it is now, while something else is being found out: an `assemblerText` of its own
   * gets that text, or that error.
   */
  begin(unit: Unit, what: string): Promise<Buffer> {
    const text = this.#assemblerText(unit, what);
    text.catch(() => {}); // told to whom asks for the text
    this.#begun.set(unit, [...(this.#begun.get(unit) ?? []), text]);
    return text;
  }

  /** Whether the next text of the unit was begun. */
  hasBegun(unit: Unit): boolean {
    return (this.#begun.get(unit)?.length ?? 0) > 0;
  }

  async #assemblerText(unit: Unit, what: string): Promise<Buffer> {
    const added = this.#added.get(unit);
    const text = await this.#text(unit, what, added);
    const more = optionsAgainst(text, added ?? []);
    // The first text of a unit is that of what is linked into the base.
    if (added === undefined && more.length > 0) this.#asRecorded.set(unit, text);
    this.#added.set(unit, [...(added ?? []), ...more]);
    return more.length === 0 ? text : await this.#text(unit, what, this.#added.get(unit));
  }

  /** The first text that was asked for of the unit, compiled as recorded, if `assemblerText` gave another. */
  asRecorded(unit: Unit): Buffer | undefined {
    return this.#asRecorded.get(unit);
  }

  #text(unit: Unit, what: string, added: readonly string[] = []): Promise<Buffer> {
    return this.#output(unit, what, 'unit.s', [...added, '-S']);
  }

  /**
   * Whether the compiler makes object files without a text between: the same code assembled from its text may have
   * other bytes (clang encodes `shl $1` in two ways and, without optimization, writes every jump in its long form).
   */
  async isDirect(unit: Unit): Promise<boolean> {
    return DIRECT.test(await this.version(unit));
  }

  /**
   * The unit as the object file that its command makes, or puts into the link, with such a compiler.
   * @throws SutureError as `assemblerText`
   */
  async object(unit: Unit, what: string): Promise<Buffer> {
    // Long jumps are the driver's choice where an object is what it was asked for.
    const jumps = unit.command.stage === 'object' ? [] : ['-mno-relax-all'];
    return await this.#output(unit, what, 'unit.o', ['-c', ...jumps]);
  }

  async #output(unit: Unit, what: string, name: string, how: readonly string[]): Promise<Buffer> {
    // Some options put the output's name into the code (--coverage): it is the same for both versions.
    const folder = path.join(this.#folder, String(this.#sequence++), 'out');
    fs.mkdirSync(folder, { recursive: true });
    const output = path.join(folder, name);
    const seed = unit.command.options.some((option) => option.startsWith('-frandom-seed'));
    const ended = await this.#compile(unit, [
      // Without a seed the names of some file-local symbols are random (GCC manual, -frandom-seed).
      ...(seed ? [] : [`-frandom-seed=${unit.sourceArgument}`]),
      // Line directives in the text must not turn into errors by -Werror; what matters is the code.
      ...['-w', '-fdiagnostics-color=never', ...how, '-o', output],
    ]);
    if (ended.status !== 0) throw compileError(unit, what, ended);
    const bytes = fs.readFileSync(output);
    fs.rmSync(path.dirname(folder), { recursive: true, force: true });
    return bytes;
  }

  /** Absolute paths of the files that the compiler reads for the unit; undefined if it fails. */
  async filesRead(unit: Unit): Promise<string[] | undefined> {
    const ended = await this.#compile(unit, ['-w', '-M']);
    if (ended.status !== 0) return undefined;
    return prerequisites(ended.stdout).map((file) => path.resolve(unit.directory, file));
  }

  /** First line of what the compiler says of itself. */
  version(unit: Unit): Promise<string> {
    const key = JSON.stringify([unit.driver, unit.directory, unit.environment.PATH]);
    const known = this.#versions.get(key) ?? this.#askVersion(unit);
    this.#versions.set(key, known);
    return known;
  }

  async #askVersion(unit: Unit): Promise<string> {
    const { stdout } = await this.#run(unit.driver, ['--version'], unit);
    return stdout.split('\n')[0]?.trim() ?? '';
  }

  #compile(unit: Unit, how: readonly string[]): Promise<Ended> {
    const language = unit.languageOption === undefined ? [] : ['-x', unit.languageOption];
    return this.#run(unit.driver, [...unit.command.options, ...how, ...language, unit.sourceArgument], unit);
  }

  #run(program: string, argv: readonly string[], unit: Unit): Promise<Ended> {
    return new Promise((resolve, reject) => {
      const child = spawn(program, argv, {
        cwd: unit.directory,
        env: compilerEnvironment(unit),
        stdio: ['ignore', 'pipe', 'pipe'],
        signal: this.#abort,
      });
      const out: Buffer[] = [];
      let stderr = '';
      child.stdout.on('data', (piece: Buffer) => out.push(piece));
      child.stderr.setEncoding('utf8').on('data', (piece: string) => {
        if (stderr.length < MESSAGE_LIMIT) stderr += piece;
      });
      child.on('error', (cause) => {
        if (this.#abort.aborted) reject(new SutureError('IO', 'the build was interrupted', { cause }));
        else reject(missingCompiler(program, unit, cause));
      });
      child.on('close', (status) =>
        resolve({ status: status ?? undefined, stdout: Buffer.concat(out).toString('utf8'), stderr }),
      );
    });
  }
}

/** Compilers, by what they say of themselves, with an assembler of their own inside. */
const DIRECT = /\b(clang|LLVM)\b/;
/** The most of a compiler's messages that is kept, in characters. */
const MESSAGE_LIMIT = 64 * 1024;
/** Lines of a compiler's messages that are shown. */
const SHOWN_LINES = 12;

/** Our environment, with everything that compilers listen to as it was recorded. */
export function compilerEnvironment(unit: Unit): Environment {
  const ours = Object.entries(process.env).filter(
    ([name, value]) => value !== undefined && !COMPILER_VARIABLES.test(name),
  );
  return {
    ...(Object.fromEntries(ours) as Record<string, string>),
    // Both versions see the same __DATE__ and __TIME__, and so does the next build.
    SOURCE_DATE_EPOCH: objectTime(unit),
    ...unit.environment,
    CCACHE_DISABLE: '1',
  };
}

/** Seconds since 1970 when the object was made; 0 if it is not there. */
function objectTime(unit: Unit): string {
  const stat = fs.statSync(unit.key.replace(/#.*$/, ''), { throwIfNoEntry: false });
  return String(Math.floor((stat?.mtimeMs ?? 0) / 1000));
}

function compileError(unit: Unit, what: string, { status, stderr }: Ended): SutureError {
  const lines = stderr.trimEnd().split('\n');
  const shown = lines.slice(0, SHOWN_LINES);
  if (lines.length > shown.length) shown.push(`… (${lines.length - shown.length} more lines)`);
  const how = status === undefined ? 'was killed' : `ended with exit code ${status}`;
  return new SutureError(
    'COMPILE',
    `${what} does not compile: ${path.basename(unit.driver)} ${how}\n${shown.join('\n')}`,
    { remedy: 'make it compile; the compiler says above what is wrong' },
  );
}

function missingCompiler(program: string, unit: Unit, cause: Error): SutureError {
  const there = fs.existsSync(unit.directory);
  return new SutureError(
    'TOOLCHAIN',
    there
      ? `cannot run ${program}: ${cause.message}`
      : `${unit.directory}, in which ${unit.sourceArgument} was compiled, does not exist`,
    {
      remedy: there
        ? 'install the compiler that built the base, or record the build again'
        : 'record the build again',
      cause,
    },
  );
}

/** Right side of the rule that -M prints: spaces, `#` and `$` of names are escaped. GNU make manual, "Rule Syntax". */
export function prerequisites(rule: string): string[] {
  const joined = rule.replace(/\\\r?\n/g, ' ');
  const colon = joined.search(/:(\s|$)/);
  if (colon < 0) return [];
  const names = joined.slice(colon + 1).match(/(?:\\.|\$\$|[^\s\\])+/g) ?? [];
  return names.map((name) => name.replace(/\\([ #\\:])/g, '$1').replaceAll('$$', '$'));
}
