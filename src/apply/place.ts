/**
 * Where a patch region goes: a hole of the address space on either side of the object, so near that every redirect
 * and every 32-bit reference between region and object reaches.
 */
import { SutureError } from '../base/errors.ts';
import { alignDownBig, alignUpBig, hex, type Remote, remote } from '../bytes/address.ts';

export interface Occupied {
  readonly start: Remote;
  readonly end: Remote;
  readonly path: string;
}

export interface PlaceRequest {
  /** Bytes, a multiple of the page size. */
  readonly size: number;
  /** What must be reachable from everywhere in the region: the object, and regions it jumps to. */
  readonly object: { readonly start: Remote; readonly end: Remote; readonly name: string };
  /** Distance in bytes that a redirect reaches on either side. */
  readonly reach: bigint;
  readonly pageSize: number;
  /** Everything mapped, in order of addresses. */
  readonly occupied: readonly Occupied[];
  /** The lowest address that may be mapped (vm.mmap_min_addr). */
  readonly lowest: Remote;
}

/** Room left free above the heap and below a stack, which grow into the holes beside them. */
const HEAP_ROOM = 1n << 28n;
const STACK_ROOM = 1n << 28n;
/** Objects below this line use 32-bit absolute addresses (psABI, small code model, not position independent). */
const LOW_LINE = 1n << 31n;

/**
 * Start addresses for the region, the nearest to the object first; at least one.
 * A page beside each neighbour stays free, so that the kernel never merges the region with one.
 * Throws NO_ROOM.
 */
export function placesFor(request: PlaceRequest): Remote[] {
  const { object, reach, occupied } = request;
  const size = BigInt(request.size);
  const page = BigInt(request.pageSize);
  const floor = max(object.end - reach, request.lowest);
  let ceiling = object.start + reach - size;
  if (object.end <= LOW_LINE) ceiling = min(ceiling, LOW_LINE - size);

  const found: { at: bigint; distance: bigint }[] = [];
  const consider = (hole: { start: bigint; end: bigint; below: string; above: string }) => {
    let start = hole.start + page;
    let end = hole.end - page;
    if (hole.below === '[heap]') start = max(start, min(start + HEAP_ROOM, (start + end) / 2n));
    if (hole.above === '[stack]') end = min(end, max(end - STACK_ROOM, (start + end) / 2n));
    start = max(alignUpBig(start, page), alignUpBig(floor, page));
    const last = min(alignDownBig(end - size, page), alignDownBig(ceiling, page));
    if (last < start) return;
    const left = last < object.start;
    const at = left ? last : start;
    found.push({ at, distance: left ? object.start - (at + size) : at - object.end });
  };

  let below = { end: request.lowest - page, path: '' };
  for (const mapping of occupied) {
    if (mapping.start > below.end) {
      consider({ start: below.end, end: mapping.start, below: below.path, above: mapping.path });
    }
    if (mapping.end > below.end) below = { end: mapping.end, path: mapping.path };
  }

  if (found.length === 0) {
    throw new SutureError(
      'NO_ROOM',
      `no free ${request.size / 1024} KiB within ${reach >> 20n} MiB of ${object.name} at ${hex(object.start)}`,
      { remedy: 'restart the program with the fixed file: its address space is full around this object' },
    );
  }
  found.sort((a, b) => (a.distance < b.distance ? -1 : a.distance > b.distance ? 1 : 0));
  return found.map(({ at }) => remote(at));
}

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);
