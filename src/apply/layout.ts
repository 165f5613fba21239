/**
 * What a patch region looks like:
 *
 *     r-x   header | state block | records, undo bytes, names (LibcarePlus finds these) | function table | manifest
 *           | stubs | text
 *     r--   read-only data, exception tables, unwind table | offset table (GOT)
 *     rw-   data, bss | registrations of the unwind table
 *
 * Each of the three starts on a page and has the protection that it is mapped with from the first moment: nothing is
 * ever writable and executable, and no mapping ever gains the right to execute.
 */
import { alignUp } from '../bytes/address.ts';
import { FILE_ALIGNMENT, PatchRecord, RECORD_TERMINATOR_SIZE, SECTION } from '../patch/layout.ts';
import type { PatchSection } from '../patch/patch.ts';
import { FunctionRecord, STATE_OFFSET, StateRecord } from './state-block.ts';
import { Registration } from './unwinder.ts';

/** Bytes between two functions' cache lines; stubs and text start on one. */
const CODE_ALIGNMENT = 64;
const WORD = 8;

export interface RegionContents {
  readonly sections: readonly PatchSection[];
  /** Functions, changed and new, in the manifest's order. */
  readonly functionCount: number;
  readonly changedCount: number;
  /** Bytes of all names with their zeros. */
  readonly namesSize: number;
  readonly manifestSize: number;
  readonly stubs: { readonly count: number; readonly size: number };
  /** 8-byte words. */
  readonly gotWords: number;
  readonly redirectSize: number;
  /** Unwinders that must know the unwind table. */
  readonly unwinderCount: number;
  readonly pageSize: number;
}

/** Offsets in bytes from the start of the region. */
export interface RegionLayout {
  readonly size: number;
  readonly codeSize: number;
  readonly constantsSize: number;
  readonly dataSize: number;
  readonly recordsOffset: number;
  readonly undoOffset: number;
  readonly undoSize: number;
  readonly namesOffset: number;
  readonly functionsOffset: number;
  readonly manifestOffset: number;
  readonly stubsOffset: number;
  readonly textOffset: number;
  readonly textSize: number;
  readonly gotOffset: number;
  readonly ehFrameOffset: number;
  readonly ehFrameSize: number;
  readonly exceptTableOffset: number;
  readonly exceptTableSize: number;
  /** 0: none. */
  readonly unwindersOffset: number;
  /** By index of the section in the patch. */
  readonly sectionOffsets: readonly number[];
}

export function layoutRegion(contents: RegionContents): RegionLayout {
  let next = STATE_OFFSET + StateRecord.size;
  const take = (size: number, align: number): number => {
    const at = alignUp(next, align);
    next = at + size;
    return at;
  };
  const recordsOffset = take(
    contents.functionCount * PatchRecord.size + Math.max(RECORD_TERMINATOR_SIZE, PatchRecord.size),
    FILE_ALIGNMENT,
  );
  const undoSize = contents.functionCount * contents.redirectSize;
  const undoOffset = take(undoSize, FILE_ALIGNMENT);
  const namesOffset = take(contents.namesSize, 1);
  const functionsOffset = take(contents.changedCount * FunctionRecord.size, WORD);
  const manifestOffset = take(contents.manifestSize, WORD);
  const stubsOffset = take(contents.stubs.count * contents.stubs.size, CODE_ALIGNMENT);

  const sectionOffsets = new Array<number>(contents.sections.length).fill(0);
  const takeSections = (kind: PatchSection['kind']): void => {
    contents.sections.forEach((section, index) => {
      if (section.kind === kind) sectionOffsets[index] = take(section.size, section.align);
    });
  };
  const endPart = (): number => {
    next = alignUp(next, contents.pageSize);
    return next;
  };

  take(0, CODE_ALIGNMENT);
  const textOffset = next;
  takeSections('text');
  const textSize = next - textOffset;
  const codeSize = endPart();
  takeSections('rodata');
  const gotOffset = take(contents.gotWords * WORD, WORD);
  const constantsSize = endPart() - codeSize;
  takeSections('data');
  takeSections('bss');
  const unwinders = take(contents.unwinderCount * Registration.size, WORD);
  const dataSize = endPart() - codeSize - constantsSize;

  const placeOf = (name: string): { readonly offset: number; readonly size: number } => {
    const index = contents.sections.findIndex((section) => section.name === name);
    return { offset: sectionOffsets[index] ?? 0, size: contents.sections[index]?.size ?? 0 };
  };
  const frames = placeOf(SECTION.frames);
  const exceptTable = placeOf(SECTION.exceptTable);
  return {
    size: codeSize + constantsSize + dataSize,
    codeSize,
    constantsSize,
    dataSize,
    recordsOffset,
    undoOffset,
    undoSize,
    namesOffset,
    functionsOffset,
    manifestOffset,
    stubsOffset,
    textOffset,
    textSize,
    gotOffset,
    ehFrameOffset: frames.offset,
    ehFrameSize: frames.size,
    exceptTableOffset: exceptTable.offset,
    exceptTableSize: exceptTable.size,
    unwindersOffset: contents.unwinderCount === 0 ? 0 : unwinders,
    sectionOffsets,
  };
}
