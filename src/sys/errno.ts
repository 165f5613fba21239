import { getSystemErrorMap, getSystemErrorName } from 'node:util';
import { type ErrorCode, SutureError } from '../base/errors.ts';

// asm-generic/errno-base.h, errno.h: the same on every CPU that this program knows.
export const EPERM = 1;
export const ENOENT = 2;
export const ESRCH = 3;
export const EINTR = 4;
export const EIO = 5;
export const ECHILD = 10;
export const EACCES = 13;
export const EFAULT = 14;
export const ENODEV = 19;
export const EINVAL = 22;

/** A system call that failed. `errno` is positive. */
export class SystemError extends SutureError {
  constructor(
    call: string,
    readonly errno: number,
    remedy?: string,
  ) {
    super(codeFor(errno), `${call}: ${describeErrno(errno)}`, remedy === undefined ? {} : { remedy });
    this.name = 'SystemError';
  }
}

/** A process that vanished and a lack of rights have codes of their own; the rest is SYSCALL. */
function codeFor(errno: number): ErrorCode {
  if (errno === ESRCH) return 'PROCESS_GONE';
  if (errno === EPERM || errno === EACCES) return 'NO_PERMISSION';
  return 'SYSCALL';
}

/** "no such process (ESRCH)" for 3. */
export function describeErrno(errno: number): string {
  const known = getSystemErrorMap().get(-errno);
  return known === undefined ? `errno ${errno}` : `${known[1]} (${getSystemErrorName(-errno)})`;
}

/** The positive errno of an error that a node:fs function threw, or undefined for any other value. */
export function errnoOf(error: unknown): number | undefined {
  if (error instanceof SystemError) return error.errno;
  if (error instanceof Error && 'errno' in error && typeof error.errno === 'number') return -error.errno;
  return undefined;
}
