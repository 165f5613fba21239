/** The emulated machine: a full system with a kernel of its own, because an emulator of programs alone has no ptrace. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Finished, repository } from '../programs/harness.ts';
import { type Image, prepareImage } from './image.ts';

export interface GuestOptions {
  /** qemu's -cpu. */
  readonly cpu: string;
  readonly processors?: number;
}

/** Under load an emulated machine is many times slower than alone. */
const BOOT_SECONDS = 180;
const CALL_SECONDS = 300;
/** What a boot needs not do. */
const KERNEL = [
  ...[
    'console=ttyAMA0',
    'panic=-1',
    'quiet',
    'nokaslr',
    'mitigations=off',
    'cryptomgr.notests',
    'audit=0',
    'lsm=',
  ],
  'initcall_blacklist=crypto_kdf108_init,init_blk_tracer,init_kprobe_trace,load_system_certificate_list,init_encrypted',
].join(' ');

/** What was said of a program that was patched; what is missing was not reached, for the reason in `error`. */
export interface PatchedProgram {
  readonly before?: readonly string[];
  readonly applied?: Finished;
  readonly after?: readonly string[];
  readonly verified?: Finished;
  readonly taken?: Finished;
  readonly reverted?: readonly string[];
  readonly error?: string;
}

interface Reply {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: string;
  readonly pid?: number;
  readonly line?: string;
  readonly ended?: string;
  readonly ready?: string;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class Guest {
  /** A folder of this host, seen in the guest as /exchange. */
  readonly exchange: string;
  readonly #machine: ChildProcessWithoutNullStreams;
  readonly #waiting = new Map<number, Waiting>();
  readonly #programs = new Map<number, GuestProgram>();
  readonly #console: string;
  #next = 1;
  #ended: string | undefined;
  #ready: ((version: string) => void) | undefined;

  private constructor({ cpu, processors = 1 }: GuestOptions, image: Image) {
    this.exchange = mkdtempSync(join(tmpdir(), 'suture-aarch64-'));
    this.#console = join(this.exchange, '.console');
    mkdirSync(join(repository, 'dist'), { recursive: true });
    const share = (tag: string, path: string): string[] => [
      ...['-fsdev', `local,id=${tag},path=${path},security_model=none,multidevs=remap`],
      ...['-device', `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`],
    ];
    this.#machine = spawn('qemu-system-aarch64', [
      ...['-M', 'virt', '-cpu', cpu, '-smp', String(processors), '-m', '1024', '-accel', 'tcg,thread=multi'],
      ...['-nodefaults', '-display', 'none', '-no-reboot', '-kernel', image.kernel, '-initrd', image.initrd],
      ...['-append', KERNEL, '-serial', `file:${this.#console}`],
      ...share('root', image.root),
      ...share('project', repository),
      ...share('exchange', this.exchange),
      ...['-device', 'virtio-serial-pci', '-chardev', 'stdio,id=agent,signal=off'],
      ...['-device', 'virtserialport,chardev=agent,name=agent'],
    ]);
    this.#machine.stderr.setEncoding('utf8').on('data', (text: string) => process.stderr.write(text));
    this.#machine.stdin.on('error', () => {}); // its end is reported to those who wait
    this.#machine.on('error', (error) => this.#end(String(error)));
    this.#machine.on('exit', (code) => this.#end(`the machine ended (exit ${code})\n${this.consoleText()}`));
    createInterface({ input: this.#machine.stdout }).on('line', (line) => this.#hear(line));
  }

  static async boot(options: GuestOptions): Promise<Guest> {
    const guest = new Guest(options, await prepareImage());
    try {
      await guest.#within('boot', BOOT_SECONDS, new Promise((resolve) => (guest.#ready = resolve)));
      return guest;
    } catch (error) {
      await guest.close();
      throw error;
    }
  }

  /** Runs a command of the guest to its end. */
  run(
    argv: readonly string[],
    options: { cwd?: string; seconds?: number; environment?: Record<string, string> } = {},
  ): Promise<Finished> {
    const seconds = Math.max(CALL_SECONDS, options.seconds ?? 0);
    return this.#ask('run', { argv, ...options }, seconds) as Promise<Finished>;
  }

  /** The command line of this checkout, in a process of its own as a user starts it. */
  sutureAlone(args: readonly string[], options: { cwd?: string; seconds?: number } = {}): Promise<Finished> {
    return this.run(['/bin/node', '/tmp/suture/bin/suture', ...args], options);
  }

  /** The same in a process that ran the commands before: it is warm. One after the other. */
  suture(args: readonly string[], options: { cwd?: string } = {}): Promise<Finished> {
    return this.#ask('suture', { args, ...options }) as Promise<Finished>;
  }

  /** Patches a program and takes the patch back there, seeing each time what it answers to 1, 2, … */
  patchProgram(request: {
    readonly folder: string;
    readonly patch: string;
    readonly patience: readonly string[];
    readonly counts: { readonly before: number; readonly after: number; readonly reverted: number };
  }): Promise<PatchedProgram> {
    return this.#ask('patchProgram', request) as Promise<PatchedProgram>;
  }

  async copy(from: string, to: string): Promise<void> {
    await this.#ask('copy', { from, to });
  }

  async remove(path: string): Promise<void> {
    await this.#ask('remove', { path });
  }

  async start(
    path: string,
    args: readonly string[] = [],
    environment: Record<string, string> = {},
  ): Promise<GuestProgram> {
    const pid = (await this.#ask('start', { path, args, environment })) as number;
    const program = new GuestProgram(pid, (operation, parameters) =>
      this.#ask(operation, { pid, ...parameters }),
    );
    this.#programs.set(pid, program);
    return program;
  }

  consoleText(): string {
    try {
      return readFileSync(this.#console, 'latin1').slice(-4000);
    } catch {
      return '';
    }
  }

  async close(): Promise<void> {
    if (
      this.#machine.exitCode === null &&
      this.#machine.signalCode === null &&
      this.#machine.pid !== undefined
    ) {
      const gone = new Promise((resolve) => this.#machine.once('exit', resolve));
      this.#machine.kill('SIGKILL');
      await gone;
    }
    rmSync(this.exchange, { recursive: true, force: true });
  }

  #ask(operation: string, parameters: object, seconds = CALL_SECONDS): Promise<unknown> {
    const id = this.#next++;
    const answer = new Promise((resolve, reject) => {
      if (this.#ended !== undefined) reject(new Error(this.#ended));
      else this.#waiting.set(id, { resolve, reject });
    });
    this.#machine.stdin.write(`${JSON.stringify({ id, operation, ...parameters })}\n`);
    return this.#within(operation, seconds, answer);
  }

  #within<T>(what: string, seconds: number, promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () =>
          reject(
            new Error(`${what} took more than ${seconds} s in the emulated machine\n${this.consoleText()}`),
          ),
        seconds * 1000,
      );
      promise.then(resolve, reject).finally(() => clearTimeout(timer));
      if (this.#ended !== undefined) reject(new Error(this.#ended));
    });
  }

  #hear(line: string): void {
    if (!line.startsWith('{')) return;
    const reply = JSON.parse(line) as Reply;
    if (reply.ready !== undefined) this.#ready?.(reply.ready);
    if (reply.pid !== undefined) this.#programs.get(reply.pid)?.hear(reply);
    if (reply.id === undefined) return;
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.error === undefined) waiting?.resolve(reply.result);
    else waiting?.reject(new Error(reply.error));
  }

  #end(how: string): void {
    this.#ended = how;
    for (const { reject } of this.#waiting.values()) reject(new Error(how));
    this.#waiting.clear();
  }
}

/** A program of the guest, spoken to as `Program` of the host: a line makes a call, `.` ends its answer. */
export class GuestProgram {
  readonly #waiting: { resolve: (answer: string) => void; reject: (error: Error) => void }[] = [];
  #answer: string[] = [];
  #ended: string | undefined;

  constructor(
    readonly pid: number,
    readonly ask: (operation: string, parameters: object) => Promise<unknown>,
  ) {}

  hear({ line, ended }: { readonly line?: string; readonly ended?: string }): void {
    if (ended !== undefined) {
      this.#ended = `the program ended: ${ended}`;
      for (const { reject } of this.#waiting.splice(0)) reject(new Error(this.#ended));
    } else if (line === '.') {
      this.#waiting.shift()?.resolve(this.#answer.join(' '));
      this.#answer = [];
    } else if (line !== undefined) {
      this.#answer.push(line);
    }
  }

  /** Makes one call and gives the lines that it printed, joined by spaces. */
  call(line: string | number, seconds = 120): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(new Error(this.#ended));
      const timer = setTimeout(
        () => reject(new Error(`no answer to "${line}" in ${seconds} s`)),
        seconds * 1000,
      );
      this.#waiting.push({
        resolve: (answer) => {
          clearTimeout(timer);
          resolve(answer);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      this.ask('write', { text: `${line}\n` }).catch(reject);
    });
  }

  async calls(count: number): Promise<string[]> {
    const answers: string[] = [];
    for (let n = 1; n <= count; n++) answers.push(await this.call(n));
    return answers;
  }

  async stop(): Promise<void> {
    if (this.#ended === undefined) await this.ask('kill', { signal: 'SIGKILL' });
  }
}
