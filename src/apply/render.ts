/** The bytes of a region, for one place in one process. */
import { plus, type Remote } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import {
  HEADER_BUILD_ID_SIZE,
  HEADER_ID_LENGTH,
  HEADER_SIZE,
  MAGIC,
  PatchHeader,
  PatchRecord,
  SECTION,
} from '../patch/layout.ts';
import type { Manifest } from '../patch/manifest.ts';
import type { Patch } from '../patch/patch.ts';
import { recordName } from '../patch/records.ts';
import type { Entry } from './entries.ts';
import type { RegionLayout } from './layout.ts';
import { type LinkInput, linkInto } from './relocate.ts';
import {
  CONTENT_DIGEST_OFFSET,
  encodeFunction,
  encodeState,
  FunctionRecord,
  PHASE_OFFSET,
  STATE_OFFSET,
} from './state-block.ts';

export type Digest = (bytes: Uint8Array) => Uint8Array;

export interface RenderInput {
  readonly link: LinkInput;
  readonly manifest: Manifest;
  /** Canonical JSON of the manifest, ASCII. */
  readonly manifestBytes: Uint8Array;
  readonly entries: readonly Entry[];
  readonly sequence: bigint;
  readonly transaction: bigint;
  readonly patchDigest: Uint8Array;
  readonly sha256: Digest;
}

/** Names as the records list them, each with its zero. */
export function nameTable(manifest: Manifest): {
  readonly bytes: Uint8Array;
  readonly offsets: readonly number[];
} {
  const offsets: number[] = [];
  const bytes: number[] = [];
  for (const fn of manifest.functions) {
    offsets.push(bytes.length);
    for (const character of recordName(fn)) bytes.push(character.charCodeAt(0) & 0xff);
    bytes.push(0);
  }
  return { bytes: Uint8Array.from(bytes), offsets };
}

/** Bytes from the start of the region to the section that bodies' offsets count from. */
export function textBase(patch: Patch, layout: RegionLayout): number {
  const index = patch.sections.findIndex(({ name }) => name === SECTION.text);
  return layout.sectionOffsets[index] ?? layout.textOffset;
}

/** The whole region in phase "placed". Throws what linking throws: RELOCATION, UNSUPPORTED, NO_ROOM. */
export function renderRegion(input: RenderInput): Uint8Array {
  const { layout, region, patch, base } = input.link;
  const bytes = new Uint8Array(layout.size);
  linkInto(bytes, input.link);

  const { manifest } = input;
  const text = plus(region, textBase(patch, layout));
  bytes.set(
    PatchHeader.make({
      magic: MAGIC,
      id: manifest.id.slice(0, HEADER_ID_LENGTH),
      moduleName: manifest.target.file.slice(0, 63).replace(/[^\x20-\x7e]/g, '?'),
      buildId: manifest.target.buildId.slice(0, HEADER_BUILD_ID_SIZE * 2),
      builtAt: BigInt(manifest.builtAt ?? 0),
      elfOffset: HEADER_SIZE,
      relocationsOffset: HEADER_SIZE,
      totalSize: layout.size,
      elfInRegion: layout.textOffset,
      regionSize: BigInt(layout.size),
      undoInRegion: layout.undoOffset,
      recordsInRegion: layout.recordsOffset,
      patchLevel: patch.level ?? 0,
    }),
  );
  writeRecords(bytes, input, text);
  bytes.set(input.manifestBytes, layout.manifestOffset);
  input.entries.forEach((entry, i) => {
    const state = {
      redirectAt: entry.redirectAt,
      replacement: plus(text, entry.replacement.offset),
      original: entry.original,
      originalSize: entry.originalSize,
      replacementSize: entry.replacement.size,
      originalBytes: entry.base,
    };
    bytes.set(encodeFunction(state), layout.functionsOffset + i * FunctionRecord.size);
  });
  bytes.set(
    encodeState({
      phase: 'placed',
      sequence: input.sequence,
      transaction: input.transaction,
      objectBias: base.bias,
      codeSize: layout.codeSize,
      constantsSize: layout.constantsSize,
      dataSize: layout.dataSize,
      textOffset: layout.textOffset,
      textSize: layout.textSize,
      stubsOffset: layout.stubsOffset,
      stubsSize: input.link.linkage.stubCount * patch.arch.link.stub.size,
      manifestOffset: layout.manifestOffset,
      manifestSize: input.manifestBytes.length,
      functionsOffset: layout.functionsOffset,
      functionCount: input.entries.length,
      ehFrameOffset: layout.ehFrameOffset,
      ehFrameSize: layout.ehFrameSize,
      gotOffset: layout.gotOffset,
      gotSize: input.link.linkage.wordCount * 8,
      unwindersOffset: layout.unwindersOffset,
      exceptTableOffset: layout.exceptTableOffset,
      exceptTableSize: layout.exceptTableSize,
      patchDigest: input.patchDigest,
      contentDigest: new Uint8Array(32),
    }),
    STATE_OFFSET,
  );
  const constantsEnd = layout.codeSize + layout.constantsSize;
  const undo = { offset: layout.undoOffset, size: layout.undoSize };
  bytes.set(contentDigest(bytes.subarray(0, constantsEnd), undo, input.sha256), CONTENT_DIGEST_OFFSET);
  return bytes;
}

function writeRecords(bytes: Uint8Array, input: RenderInput, text: Remote): void {
  const { layout, region, patch } = input.link;
  const names = nameTable(input.manifest);
  bytes.set(names.bytes, layout.namesOffset);
  let changed = 0;
  input.manifest.functions.forEach((fn, i) => {
    const entry = fn.kind === 'changed' ? input.entries[changed++] : undefined;
    const record = PatchRecord.make({
      original: entry?.redirectAt ?? 0n,
      originalSize: entry === undefined ? 0 : entry.originalSize - Number(entry.redirectAt - entry.original),
      replacement: plus(text, fn.replacement.offset),
      replacementSize: fn.replacement.size,
      name: plus(region, layout.namesOffset + (names.offsets[i] ?? 0)),
    });
    bytes.set(record, layout.recordsOffset + i * PatchRecord.size);
    if (entry !== undefined) bytes.set(entry.present, layout.undoOffset + i * patch.arch.jump.size);
  });
}

/** Digest of what never changes in a region: its code and constants but for phase, undo bytes and this digest. */
export function contentDigest(
  codeAndConstants: Uint8Array,
  undo: { readonly offset: number; readonly size: number },
  sha256: Digest,
): Uint8Array {
  const copy = codeAndConstants.slice();
  viewOf(copy).setUint32(PHASE_OFFSET, 0, true);
  copy.fill(0, CONTENT_DIGEST_OFFSET, CONTENT_DIGEST_OFFSET + 32);
  copy.fill(0, undo.offset, undo.offset + undo.size);
  return sha256(copy);
}
