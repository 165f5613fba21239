/**
 * Finding the patches that a process has in it, by looking at its memory only: a private anonymous mapping of code that
 * starts with the header's magic. Ours have a state block behind the header; LibcarePlus's have its records only.
 */
import type { Arch } from '../arch/arch.ts';
import { SutureError } from '../base/errors.ts';
import { hex, plus, type Remote, remote } from '../bytes/address.ts';
import { decodeText } from '../bytes/cursor.ts';
import { viewOf } from '../bytes/record.ts';
import {
  HEADER_SIZE,
  MAGIC,
  MAX_REGION,
  PatchHeader,
  PatchRecord,
  RECORD_TERMINATOR_SIZE,
} from '../patch/layout.ts';
import type { Manifest } from '../patch/manifest.ts';
import { parseManifest } from '../patch/schema.ts';
import { decodeFunctions, decodeState, type FunctionState, type StateBlock } from './state-block.ts';
import type { MappingView, TryRead } from './view.ts';

export interface RegionFunction extends FunctionState {
  readonly name: string;
  /** Position among the records, and so of its undo bytes. */
  readonly record: number;
}

/** A patch in a process. */
export interface Region {
  readonly start: Remote;
  readonly end: Remote;
  readonly origin: 'suture' | 'libcareplus';
  /** In full; LibcarePlus's has at most 7 characters. */
  readonly id: string;
  /** Lower-case hexadecimal. */
  readonly buildId: string;
  /** In the store that it came from; 0: none. */
  readonly level?: number;
  /** Changed functions. */
  readonly functions: readonly RegionFunction[];
  /** New functions, where no manifest tells of them. */
  readonly added?: readonly { readonly start: Remote; readonly size: number }[];
  /** Where its code lies. */
  readonly code: { readonly start: Remote; readonly end: Remote };
  readonly undoOffset: number;
  /** Order among the patches of the process, the oldest lowest. */
  readonly sequence: bigint;
  readonly state: StateBlock | undefined;
  readonly manifest: Manifest | undefined;
}

/** Something that looks like a patch region but cannot be read as one. */
export interface BrokenRegion {
  readonly start: Remote;
  readonly end: Remote;
  readonly reason: string;
}

export interface Regions {
  /** The oldest first. */
  readonly regions: readonly Region[];
  readonly broken: readonly BrokenRegion[];
}

/** Most functions that one region is believed to have. */
const MAX_FUNCTIONS = 1 << 16;
const LONGEST_NAME = 4096;

/** All patch regions among the mappings of a process, which may be running. */
export function readRegions(maps: readonly MappingView[], tryRead: TryRead, arch: Arch): Regions {
  const regions: Region[] = [];
  const broken: BrokenRegion[] = [];
  for (const mapping of maps) {
    if (!couldBeRegion(mapping)) continue;
    const head = tryRead(mapping.start, HEADER_SIZE);
    if (head === undefined || PatchHeader.on(viewOf(head), 0).magic !== MAGIC) continue;
    try {
      regions.push(readRegion(mapping, tryRead, arch));
    } catch (error) {
      if (!(error instanceof SutureError)) throw error;
      broken.push({ start: mapping.start, end: mapping.end, reason: error.message });
    }
  }
  return { regions: inOrder(regions, arch), broken };
}

/** Also one that somebody made writable: verify says so. */
export const couldBeRegion = (mapping: MappingView): boolean =>
  mapping.read &&
  mapping.execute &&
  !mapping.shared &&
  mapping.path === '' &&
  mapping.end - mapping.start >= BigInt(HEADER_SIZE);

function readRegion(mapping: MappingView, tryRead: TryRead, arch: Arch): Region {
  const bad = (what: string) =>
    new SutureError('BAD_FORMAT', `the patch region at ${hex(mapping.start)} ${what}`);
  const codeLimit = Number(mapping.end - mapping.start);
  if (codeLimit > MAX_REGION) throw bad('is larger than any patch');
  const bytes = tryRead(mapping.start, codeLimit);
  if (bytes === undefined) throw bad('cannot be read');
  const header = PatchHeader.on(viewOf(bytes), 0);
  const size = Number(header.regionSize);
  if (size < codeLimit || size > MAX_REGION) throw bad(`claims a size of ${header.regionSize} bytes`);
  const common = {
    start: mapping.start,
    end: plus(mapping.start, size),
    buildId: header.buildId,
    level: header.patchLevel,
    undoOffset: header.undoInRegion,
  };
  const state = decodeState(bytes, size);
  if (state === undefined) {
    return {
      ...common,
      origin: 'libcareplus',
      id: header.id,
      ...readRecords(bytes, size, mapping.start, header, tryRead, arch),
      code: { start: mapping.start, end: mapping.end },
      sequence: 0n,
      state: undefined,
      manifest: undefined,
    };
  }
  if (state.codeSize !== codeLimit) throw bad('is split or merged with another mapping');
  const text = bytes.subarray(state.manifestOffset, state.manifestOffset + state.manifestSize);
  const manifest = parseManifest(decodeText(text));
  const changed = manifest.functions.flatMap(({ kind, name }, record) =>
    kind === 'changed' ? [{ name, record }] : [],
  );
  const functions = decodeFunctions(bytes, state, arch.jump.sizeIn);
  if (changed.length !== functions.length) throw bad('lists other functions than its manifest');
  return {
    ...common,
    origin: 'suture',
    id: manifest.id,
    buildId: manifest.target.buildId,
    functions: functions.map((entry, i) => ({ ...entry, ...changed[i]! })),
    code: {
      start: plus(mapping.start, Math.min(state.stubsOffset, state.textOffset)),
      end: plus(mapping.start, state.codeSize),
    },
    sequence: state.sequence,
    state,
    manifest,
  };
}

/** LibcarePlus's records, which hold absolute addresses in a patched process. */
function readRecords(
  bytes: Uint8Array,
  regionSize: number,
  start: Remote,
  header: { readonly recordsInRegion: number; readonly undoInRegion: number },
  tryRead: TryRead,
  arch: Arch,
): Required<Pick<Region, 'functions' | 'added'>> {
  const functions: RegionFunction[] = [];
  const added: { start: Remote; size: number }[] = [];
  const fromRegion = (offset: number, size: number): Uint8Array => {
    const inCode = offset + size <= bytes.length;
    const part = inCode ? bytes.subarray(offset, offset + size) : undefined;
    const read = part ?? (offset + size <= regionSize ? tryRead(plus(start, offset), size) : undefined);
    if (read === undefined)
      throw new SutureError('BAD_FORMAT', `the patch region at ${hex(start)} ends too early`);
    return read;
  };
  for (let record = 0; record < MAX_FUNCTIONS; record++) {
    const at = header.recordsInRegion + record * PatchRecord.size;
    if (fromRegion(at, RECORD_TERMINATOR_SIZE).every((byte) => byte === 0)) return { functions, added };
    const raw = PatchRecord.on(viewOf(fromRegion(at, PatchRecord.size)), 0);
    if (raw.original === 0n && raw.originalSize === 0) {
      added.push({ start: remote(raw.replacement), size: raw.replacementSize });
      continue;
    }
    functions.push({
      name: nameAt(remote(raw.name), tryRead),
      record,
      redirectAt: remote(raw.original),
      replacement: remote(raw.replacement),
      original: remote(raw.original),
      originalSize: raw.originalSize,
      replacementSize: raw.replacementSize,
      originalBytes: fromRegion(
        header.undoInRegion + record * arch.jump.size,
        arch.jump.sizeIn(raw.originalSize) || arch.jump.size,
      ).slice(),
    });
  }
  throw new SutureError('BAD_FORMAT', `the records of the patch region at ${hex(start)} do not end`);
}

function nameAt(at: Remote, tryRead: TryRead): string {
  const name: number[] = [];
  for (let next = at; name.length < LONGEST_NAME; ) {
    // No read crosses a page, so that a name at the end of a mapping can be read.
    const room = 256 - Number(next & 255n);
    const bytes = tryRead(next, room);
    if (bytes === undefined) break;
    const end = bytes.indexOf(0);
    name.push(...(end < 0 ? bytes : bytes.subarray(0, end)));
    if (end >= 0) break;
    next = plus(next, room);
  }
  const text = String.fromCharCode(...name);
  return text.endsWith('.kpatch') ? text.slice(0, -'.kpatch'.length) : text;
}

/**
 * LibcarePlus's regions carry no order, but each keeps the bytes that it replaced: one whose undo bytes jump into
 * another came later. They are taken to be older than ours, whose sequence numbers start at 1.
 */
function inOrder(regions: readonly Region[], arch: Arch): Region[] {
  const foreign = regions.filter(({ origin }) => origin === 'libcareplus');
  const depth = (region: Region, seen: readonly Region[]): number => {
    let deepest = 0;
    for (const { originalBytes, redirectAt } of region.functions) {
      const to = arch.jump.decode(originalBytes, redirectAt);
      const below = foreign.find((other) => to !== undefined && to >= other.start && to < other.end);
      if (below === undefined || below === region || seen.includes(below)) continue;
      deepest = Math.max(deepest, 1 + depth(below, [...seen, region]));
    }
    return deepest;
  };
  const depths = new Map(foreign.map((region) => [region, depth(region, [])]));
  return [...regions].sort((a, b) =>
    a.sequence !== b.sequence
      ? a.sequence < b.sequence
        ? -1
        : 1
      : (depths.get(a) ?? 0) - (depths.get(b) ?? 0) || (a.start < b.start ? -1 : 1),
  );
}
