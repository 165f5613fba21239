import { SutureError } from '../base/errors.ts';
import type { Target } from './target.ts';

/**
 * Throws PROCESS_UNFIT if threads have a shadow stack: the CPU refuses a return, and rt_sigreturn a frame, of which the
 * shadow stack does not know (Linux, Documentation/arch/x86/shstk.rst).
 */
export function requireNoShadowStack(target: Target): void {
  if (!target.status().threadFeatures.includes('shstk')) return;
  throw new SutureError(
    'PROCESS_UNFIT',
    `process ${target.pid} (${target.comm}) uses a shadow stack, with which no call can be made on its behalf`,
    { remedy: 'start the program with GLIBC_TUNABLES=glibc.cpu.x86_shstk=off' },
  );
}
