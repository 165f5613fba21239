import { SutureError } from '../base/errors.ts';
import { hex, type Vaddr, vaddr } from '../bytes/address.ts';
import { PT_LOAD } from './constants.ts';
import { Phdr } from './layout.ts';

/** A program header. gABI ch. 5. Offsets and sizes in bytes. */
export interface Segment {
  /** PT_* */
  readonly type: number;
  /** PF_* */
  readonly flags: number;
  readonly vaddr: Vaddr;
  readonly fileOffset: number;
  readonly fileSize: number;
  readonly memSize: number;
  readonly align: number;
}

/** The `count` program headers at `offset` of `view`. */
export function readSegments(view: DataView, offset: number, count: number, what: string): Segment[] {
  const segments: Segment[] = [];
  for (let index = 0; index < count; index++) {
    const header = Phdr.on(view, offset + index * Phdr.size);
    const size = (value: bigint): number => {
      if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
        throw new SutureError('BAD_FORMAT', `${what}: program header ${index} claims ${hex(value)} bytes`);
      }
      return Number(value);
    };
    segments.push({
      type: header.type,
      flags: header.flags,
      vaddr: vaddr(header.vaddr),
      fileOffset: size(header.offset),
      fileSize: size(header.filesz),
      memSize: size(header.memsz),
      align: size(header.align),
    });
  }
  return segments;
}

/** The PT_LOAD segment whose memory holds [at, at + size). */
export function segmentOf(segments: readonly Segment[], at: Vaddr, size = 1): Segment | undefined {
  return segments.find(
    (segment) =>
      segment.type === PT_LOAD &&
      at >= segment.vaddr &&
      at + BigInt(size) <= segment.vaddr + BigInt(segment.memSize),
  );
}

/** The link-time range that the PT_LOAD segments span; undefined if there are none. */
export function loadRange(segments: readonly Segment[]): { start: Vaddr; end: Vaddr } | undefined {
  let start: bigint | undefined;
  let end = 0n;
  for (const segment of segments) {
    if (segment.type !== PT_LOAD) continue;
    if (start === undefined || segment.vaddr < start) start = segment.vaddr;
    const last = segment.vaddr + BigInt(segment.memSize);
    if (last > end) end = last;
  }
  return start === undefined ? undefined : { start: vaddr(start), end: end as Vaddr };
}
