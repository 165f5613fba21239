/** Reading the stacks of stopped threads, all in one system call. */
import { type Remote, remote } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import type { StoppedThread as Held, Stopped } from '../process/stopped.ts';
import { readBatch } from '../sys/memory.ts';
import type { StoppedThread } from './observe.ts';
import type { MappingView } from './view.ts';

/** A deeper stack costs as much to read as to unwind. */
const DEEPEST = 64 * 1024;

/**
 * The threads, with their stacks where these are short and surely their own: a C library puts a thread's control
 * block, which the thread pointer leads to, at the top of the stack that it was created with, and the kernel names
 * that of the first thread.
 *
 * @param maps from before the stop; a stack that is younger is not found in it, and its thread goes without
 */
export function withOwnStacks(stopped: Stopped, maps: readonly MappingView[]): StoppedThread[] {
  const { pid, arch } = stopped.target;
  const { sp, threadPointer } = arch.registers;
  const sizeFor = ({ tid, prstatus }: Held): { readonly at: Remote; readonly size: number } => {
    const view = viewOf(prstatus);
    const at = remote(view.getBigUint64(sp, true));
    const mapping = mappingOf(maps, at);
    const nothing = { at, size: 0 };
    if (mapping === undefined || mapping.end - at > DEEPEST) return nothing;
    const isFirst = tid === pid && mapping.path === '[stack]';
    if (!isFirst) {
      if (threadPointer === undefined) return nothing;
      const block = view.getBigUint64(threadPointer, true);
      if (block <= at || block >= mapping.end) return nothing;
    }
    return { at, size: Number(mapping.end - at) };
  };
  const ranges = stopped.threads.map(sizeFor);
  const pieces = readBatch(pid, ranges);
  return stopped.threads.map(({ tid, registers, prstatus }, i) => {
    const { at, size } = ranges[i]!;
    const bytes = pieces[i];
    const isWhole = size > 0 && bytes?.length === size;
    return { tid, registers, prstatus, ownStack: isWhole ? { at, bytes } : undefined };
  });
}

function mappingOf(maps: readonly MappingView[], at: bigint): MappingView | undefined {
  let low = 0;
  let high = maps.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (maps[middle]!.end <= at) low = middle + 1;
    else high = middle;
  }
  const found = maps[low];
  return found !== undefined && found.start <= at ? found : undefined;
}
