/**
 * What a region of ours says about itself, between the header and the rest, so that any version of this program (and
 * a person with a debugger) can list, verify and take back what another one put in.
 *
 * Everything here but `phase` is written once, before the patch becomes active. `phase` is a hint: whether a patch is
 * active is seen from the redirects that lead into it, because whoever wrote the phase may have died a moment later.
 */
import { SutureError } from '../base/errors.ts';
import { type LoadBias, loadBias, type Remote, remote } from '../bytes/address.ts';
import { pad, record, text, u32, u64, viewOf } from '../bytes/record.ts';

export const STATE_MAGIC = 'SUTURE1';
export const STATE_VERSION = 1;

/** Offset of the state block in the region: right behind the header, 8-aligned. */
export const STATE_OFFSET = 504;

export const PHASE = { placed: 1, active: 2, reverting: 3, retired: 4 } as const;
export type Phase = keyof typeof PHASE;

/** All offsets count from the start of the region, all sizes are in bytes. */
export const StateRecord = record('suture state block', 224, {
  magic: text(8),
  version: u32,
  phase: u32,
  sequence: u64, //      order in which patches came into the process, the oldest first
  transaction: u64, //   the same for all objects that changed in one stop
  objectBias: u64,
  codeSize: u32, //      [0, codeSize) is r-x
  constantsSize: u32, // then r--
  dataSize: u32, //      then rw-
  textOffset: u32,
  textSize: u32,
  stubsOffset: u32,
  stubsSize: u32,
  manifestOffset: u32,
  manifestSize: u32,
  functionsOffset: u32,
  functionCount: u32,
  ehFrameOffset: u32,
  ehFrameSize: u32,
  gotOffset: u32,
  gotSize: u32,
  unwindersOffset: u32, // registrations of the unwind table, in the writable part up to its end; 0: none
  patchDigest: pad(32), //   sha256 of the .kpatch file
  contentDigest: pad(32), // sha256 of the region's code and constants, with phase, undo area and this field zero
  exceptTableOffset: u32,
  exceptTableSize: u32,
  tail: pad(48),
});

/** One changed function: where its redirect stands and what stood there before any patch. */
export const FunctionRecord = record('suture function record', 64, {
  redirectAt: u64,
  replacement: u64,
  original: u64,
  originalSize: u32,
  replacementSize: u32,
  originalBytes: pad(16), // the first bytes are those that the redirect replaces
  replacementPartsSize: u32,
  flags: u32,
  tail: pad(8),
});

export interface FunctionState {
  readonly redirectAt: Remote;
  readonly replacement: Remote;
  /** Start of the original, and its size in bytes. */
  readonly original: Remote;
  readonly originalSize: number;
  readonly replacementSize: number;
  /** Bytes that the base has at `redirectAt`, as many as a redirect takes. */
  readonly originalBytes: Uint8Array;
}

export interface StateBlock {
  readonly phase: Phase;
  readonly sequence: bigint;
  readonly transaction: bigint;
  readonly objectBias: LoadBias;
  readonly codeSize: number;
  readonly constantsSize: number;
  readonly dataSize: number;
  readonly textOffset: number;
  readonly textSize: number;
  readonly stubsOffset: number;
  readonly stubsSize: number;
  readonly manifestOffset: number;
  readonly manifestSize: number;
  readonly functionsOffset: number;
  readonly functionCount: number;
  readonly ehFrameOffset: number;
  readonly ehFrameSize: number;
  readonly gotOffset: number;
  readonly gotSize: number;
  readonly unwindersOffset: number;
  readonly exceptTableOffset: number;
  readonly exceptTableSize: number;
  readonly patchDigest: Uint8Array;
  readonly contentDigest: Uint8Array;
}

/** Where the word that holds the phase lies in the region. */
export const PHASE_OFFSET = STATE_OFFSET + StateRecord.offsets.phase;
/** Where the content's digest lies in the region. */
export const CONTENT_DIGEST_OFFSET = STATE_OFFSET + StateRecord.offsets.contentDigest;

export function encodeState(state: StateBlock): Uint8Array {
  return StateRecord.make({
    ...state,
    magic: STATE_MAGIC,
    version: STATE_VERSION,
    phase: PHASE[state.phase],
    objectBias: BigInt.asUintN(64, state.objectBias),
    patchDigest: state.patchDigest,
    contentDigest: state.contentDigest,
  });
}

/**
 * Reads the state block out of a region's first bytes. `undefined` if the region has none (LibcarePlus made it).
 * Throws BAD_FORMAT if it has one that cannot be right.
 */
export function decodeState(region: Uint8Array, regionSize: number): StateBlock | undefined {
  if (region.length < STATE_OFFSET + StateRecord.size) return undefined;
  const raw = StateRecord.on(viewOf(region), STATE_OFFSET);
  if (raw.magic !== STATE_MAGIC) return undefined;
  const phase = (Object.keys(PHASE) as Phase[]).find((name) => PHASE[name] === raw.phase);
  if (raw.version !== STATE_VERSION || phase === undefined) {
    throw new SutureError('BAD_FORMAT', `a patch region of version ${raw.version}, phase ${raw.phase}`, {
      remedy: 'use the version of suture that applied it',
    });
  }
  if (raw.codeSize + raw.constantsSize + raw.dataSize !== regionSize) {
    throw new SutureError('BAD_FORMAT', 'a patch region whose parts do not add up to its size');
  }
  const inside = (what: string, offset: number, size: number, limit: number) => {
    if (offset + size > limit) {
      throw new SutureError('BAD_FORMAT', `a patch region whose ${what} lies outside of it`);
    }
  };
  inside('text', raw.textOffset, raw.textSize, raw.codeSize);
  inside('stubs', raw.stubsOffset, raw.stubsSize, raw.codeSize);
  inside('manifest', raw.manifestOffset, raw.manifestSize, raw.codeSize);
  inside('functions', raw.functionsOffset, raw.functionCount * FunctionRecord.size, raw.codeSize);
  inside('unwind table', raw.ehFrameOffset, raw.ehFrameSize, regionSize);
  inside('offset table', raw.gotOffset, raw.gotSize, regionSize);
  inside('exception table', raw.exceptTableOffset, raw.exceptTableSize, regionSize);
  inside('registrations', raw.unwindersOffset, 0, regionSize);
  return {
    phase,
    sequence: raw.sequence,
    transaction: raw.transaction,
    objectBias: loadBias(BigInt.asIntN(64, raw.objectBias)),
    codeSize: raw.codeSize,
    constantsSize: raw.constantsSize,
    dataSize: raw.dataSize,
    textOffset: raw.textOffset,
    textSize: raw.textSize,
    stubsOffset: raw.stubsOffset,
    stubsSize: raw.stubsSize,
    manifestOffset: raw.manifestOffset,
    manifestSize: raw.manifestSize,
    functionsOffset: raw.functionsOffset,
    functionCount: raw.functionCount,
    ehFrameOffset: raw.ehFrameOffset,
    ehFrameSize: raw.ehFrameSize,
    gotOffset: raw.gotOffset,
    gotSize: raw.gotSize,
    unwindersOffset: raw.unwindersOffset,
    exceptTableOffset: raw.exceptTableOffset,
    exceptTableSize: raw.exceptTableSize,
    patchDigest: raw.patchDigest,
    contentDigest: raw.contentDigest,
  };
}

export function encodeFunction(entry: FunctionState): Uint8Array {
  const originalBytes = new Uint8Array(16);
  originalBytes.set(entry.originalBytes);
  return FunctionRecord.make({ ...entry, originalBytes });
}

/** Reads the table of changed functions; `redirectSizeIn` is the CPU's. */
export function decodeFunctions(
  code: Uint8Array,
  state: StateBlock,
  redirectSizeIn: (room: number) => number,
): readonly FunctionState[] {
  const view = viewOf(code);
  return Array.from({ length: state.functionCount }, (_, i) => {
    const raw = FunctionRecord.on(view, state.functionsOffset + i * FunctionRecord.size);
    const room = raw.originalSize - Number(raw.redirectAt - raw.original);
    return {
      redirectAt: remote(raw.redirectAt),
      replacement: remote(raw.replacement),
      original: remote(raw.original),
      originalSize: raw.originalSize,
      replacementSize: raw.replacementSize,
      originalBytes: raw.originalBytes.subarray(0, redirectSizeIn(room)),
    };
  });
}
