import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { SutureError } from '../base/errors.ts';
import { hex, type Remote } from '../bytes/address.ts';
import { EACCES, EFAULT, EIO, EPERM, errnoOf, SystemError } from '../sys/errno.ts';
import { noPermission } from './fitness.ts';

type Transfer = (fd: number, bytes: Uint8Array, offset: number, length: number, position: number) => number;

/** Memory of a target through /proc/PID/mem. Its pages' protection does not matter: text can be written too. */
export class TargetMemory {
  readonly #descriptor: number;
  #open = true;

  /** NO_PERMISSION, or NO_PROCESS if it is gone. */
  constructor(readonly pid: number) {
    try {
      this.#descriptor = openSync(`/proc/${pid}/mem`, 'r+');
    } catch (cause) {
      const errno = errnoOf(cause);
      if (errno === EACCES || errno === EPERM) throw noPermission(pid, cause);
      throw new SutureError('NO_PROCESS', `there is no process ${pid}`, { cause });
    }
  }

  /** `size` bytes. PROCESS_GONE when the address space is no more, IO when a page is not mapped. */
  read(at: Remote, size: number): Uint8Array {
    const bytes = new Uint8Array(size);
    const got = this.#transfer(readSync, bytes, at, 'read');
    if (got === size) return bytes;
    throw new SutureError('IO', `${size} bytes at ${hex(at)} of process ${this.pid} cannot be read`);
  }

  /** `size` bytes, or undefined if one of them cannot be read. */
  tryRead(at: Remote, size: number): Uint8Array | undefined {
    const bytes = new Uint8Array(size);
    try {
      return this.#transfer(readSync, bytes, at, 'read') === size ? bytes : undefined;
    } catch (error) {
      if (error instanceof SutureError && error.code === 'PROCESS_GONE') return undefined;
      throw error;
    }
  }

  /**
   * Writes all bytes; within one page it is done in one step. PROCESS_GONE, or IO when a page is not mapped: then
   * the pages before it are written.
   */
  write(at: Remote, bytes: Uint8Array): void {
    if (this.#transfer(writeSync, bytes, at, 'written') === bytes.length) return;
    throw new SutureError(
      'IO',
      `${bytes.length} bytes at ${hex(at)} of process ${this.pid} cannot be written`,
    );
  }

  /** False once the address space has no users: the process ended, or executes another program in another one. */
  inUse(): boolean {
    if (!this.#open) return false;
    try {
      // Nothing can be mapped here, but only of an address space that is no more does the kernel say that it ends here.
      return readSync(this.#descriptor, new Uint8Array(1), 0, 1, 0) > 0;
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return true;
    }
  }

  close(): void {
    if (this.#open) closeSync(this.#descriptor);
    this.#open = false;
  }

  /** Bytes done until the end or the first page that is not there. */
  #transfer(call: Transfer, bytes: Uint8Array, at: Remote, done: 'read' | 'written'): number {
    if (!this.#open) throw new SutureError('INTERNAL', `memory of process ${this.pid} was closed`);
    // A position beyond 2^53 would be rounded; only the kernel's vsyscall page is there.
    const start = Number(at);
    if (!Number.isSafeInteger(start + bytes.length)) return 0;
    let offset = 0;
    while (offset < bytes.length) {
      let count: number;
      try {
        count = call(this.#descriptor, bytes, offset, bytes.length - offset, start + offset);
      } catch (error) {
        const errno = errnoOf(error);
        if (errno === EIO || errno === EFAULT) return offset;
        if (errno === undefined) throw error;
        throw new SystemError(`/proc/${this.pid}/mem at ${hex(at)}`, errno);
      }
      // proc(5): nothing comes from an address space that has no users any more.
      if (count === 0)
        throw new SutureError('PROCESS_GONE', `process ${this.pid} ended; no memory can be ${done}`);
      offset += count;
    }
    return offset;
  }
}
