/**
 * What every end-to-end test needs: a source tree in a folder of its own, the command line as a user runs it, and
 * programs that are ours alone. Whatever is started or created here is stopped and removed by `Workspace.close`,
 * also when the test fails.
 */
import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Case } from './case.ts';
import { HOST } from './toolchain.ts';

export const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const driver = readFileSync(join(repository, 'test/programs/driver.c'), 'utf8');

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end; never rejects for its exit code. A killed or overlong one has code -1. */
export function run(
  command: string,
  args: readonly string[],
  options: { cwd?: string; seconds?: number; environment?: Record<string, string> } = {},
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, NO_COLOR: '1', ...options.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: (options.seconds ?? 120) * 1000,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? -1, stdout, stderr }));
  });
}

/** The command line of this checkout, as a user starts it; SUTURE_BIN names another to test. */
const program = process.env.SUTURE_BIN ?? join(repository, 'bin/suture');

export function suture(
  args: readonly string[],
  options: { cwd?: string; seconds?: number } = {},
): Promise<Finished> {
  return run(program, args, options);
}

/** What `suture build --json` prints, as far as the tests look at it. */
export interface BuildReport {
  readonly patches: readonly {
    readonly file: string;
    readonly buildId: string;
    readonly object: string;
    readonly functions: readonly {
      readonly name: string;
      readonly kind: 'changed' | 'new';
      readonly unit: string;
      readonly reason: string;
    }[];
    readonly warnings: readonly string[];
    readonly units?: number;
  }[];
  readonly refused: readonly { readonly what: string; readonly where?: string; readonly remedy: string }[];
}

/** What `suture apply --json` and `suture revert --json` print for one process. */
export interface ProcessReport {
  readonly pid: number;
  readonly exe: string;
  readonly outcome: string;
  readonly objects: readonly {
    readonly path: string;
    readonly buildId: string;
    readonly id: string;
    readonly functions: readonly string[];
  }[];
  readonly stopMicroseconds: number;
  readonly attempts: number;
  readonly reason?: string;
  readonly blockers?: readonly {
    readonly tid: number;
    readonly comm: string;
    readonly frames: readonly string[];
  }[];
}

/** The one JSON document on standard output; a failed parse shows everything that was said. */
export function json<T>(finished: Finished): T {
  try {
    return JSON.parse(finished.stdout) as T;
  } catch {
    throw new Error(`not one JSON document (exit ${finished.code}):\n${finished.stdout}\n${finished.stderr}`);
  }
}

/** The list of processes in the output of apply, revert and check, which may stand alone or under a key. */
export function processes(finished: Finished): ProcessReport[] {
  const document = json<ProcessReport[] | { processes: ProcessReport[] }>(finished);
  return Array.isArray(document) ? document : document.processes;
}

export class Workspace {
  readonly folder: string;
  readonly tree: string;
  readonly patches: string;
  readonly #programs: Program[] = [];

  constructor(name: string) {
    this.folder = mkdtempSync(join(tmpdir(), `suture-${name.replaceAll(/[^a-z0-9-]/gi, '-')}-`));
    this.tree = join(this.folder, 'tree');
    this.patches = join(this.folder, 'patches');
    mkdirSync(this.tree);
  }

  write(files: ReadonlyMap<string, string>, folder = this.tree): void {
    for (const [path, text] of files) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
  }

  /** Writes sources, the driver (when no file defines main) and a Makefile (when there is none). */
  writeTree(
    files: ReadonlyMap<string, string>,
    flags: readonly string[],
    links: readonly string[] = [],
    toolchain = HOST,
  ): void {
    this.write(files);
    if (![...files.values()].some((text) => /\bint main\(/.test(text)))
      writeFileSync(join(this.tree, 'driver.c'), driver);
    const isCxx = [...files.keys()].some((path) => path.endsWith('.cpp'));
    const { c, cxx } = toolchain.commands(flags.includes('clang'));
    const settings = [
      `CC = ${c}`,
      `CXX = ${cxx}`,
      `CFLAGS = ${toolchain
        .flags(flags)
        .filter((flag) => flag !== 'clang')
        .join(' ')} -I.`,
      `LDLIBS = ${links.join(' ')}`,
      `LINK = $(${isCxx ? 'CXX' : 'CC'})`,
      '',
    ].join('\n');
    writeFileSync(join(this.tree, 'settings.mk'), settings);
    if (files.has('Makefile')) return;
    const objects = filesBelow(this.tree)
      .filter((path) => /\.(c|cpp)$/.test(path))
      .map((path) => path.replace(/(c|cpp)$/, 'o'))
      // The last function of the program may have no filler behind it: the driver's, not the case's.
      .sort((a, b) => Number(a === 'driver.o') - Number(b === 'driver.o'));
    const makefile = [
      'include settings.mk',
      `prog: ${objects.join(' ')}`,
      '\t$(LINK) $(CFLAGS) -o $@ $^ $(LDLIBS)',
      '%.o: %.c',
      '\t$(CC) $(filter-out -std=c++%,$(CFLAGS)) -c -o $@ $<',
      '%.o: %.cpp',
      '\t$(CXX) $(CFLAGS) -c -o $@ $<',
      '',
    ];
    writeFileSync(join(this.tree, 'Makefile'), makefile.join('\n'));
  }

  /** The unified diff that leads from `before` to `after`, made by diff(1) as a user's would be. */
  async writeDiff(
    before: ReadonlyMap<string, string>,
    after: ReadonlyMap<string, string>,
    name = 'fix.patch',
  ): Promise<string> {
    this.write(before, join(this.folder, 'a'));
    this.write(after, join(this.folder, 'b'));
    const { code, stdout, stderr } = await run('diff', ['-ruN', 'a', 'b'], { cwd: this.folder });
    if (code !== 1) throw new Error(`diff found no difference, or failed: ${stderr}`);
    rmSync(join(this.folder, 'a'), { recursive: true });
    rmSync(join(this.folder, 'b'), { recursive: true });
    const path = join(this.folder, name);
    writeFileSync(path, stdout);
    return path;
  }

  /** The tree of a case as it was before the fix, recorded, and the fix as a diff. */
  static async of(
    one: Case,
    variant: readonly string[],
    toolchain = HOST,
  ): Promise<{ workspace: Workspace; diff: string }> {
    const workspace = new Workspace(one.name);
    try {
      workspace.writeTree(one.before, [...one.flags, ...variant], one.links, toolchain);
      const diff = await workspace.writeDiff(one.before, one.after);
      await workspace.record();
      return { workspace, diff };
    } catch (error) {
      await workspace.close();
      throw error;
    }
  }

  async record(): Promise<void> {
    const recorded = await suture(['record', '-C', this.tree, '--', 'make', '-s', '-j2']);
    if (recorded.code !== 0)
      throw new Error(`suture record: exit ${recorded.code}\n${recorded.stdout}${recorded.stderr}`);
  }

  build(id: string, ...args: readonly string[]): Promise<Finished> {
    return suture(['build', '-C', this.tree, '--id', id, '-o', this.patches, '--json', ...args]);
  }

  start(name = 'prog', args: readonly string[] = []): Program {
    const program = new Program(join(this.tree, name), args);
    this.#programs.push(program);
    return program;
  }

  /** Digest of every file of the tree by path and content, leaving out what the tool keeps there. */
  digest(): string {
    const hash = createHash('sha256');
    for (const path of filesBelow(this.tree)) {
      if (path.startsWith('.suture/')) continue;
      hash
        .update(`${path}\0`)
        .update(readFileSync(join(this.tree, path)))
        .update('\0');
    }
    return hash.digest('hex');
  }

  async close(): Promise<void> {
    for (const program of this.#programs) await program.stop();
    if (process.env.SUTURE_KEEP !== undefined) console.error(`kept ${this.folder}`);
    else rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A program started by a test, spoken to over its standard input: a line makes a call, `.` ends its answer. */
export class Program {
  readonly child: ChildProcessWithoutNullStreams;
  readonly #lines: Interface;
  readonly #waiting: { resolve: (answer: string) => void; reject: (error: Error) => void }[] = [];
  #answer: string[] = [];
  #ended: string | undefined;

  constructor(path: string, args: readonly string[]) {
    this.child = spawn(path, args, { stdio: 'pipe', cwd: dirname(path) });
    this.child.stderr.resume();
    this.child.stdin.on('error', () => {}); // the exit of the program is reported by the calls that wait
    this.#lines = createInterface({ input: this.child.stdout });
    this.#lines.on('line', (line) => {
      if (line !== '.') this.#answer.push(line);
      else {
        this.#waiting.shift()?.resolve(this.#answer.join(' '));
        this.#answer = [];
      }
    });
    const end = (how: string): void => {
      this.#ended = how;
      for (const { reject } of this.#waiting.splice(0)) reject(new Error(how));
    };
    this.child.on('error', (error) => end(String(error)));
    this.child.on('exit', (code, signal) => end(`the program ended: ${signal ?? `exit ${code}`}`));
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error('the program did not start');
    return this.child.pid;
  }

  /** Makes one call and gives the lines that it printed, joined by spaces. */
  call(line: string | number, seconds = 20): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(new Error(this.#ended));
      const timer = setTimeout(
        () => reject(new Error(`no answer to "${line}" in ${seconds} s`)),
        seconds * 1000,
      );
      const settle =
        <T>(then: (value: T) => void): ((value: T) => void) =>
        (value) => {
          clearTimeout(timer);
          then(value);
        };
      this.#waiting.push({ resolve: settle(resolve), reject: settle(reject) });
      this.child.stdin.write(`${line}\n`);
    });
  }

  /** Calls with 1, 2, … and gives the answers. */
  async calls(count: number): Promise<string[]> {
    const answers: string[] = [];
    for (let n = 1; n <= count; n++) answers.push(await this.call(n));
    return answers;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null || this.child.pid === undefined)
      return;
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await gone;
  }
}

/** Fails with everything that was said when the exit code is not the expected one. */
export function assertExit(finished: Finished, code: number): void {
  assert.equal(
    finished.code,
    code,
    `exit ${finished.code} instead of ${code}:\n${finished.stdout}${finished.stderr}`,
  );
}

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const below = (at: string): string[] =>
    readdirSync(at, { withFileTypes: true }).flatMap((entry) => {
      const path = join(at, entry.name);
      return entry.isDirectory() ? below(path) : [relative(folder, path)];
    });
  return below(folder).sort();
}
