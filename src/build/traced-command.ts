/**
 * Runs a command as a traced child and reports every program that it and its descendants execute. Nothing is put in
 * anybody's way: the kernel reports fork, clone and exec (ptrace(2), PTRACE_O_TRACE*), and processes of no further
 * interest are let go. When we die the kernel lets go of all, and the command goes on.
 */
import { constants } from 'node:os';
import { SutureError } from '../base/errors.ts';
import * as ptrace from '../sys/ptrace.ts';
import { sleepMicroseconds } from '../sys/scheduler.ts';
import { kill, SIGCONT, SIGKILL, STOPPING_SIGNALS } from '../sys/signals.ts';
import { spawnStopped } from '../sys/spawn.ts';
import { __WALL, type WaitStatus, WNOHANG, waitFor } from '../sys/wait.ts';

const OPTIONS =
  ptrace.PTRACE_O_TRACEEXEC |
  ptrace.PTRACE_O_TRACEFORK |
  ptrace.PTRACE_O_TRACEVFORK |
  ptrace.PTRACE_O_TRACECLONE;

/** What to do with a process after its exec: 'leave' lets go of it and of everything it will start. */
export type Verdict = 'follow' | 'leave';

export interface TracedOptions {
  /** What the command prints to standard output goes to standard error. */
  readonly outputToError?: boolean;
}

/** Descriptors of a command whose output must not mix with ours. */
const ALL_TO_ERROR = [
  { from: 0, to: 0 },
  { from: 2, to: 1 },
  { from: 2, to: 2 },
];

/**
 * @param executed called while the process stands at the first instruction of the new program
 * @returns the command's exit code; 128 + signal if one ended it
 * @throws SutureError NO_PERMISSION if tracing is not allowed here; the command has not run then
 */
export async function runTraced(
  command: readonly string[],
  directory: string,
  executed: (pid: number) => Verdict,
  options: TracedOptions = {},
): Promise<number> {
  const descriptors = options.outputToError === true ? { descriptors: ALL_TO_ERROR } : {};
  const pid = spawnStopped({ file: command[0]!, argv: command, cwd: directory, ...descriptors });
  try {
    ptrace.seize(pid, OPTIONS);
  } catch (error) {
    kill(pid, SIGKILL);
    waitFor(pid, __WALL);
    throw new SutureError(
      'NO_PERMISSION',
      `the kernel does not let this process trace its own child: ${(error as Error).message}`,
      {
        remedy:
          'allow ptrace (containers: --cap-add SYS_PTRACE; /proc/sys/kernel/yama/ptrace_scope below 3), or let the build system write compile_commands.json into the tree',
        cause: error,
      },
    );
  }
  kill(pid, SIGCONT);
  return await new TracedCommand(pid, command[0]!, executed).finished();
}

function notStarted(program: string): SutureError {
  return new SutureError('IO', `cannot start ${program}`, {
    remedy: 'check its name, and that it may be executed',
  });
}

/** Signals that end a command; a terminal sends the first two to the whole foreground group by itself. */
const PASSED_ON = ['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP'] as const;
const FROM_TERMINAL: readonly string[] = ['SIGINT', 'SIGQUIT'];

class TracedCommand {
  readonly #root: number;
  readonly #executed: (pid: number) => Verdict;
  readonly #traced: Set<number>;
  #result: number | undefined;
  /** The shell that waited for us has become the command. */
  #begun = false;

  readonly #program: string;

  constructor(root: number, program: string, executed: (pid: number) => Verdict) {
    this.#root = root;
    this.#program = program;
    this.#executed = executed;
    this.#traced = new Set([root]);
  }

  finished(): Promise<number> {
    return new Promise((resolve, reject) => {
      const forwards = PASSED_ON.map((signal) => {
        const forward = (): void => {
          if (!(FROM_TERMINAL.includes(signal) && process.stdin.isTTY))
            kill(this.#root, constants.signals[signal]);
        };
        process.on(signal, forward);
        return () => process.off(signal, forward);
      });
      const drain = (): void => {
        try {
          while (this.#result === undefined && this.#handle(waitFor(-1, WNOHANG | __WALL)));
        } catch (error) {
          stop();
          reject(error);
          return;
        }
        if (this.#result === undefined) return;
        stop();
        if (!this.#begun) reject(notStarted(this.#program));
        resolve(this.#result);
      };
      const stop = (): void => {
        process.off('SIGCHLD', drain);
        clearInterval(pulse);
        for (const off of forwards) off();
        this.#letGo();
      };
      process.on('SIGCHLD', drain);
      // Signal handlers alone do not keep node running.
      const pulse = setInterval(drain, PULSE_MS);
      drain();
    });
  }

  /** Returns whether there may be more to report. */
  #handle(status: WaitStatus): boolean {
    switch (status.kind) {
      case 'nothing':
        return false;
      case 'no-child':
        this.#result ??= 0;
        return false;
      case 'exited':
      case 'killed':
        this.#traced.delete(status.tid);
        if (status.tid === this.#root)
          this.#result = status.kind === 'exited' ? status.code : 128 + status.signal;
        return true;
      case 'stopped':
        this.#stopped(status.tid, status.event, status.signal);
        return true;
    }
  }

  #stopped(tid: number, event: number, signal: number): void {
    this.#traced.add(tid);
    switch (event) {
      case ptrace.PTRACE_EVENT_EXEC: {
        this.#begun = true;
        if (this.#executed(tid) === 'follow') ptrace.cont(tid);
        else if (ptrace.detach(tid)) this.#traced.delete(tid);
        return;
      }
      case ptrace.PTRACE_EVENT_STOP:
        if (STOPPING_SIGNALS.has(signal)) ptrace.listen(tid);
        else ptrace.cont(tid);
        return;
      case 0:
        ptrace.cont(tid, signal);
        return;
      default:
        this.#noteBirth(tid);
        ptrace.cont(tid);
    }
  }

  /** The new process or thread is traced from its birth, though its first stop may be reported later. */
  #noteBirth(tid: number): void {
    try {
      this.#traced.add(ptrace.getEventMessage(tid));
    } catch (error) {
      // Killed in this very moment: what it gave birth to reports by itself.
      if (!(error instanceof SutureError && error.code === 'PROCESS_GONE')) throw error;
    }
  }

  /** Lets go of what outlives the command, such as a compiler cache's server. */
  #letGo(): void {
    for (const tid of this.#traced) {
      if (tid === this.#root || !ptrace.interrupt(tid)) continue;
      const deadline = Date.now() + LET_GO_MS;
      for (;;) {
        const status = waitFor(tid, WNOHANG | __WALL);
        if (status.kind === 'stopped') {
          if (BIRTHS.has(status.event)) this.#noteBirth(tid);
          ptrace.detach(tid, status.event === 0 ? status.signal : 0);
          break;
        }
        if (status.kind !== 'nothing' || Date.now() > deadline) break;
        sleepMicroseconds(LET_GO_PAUSE_US);
      }
    }
    this.#traced.clear();
  }
}

const BIRTHS: ReadonlySet<number> = new Set([
  ptrace.PTRACE_EVENT_FORK,
  ptrace.PTRACE_EVENT_VFORK,
  ptrace.PTRACE_EVENT_CLONE,
]);
/** How often to look for changes that no signal announced. */
const PULSE_MS = 100;
/** How long to wait for a process of the background to stop before it is left to the kernel at our end. */
const LET_GO_MS = 10_000;
const LET_GO_PAUSE_US = 500;
