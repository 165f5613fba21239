/**
 * Patching a program before its main function runs. Whoever is about to execute it told the server, waits for a word
 * back, executes a breakpoint and then the program. Here the process is traced from before the breakpoint until the
 * new program and its libraries are loaded and its entry point is reached; it then spins there, with nobody tracing
 * it, while the patches are applied as to any process, and goes on.
 *
 * While the entry point has other bytes than its own, a small shell waits on a pipe: if this program is killed, it
 * writes them back.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Arch } from '../arch/arch.ts';
import { SutureError } from '../base/errors.ts';
import { hex, type Remote, remote } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import { archOf, vitalsOf } from '../process/fitness.ts';
import { TargetMemory } from '../process/memory.ts';
import { entryPoint } from '../process/modules.ts';
import * as ptrace from '../sys/ptrace.ts';
import { SIGTRAP, STOPPING_SIGNALS } from '../sys/signals.ts';
import { __WALL, type WaitStatus, WNOHANG, waitFor } from '../sys/wait.ts';

type Stop = Extract<WaitStatus, { kind: 'stopped' }>;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
/** From the word back until the new program is there. */
const EXEC_MS = 5_000;
/** For the dynamic linker and the libraries' constructors. */
const ENTRY_MS = 20_000;

export class Startup {
  readonly #tid: number;
  readonly #pid: number;

  /** Traces the thread that is about to execute the program. NO_PERMISSION, NO_PROCESS. */
  constructor(tid: number) {
    const vitals = vitalsOf(tid);
    if (vitals === undefined) throw new SutureError('NO_PROCESS', `there is no process ${tid}`);
    this.#tid = tid;
    this.#pid = vitals.status.Tgid;
    ptrace.seize(tid, ptrace.PTRACE_O_TRACEEXEC);
  }

  /**
   * Lets the thread execute the program, calls `patch` when that stands at its entry point, and lets it go.
   * @throws SutureError when it does not get there; the process goes on by itself then
   */
  async run(patch: (pid: number) => void): Promise<void> {
    await this.#untilExec();
    const pid = this.#pid;
    const entry = entryPoint(pid);
    const vitals = vitalsOf(pid);
    if (entry === undefined || vitals === undefined) throw this.#gone();
    const arch = archOf(pid, vitals);
    const memory = new TargetMemory(pid);
    try {
      const spin = arch.jump.encode(entry, entry)!;
      const original = memory.read(entry, spin.length);
      const guard = new Guard(pid, entry, original);
      try {
        memory.write(entry, spin);
        let isThere = false;
        try {
          isThere = await this.#untilEntry(arch, entry);
          // Nobody traces it now: patching seizes it as it does any process.
          if (isThere) patch(pid);
        } finally {
          await this.#restore(memory, entry, original);
        }
        if (!isThere)
          throw new SutureError(
            'BUSY',
            `process ${pid} did not reach its entry point within ${ENTRY_MS / 1000} s`,
            {
              remedy: 'apply the patches to the running process',
            },
          );
      } finally {
        guard.dismiss();
      }
    } finally {
      memory.close();
    }
  }

  async #untilExec(): Promise<void> {
    const deadline = Date.now() + EXEC_MS;
    while (Date.now() < deadline) {
      const stop = await this.#next(this.#tid, deadline);
      if (stop === undefined) break;
      if (stop.event === ptrace.PTRACE_EVENT_EXEC) return;
      passOn(stop, stop.signal === SIGTRAP);
    }
    await this.#letGo(this.#tid);
    throw new SutureError('BUSY', `process ${this.#pid} executed no program within ${EXEC_MS / 1000} s`, {
      remedy: 'see what became of it',
    });
  }

  /** Runs the program until it spins at its entry point, and leaves it to itself; false if it did not come there. */
  async #untilEntry(arch: Arch, entry: Remote): Promise<boolean> {
    const deadline = Date.now() + ENTRY_MS;
    ptrace.cont(this.#pid);
    for (let wait = 1; Date.now() < deadline; wait = Math.min(2 * wait, 16)) {
      await pause(wait);
      if (!ptrace.interrupt(this.#pid)) throw this.#gone();
      for (;;) {
        const stop = await this.#next(this.#pid, deadline);
        if (stop === undefined) return await this.#giveUp();
        if (stop.event === ptrace.PTRACE_EVENT_STOP && !STOPPING_SIGNALS.has(stop.signal)) break;
        passOn(stop, false);
      }
      const registers = ptrace.getRegset(this.#pid, ptrace.NT_PRSTATUS);
      const pc = remote(viewOf(registers).getBigUint64(arch.registers.pc, true));
      if (pc === entry) {
        ptrace.detach(this.#pid);
        return true;
      }
      ptrace.cont(this.#pid);
    }
    return await this.#giveUp();
  }

  async #giveUp(): Promise<false> {
    await this.#letGo(this.#pid);
    return false;
  }

  /** The thread is stopped while the bytes change under it, if that can be: they change in any case. */
  async #restore(memory: TargetMemory, entry: Remote, original: Uint8Array): Promise<void> {
    let stop: Stop | undefined;
    try {
      ptrace.seize(this.#pid, 0);
      ptrace.interrupt(this.#pid);
      stop = await this.#next(this.#pid, Date.now() + EXEC_MS);
    } catch (error) {
      if (!(error instanceof SutureError)) throw error;
    } finally {
      memory.write(entry, original);
    }
    if (stop !== undefined) ptrace.detach(this.#pid, stop.event === 0 ? stop.signal : 0);
  }

  /** The next stop; undefined if none came in time. PROCESS_GONE */
  async #next(tid: number, deadline: number): Promise<Stop | undefined> {
    for (;;) {
      // A thread that executes a program takes the number of the process.
      for (const one of new Set([tid, this.#pid])) {
        const status = waitFor(one, WNOHANG | __WALL);
        if (status.kind === 'stopped') return status;
        if (status.kind === 'exited' || status.kind === 'killed') throw this.#gone();
      }
      if (Date.now() > deadline) return undefined;
      await pause(1);
    }
  }

  async #letGo(tid: number): Promise<void> {
    if (!ptrace.interrupt(tid)) return;
    const stop = await this.#next(tid, Date.now() + EXEC_MS);
    if (stop !== undefined) ptrace.detach(stop.tid, stop.event === 0 ? stop.signal : 0);
  }

  #gone(): SutureError {
    return new SutureError('PROCESS_GONE', `process ${this.#pid} ended while it started`);
  }
}

/** Lets a stopped thread go on, with its signal unless that was meant for us. */
function passOn({ tid, event, signal }: Stop, isOurs: boolean): void {
  if (event === ptrace.PTRACE_EVENT_STOP && STOPPING_SIGNALS.has(signal)) ptrace.listen(tid);
  else ptrace.cont(tid, event === 0 && !isOurs ? signal : 0);
}

/** Writes the entry point's bytes back if this program ends before it has done so. */
class Guard {
  readonly #shell: ChildProcess;

  constructor(pid: number, entry: Remote, original: Uint8Array) {
    const octal = Array.from(original, (byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
    const script =
      'read word || printf "$3" | dd of="/proc/$1/mem" bs="$4" seek="$2" oflag=seek_bytes conv=notrunc status=none';
    const words = [pid, entry, octal, original.length].map(String);
    this.#shell = spawn('sh', ['-c', script, `guard of ${hex(entry)}`, ...words], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.#shell.on('error', () => {});
    this.#shell.stdin?.on('error', () => {});
  }

  dismiss(): void {
    this.#shell.stdin?.end('done\n');
  }
}
