import { SutureError } from '../base/errors.ts';
import type { Cursor } from '../bytes/cursor.ts';

/** How pointers in .eh_frame are written. LSB Core, "DWARF Exception Header Encoding". */
export const DW_EH_PE_absptr = 0x00;
export const DW_EH_PE_uleb128 = 0x01;
export const DW_EH_PE_udata2 = 0x02;
export const DW_EH_PE_udata4 = 0x03;
export const DW_EH_PE_udata8 = 0x04;
export const DW_EH_PE_sleb128 = 0x09;
export const DW_EH_PE_sdata2 = 0x0a;
export const DW_EH_PE_sdata4 = 0x0b;
export const DW_EH_PE_sdata8 = 0x0c;
export const DW_EH_PE_pcrel = 0x10;
export const DW_EH_PE_textrel = 0x20;
export const DW_EH_PE_datarel = 0x30;
export const DW_EH_PE_funcrel = 0x40;
export const DW_EH_PE_aligned = 0x50;
export const DW_EH_PE_indirect = 0x80;
export const DW_EH_PE_omit = 0xff;

/** What relative pointers are relative to: link-time addresses. */
export interface PointerBases {
  /** Address of the cursor's offset 0. */
  readonly section: bigint;
  /** Start of the code, for textrel. */
  readonly text?: bigint | undefined;
  /** The GOT in .eh_frame, the section itself in .eh_frame_hdr, for datarel. */
  readonly data?: bigint | undefined;
  /** Start of the function, for funcrel. */
  readonly function?: bigint | undefined;
}

/** A pointer as read. `indirect`: the pointer stands in memory at `value`. */
export interface EncodedPointer {
  readonly value: bigint;
  readonly indirect: boolean;
}

/** Reads the pointer's bare value, without its base. */
export function readEncodedValue(cursor: Cursor, encoding: number): bigint {
  switch (encoding & 0x0f) {
    case DW_EH_PE_absptr:
    case DW_EH_PE_udata8:
      return cursor.u64();
    case DW_EH_PE_uleb128:
      return cursor.uleb();
    case DW_EH_PE_udata2:
      return BigInt(cursor.u16());
    case DW_EH_PE_udata4:
      return BigInt(cursor.u32());
    case DW_EH_PE_sleb128:
      return cursor.sleb();
    case DW_EH_PE_sdata2:
      return BigInt(cursor.i16());
    case DW_EH_PE_sdata4:
      return BigInt(cursor.i32());
    case DW_EH_PE_sdata8:
      return cursor.i64();
    default:
      throw bad(cursor, encoding);
  }
}

/** Reads an encoded pointer; undefined for DW_EH_PE_omit. BAD_FORMAT for an unknown encoding or a base not given. */
export function readEncodedPointer(
  cursor: Cursor,
  encoding: number,
  bases: PointerBases,
): EncodedPointer | undefined {
  if (encoding === DW_EH_PE_omit) return undefined;
  const indirect = (encoding & DW_EH_PE_indirect) !== 0;
  const application = encoding & 0x70;
  if (application === DW_EH_PE_aligned) {
    const misaligned = Number((bases.section + BigInt(cursor.at)) & 7n);
    if (misaligned !== 0) cursor.bytes(8 - misaligned);
    return { value: cursor.u64(), indirect };
  }
  const base = baseOf(application, bases, cursor);
  if (base === undefined) throw bad(cursor, encoding);
  const value = readEncodedValue(cursor, encoding);
  return { value: BigInt.asUintN(64, base + value), indirect };
}

function baseOf(application: number, bases: PointerBases, cursor: Cursor): bigint | undefined {
  switch (application) {
    case 0:
      return 0n;
    case DW_EH_PE_pcrel:
      return bases.section + BigInt(cursor.at);
    case DW_EH_PE_textrel:
      return bases.text;
    case DW_EH_PE_datarel:
      return bases.data;
    case DW_EH_PE_funcrel:
      return bases.function;
    default:
      return undefined;
  }
}

const bad = (cursor: Cursor, encoding: number): SutureError =>
  new SutureError(
    'BAD_FORMAT',
    `${cursor.what}: pointer encoding 0x${encoding.toString(16)} at offset ${cursor.at} cannot be read`,
  );
