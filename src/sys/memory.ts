/** process_vm_readv(2): many ranges of another process in one call. */
import { EPERM, ESRCH, SystemError } from './errno.ts';
import { cFunction, errno, NativeMemory } from './library.ts';

const processVmReadv = cFunction('process_vm_readv', 'long', [
  'int',
  'uintptr_t',
  'size_t',
  'uintptr_t',
  'size_t',
  'size_t',
]);

/** limits.h: ranges in one call. */
const IOV_MAX = 1024;

export interface RemoteRange {
  readonly at: bigint;
  readonly size: number;
}

let arena: NativeMemory | undefined;
const vectors = NativeMemory.lazily((IOV_MAX + 1) * 16);

/** Allocates the memory that reads of `size` bytes need, so that a later read does not. */
export function reserveBatch(size: number): void {
  if (arena === undefined || arena.bytes.length < size) arena = new NativeMemory(alignToPage(size));
}

/**
 * Reads all ranges. A range comes back shorter (perhaps empty) where the target has no readable memory; the arrays are
 * copies. Throws PROCESS_GONE and NO_PERMISSION.
 */
export function readBatch(pid: number, ranges: readonly RemoteRange[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let first = 0;
  while (first < ranges.length) {
    const batch = ranges.slice(first, first + IOV_MAX);
    const total = batch.reduce((sum, range) => sum + range.size, 0);
    reserveBatch(total);
    const local = arena as NativeMemory;
    const got = read(pid, local, total, batch);
    let offset = 0;
    let done = 0;
    for (const range of batch) {
      const size = Math.max(0, Math.min(range.size, got - offset));
      pieces.push(local.bytes.slice(offset, offset + size));
      offset += range.size;
      done++;
      // The kernel stops at the first range that it cannot read to its end: go on behind it.
      if (size < range.size) break;
    }
    first += done;
  }
  return pieces;
}

function read(pid: number, local: NativeMemory, total: number, ranges: readonly RemoteRange[]): number {
  const memory = vectors();
  memory.view.setBigUint64(0, BigInt(local.address), true);
  memory.view.setBigUint64(8, BigInt(total), true);
  ranges.forEach((range, index) => {
    memory.view.setBigUint64(16 + index * 16, range.at, true);
    memory.view.setBigUint64(24 + index * 16, BigInt(range.size), true);
  });
  const got = processVmReadv(pid, memory.address, 1, memory.address + 16, ranges.length, 0);
  if (got >= 0) return got;
  const failure = errno();
  if (failure === ESRCH || failure === EPERM) throw new SystemError(`process_vm_readv of ${pid}`, failure);
  return 0;
}

const alignToPage = (size: number): number => (size + 4095) & ~4095;
