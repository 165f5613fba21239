/**
 * posix_spawn(3). Unlike node:child_process the child is ours alone: libuv does not wait for it, so that ptrace and
 * waitpid see every change of its state; and it may inherit any descriptor.
 */
import { SutureError } from '../base/errors.ts';
import { SystemError } from './errno.ts';
import { cFunction, errno, NativeMemory } from './library.ts';
import { kill, SIGKILL } from './signals.ts';
import { __WALL, WUNTRACED, waitFor } from './wait.ts';

const posixSpawnp = cFunction('posix_spawnp', 'int', [
  'uintptr_t',
  'const char *',
  'uintptr_t',
  'uintptr_t',
  'const char **',
  'const char **',
]);
const actionsInit = cFunction('posix_spawn_file_actions_init', 'int', ['uintptr_t']);
const actionsDestroy = cFunction('posix_spawn_file_actions_destroy', 'int', ['uintptr_t']);
const actionsDup2 = cFunction('posix_spawn_file_actions_adddup2', 'int', ['uintptr_t', 'int', 'int']);
const actionsChdir = cFunction('posix_spawn_file_actions_addchdir_np', 'int', ['uintptr_t', 'const char *']);
const attributesInit = cFunction('posix_spawnattr_init', 'int', ['uintptr_t']);
const attributesDestroy = cFunction('posix_spawnattr_destroy', 'int', ['uintptr_t']);
const attributesFlags = cFunction('posix_spawnattr_setflags', 'int', ['uintptr_t', 'int']);
const attributesMask = cFunction('posix_spawnattr_setsigmask', 'int', ['uintptr_t', 'uintptr_t']);
const attributesDefault = cFunction('posix_spawnattr_setsigdefault', 'int', ['uintptr_t', 'uintptr_t']);
const pipe2 = cFunction('pipe2', 'int', ['uintptr_t', 'int']);

const POSIX_SPAWN_SETSIGDEF = 4;
const POSIX_SPAWN_SETSIGMASK = 8;
const O_CLOEXEC = 0o2000000;

export interface SpawnOptions {
  /** Program, looked up in PATH of ours if it holds no slash. */
  readonly file: string;
  /** argv, the program's own name included. */
  readonly argv: readonly string[];
  /** Whole environment of the child; ours if left out. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Descriptors of the child: `to` there is `from` here. Left out: 0, 1 and 2 as they are. Every other one of node's is closed. */
  readonly descriptors?: readonly { readonly from: number; readonly to: number }[];
}

const STANDARD = [0, 1, 2].map((fd) => ({ from: fd, to: fd }));
// glibc's structs are 80, 336 and 128 bytes, musl's no larger.
const ACTIONS = 0;
const ATTRIBUTES = 512;
const SIGNALS = 1024;
const PID = 1536;
const arena = NativeMemory.lazily(2048);

/** Starts a program and returns its pid. Signals are at their defaults and unblocked in it. Throws SYSCALL. */
export function spawn(options: SpawnOptions): number {
  const memory = arena();
  const actions = memory.address + ACTIONS;
  const attributes = memory.address + ATTRIBUTES;
  const signals = memory.address + SIGNALS;
  must('posix_spawn_file_actions_init', actionsInit(actions));
  must('posix_spawnattr_init', attributesInit(attributes));
  try {
    // node marks every descriptor close-on-exec, the standard ones too; dup2 onto itself clears the mark (glibc 2.29).
    for (const { from, to } of options.descriptors ?? STANDARD)
      must(`descriptor ${from}`, actionsDup2(actions, from, to));
    if (options.cwd !== undefined) must(`chdir to ${options.cwd}`, actionsChdir(actions, options.cwd));
    must('flags', attributesFlags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK));
    memory.bytes.fill(0, SIGNALS, SIGNALS + 128);
    must('signal mask', attributesMask(attributes, signals));
    memory.bytes.fill(0xff, SIGNALS, SIGNALS + 8);
    must('signal defaults', attributesDefault(attributes, signals));
    const environment = Object.entries(options.env ?? process.env).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}=${value}`],
    );
    const result = posixSpawnp(
      memory.address + PID,
      options.file,
      actions,
      attributes,
      [...options.argv, null],
      [...environment, null],
    );
    must(`starting ${options.file}`, result);
    return memory.view.getInt32(PID, true);
  } finally {
    actionsDestroy(actions);
    attributesDestroy(attributes);
  }
}

/**
 * Starts a program that waits, stopped by SIGSTOP, before it executes its file: the caller can seize it without a race
 * and then send SIGCONT. Until then the process is /bin/sh; the first exec event after the stop is the program's.
 */
export function spawnStopped(options: SpawnOptions): number {
  const pid = spawn({
    ...options,
    file: '/bin/sh',
    argv: ['sh', '-c', 'kill -STOP $$; exec "$@"', 'sh', options.file, ...options.argv.slice(1)],
  });
  for (;;) {
    const status = waitFor(pid, WUNTRACED | __WALL);
    if (status.kind === 'stopped') return pid;
    if (status.kind === 'nothing') continue;
    kill(pid, SIGKILL);
    throw new SutureError('SYSCALL', `starting ${options.file}: /bin/sh ended before it stopped`);
  }
}

/** A pipe whose ends are closed on exec: {reading, writing} descriptors. */
export function pipe(): { readonly reading: number; readonly writing: number } {
  const memory = arena();
  if (pipe2(memory.address + PID, O_CLOEXEC) < 0) throw new SystemError('pipe2', errno());
  return { reading: memory.view.getInt32(PID, true), writing: memory.view.getInt32(PID + 4, true) };
}

/** posix_spawn's functions return the error number instead of setting errno. */
function must(what: string, result: number): void {
  if (result !== 0) throw new SystemError(`posix_spawn: ${what}`, result);
}
