import { SutureError } from '../base/errors.ts';
import { readProc } from '../sys/procfs.ts';
import type { Target } from './target.ts';

/** A kernel that knows of shadow stacks says of every process whether it has one, of ours too. */
let areKnown: boolean | undefined;

/**
 * Throws PROCESS_UNFIT if threads have a shadow stack: the CPU refuses a return, and rt_sigreturn a frame, of which the
 * shadow stack does not know (Linux, Documentation/arch/x86/shstk.rst).
 */
export function requireNoShadowStack(target: Target): void {
  areKnown ??= readProc('self/status')?.includes('x86_Thread_features:') ?? true;
  if (!areKnown) return;
  if (!target.status().threadFeatures.includes('shstk')) return;
  throw new SutureError(
    'PROCESS_UNFIT',
    `process ${target.pid} (${target.comm}) uses a shadow stack, with which no call can be made on its behalf`,
    { remedy: 'start the program with GLIBC_TUNABLES=glibc.cpu.x86_shstk=off' },
  );
}
