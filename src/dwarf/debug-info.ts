/**
 * The tree of debugging information entries in .debug_info, versions 2 to 5. DWARF 5, chapters 2 and 7.5.
 * Takes sections whose relocations have been applied; addresses and location lists are passed over.
 */
import { SutureError } from '../base/errors.ts';
import { Cursor, decodeText } from '../bytes/cursor.ts';
import { DW_AT, DW_FORM, DW_TAG, DW_UT } from './debug-info-constants.ts';

export interface DebugSections {
  readonly info: Uint8Array;
  readonly abbrev: Uint8Array;
  readonly str?: Uint8Array | undefined;
  readonly lineStr?: Uint8Array | undefined;
  readonly strOffsets?: Uint8Array | undefined;
}

/** A value: a number, a text, a reference (offset of a Die in .debug_info), or bytes of a block or expression. */
export type AttributeValue = number | bigint | string | boolean | Uint8Array | { readonly die: number };

export interface Die {
  /** Offset in .debug_info. */
  readonly offset: number;
  readonly tag: number;
  readonly attributes: ReadonlyMap<number, AttributeValue>;
  readonly children: readonly Die[];
}

interface Abbreviation {
  readonly tag: number;
  readonly hasChildren: boolean;
  /** Triples: attribute, form, implicit constant. */
  readonly specs: readonly number[];
}

/** Attributes that comparing types needs; all others are passed over. */
const KEPT = new Set<number>(Object.values(DW_AT));

/**
 * The units' top entries, with their trees and those attributes of `kept`. Throws BAD_FORMAT on anything that is not
 * DWARF 2 to 5.
 */
export function* debugInfoUnits(sections: DebugSections, kept: ReadonlySet<number> = KEPT): Generator<Die> {
  const cursor = new Cursor(sections.info, '.debug_info');
  const abbreviations = new Map<number, Map<number, Abbreviation>>();
  while (!cursor.done) {
    const start = cursor.at;
    let length = cursor.u32();
    const is64 = length === 0xffff_ffff;
    if (is64) length = Number(cursor.u64());
    const end = cursor.at + length;
    if (end > cursor.end || length < 7) throw bad(`unit at ${start} has length ${length}`);
    const version = cursor.u16();
    if (version < 2 || version > 5) throw bad(`unit at ${start} has version ${version}`);
    const unitType = version >= 5 ? cursor.u8() : DW_UT.compile;
    const readOffset = (): number => (is64 ? Number(cursor.u64()) : cursor.u32());
    let addressSize = 0;
    if (version >= 5) addressSize = cursor.u8();
    const abbrevOffset = readOffset();
    if (version < 5) addressSize = cursor.u8();
    if (unitType === DW_UT.type || unitType === DW_UT.split_type) {
      cursor.bytes(8);
      readOffset();
    } else if (unitType === DW_UT.skeleton || unitType === DW_UT.split_compile) cursor.bytes(8);
    let table = abbreviations.get(abbrevOffset);
    if (table === undefined) {
      table = readAbbreviations(sections.abbrev, abbrevOffset);
      abbreviations.set(abbrevOffset, table);
    }
    const unit = new UnitReader(sections, cursor, kept, { start, end, version, is64, addressSize, table });
    const top = unit.read();
    if (top !== undefined) yield top;
    cursor.at = end;
  }
}

function readAbbreviations(abbrev: Uint8Array, offset: number): Map<number, Abbreviation> {
  const cursor = new Cursor(abbrev, '.debug_abbrev', offset);
  const table = new Map<number, Abbreviation>();
  for (let code = cursor.ulebNumber(); code !== 0; code = cursor.ulebNumber()) {
    const tag = cursor.ulebNumber();
    const hasChildren = cursor.u8() !== 0;
    const specs: number[] = [];
    for (;;) {
      const attribute = cursor.ulebNumber();
      const form = cursor.ulebNumber();
      const implicit = form === DW_FORM.implicit_const ? Number(cursor.sleb()) : 0;
      if (attribute === 0 && form === 0) break;
      specs.push(attribute, form, implicit);
    }
    table.set(code, { tag, hasChildren, specs });
  }
  return table;
}

interface UnitFacts {
  readonly start: number;
  readonly end: number;
  readonly version: number;
  readonly is64: boolean;
  readonly addressSize: number;
  readonly table: ReadonlyMap<number, Abbreviation>;
}

class UnitReader {
  /** DWARF 5, 7.26: the header of .debug_str_offsets is 8 or 16 bytes. */
  #strOffsetsBase: number;

  constructor(
    readonly sections: DebugSections,
    readonly cursor: Cursor,
    readonly kept: ReadonlySet<number>,
    readonly unit: UnitFacts,
  ) {
    this.#strOffsetsBase = unit.is64 ? 16 : 8;
  }

  read(): Die | undefined {
    let top: Die | undefined;
    const open: { children: Die[] }[] = [];
    while (this.cursor.at < this.unit.end) {
      const offset = this.cursor.at;
      const code = this.cursor.ulebNumber();
      if (code === 0) {
        open.pop();
        if (open.length === 0) return top;
        continue;
      }
      const abbreviation = this.unit.table.get(code);
      if (abbreviation === undefined) throw bad(`entry at ${offset} has unknown abbreviation ${code}`);
      const die = { offset, tag: abbreviation.tag, attributes: this.#attributes(abbreviation), children: [] };
      if (top === undefined) top = die;
      else open.at(-1)?.children.push(die);
      if (abbreviation.hasChildren) open.push(die);
      else if (open.length === 0) return top;
    }
    return top;
  }

  #attributes(abbreviation: Abbreviation): Map<number, AttributeValue> {
    const values = new Map<number, AttributeValue>();
    const { specs } = abbreviation;
    // The base may stand behind the first strx of the same entry.
    if (abbreviation.tag === DW_TAG.compile_unit && specs.includes(DW_AT.str_offsets_base)) {
      const at = this.cursor.at;
      for (let i = 0; i < specs.length; i += 3) {
        const value = this.#value(specs[i + 1]!, specs[i + 2]!, specs[i] === DW_AT.str_offsets_base);
        if (specs[i] === DW_AT.str_offsets_base && typeof value === 'number') this.#strOffsetsBase = value;
      }
      this.cursor.at = at;
    }
    for (let i = 0; i < specs.length; i += 3) {
      const wanted = this.kept.has(specs[i]!);
      const value = this.#value(specs[i + 1]!, specs[i + 2]!, wanted);
      if (wanted && value !== undefined) values.set(specs[i]!, value);
    }
    return values;
  }

  /** Reads one value; when it is not wanted, passes over it (text is not looked up). */
  #value(form: number, implicit: number, wanted: boolean): AttributeValue | undefined {
    const { cursor, unit } = this;
    const offset = (): number => (unit.is64 ? Number(cursor.u64()) : cursor.u32());
    const local = (relative: number): AttributeValue => ({ die: unit.start + relative });
    switch (form) {
      case DW_FORM.addr:
        cursor.bytes(unit.addressSize);
        return undefined;
      case DW_FORM.data1:
        return cursor.u8();
      case DW_FORM.data2:
        return cursor.u16();
      case DW_FORM.data4:
        return cursor.u32();
      case DW_FORM.data8:
        return cursor.u64();
      case DW_FORM.data16:
        return cursor.bytes(16);
      case DW_FORM.sdata:
        return cursor.sleb();
      case DW_FORM.udata:
        return cursor.uleb();
      case DW_FORM.implicit_const:
        return implicit;
      case DW_FORM.flag:
        return cursor.u8() !== 0;
      case DW_FORM.flag_present:
        return true;
      case DW_FORM.string:
        return cursor.cString();
      case DW_FORM.strp:
        return this.#text(this.sections.str, offset(), wanted);
      case DW_FORM.line_strp:
        return this.#text(this.sections.lineStr, offset(), wanted);
      case DW_FORM.strx:
        return this.#indexedText(cursor.ulebNumber(), wanted);
      case DW_FORM.strx1:
        return this.#indexedText(cursor.u8(), wanted);
      case DW_FORM.strx2:
        return this.#indexedText(cursor.u16(), wanted);
      case DW_FORM.strx3:
        return this.#indexedText(cursor.u8() | (cursor.u16() << 8), wanted);
      case DW_FORM.strx4:
        return this.#indexedText(cursor.u32(), wanted);
      case DW_FORM.ref1:
        return local(cursor.u8());
      case DW_FORM.ref2:
        return local(cursor.u16());
      case DW_FORM.ref4:
        return local(cursor.u32());
      case DW_FORM.ref8:
        return local(Number(cursor.u64()));
      case DW_FORM.ref_udata:
        return local(cursor.ulebNumber());
      case DW_FORM.ref_addr:
        return { die: unit.version === 2 && unit.addressSize === 8 ? Number(cursor.u64()) : offset() };
      case DW_FORM.ref_sig8:
        return `signature ${cursor.u64().toString(16)}`;
      case DW_FORM.sec_offset:
        return offset();
      case DW_FORM.GNU_ref_alt:
      case DW_FORM.GNU_strp_alt:
      case DW_FORM.strp_sup:
        offset();
        return undefined;
      case DW_FORM.ref_sup4:
        cursor.u32();
        return undefined;
      case DW_FORM.ref_sup8:
        cursor.u64();
        return undefined;
      case DW_FORM.block1:
        return cursor.bytes(cursor.u8());
      case DW_FORM.block2:
        return cursor.bytes(cursor.u16());
      case DW_FORM.block4:
        return cursor.bytes(cursor.u32());
      case DW_FORM.block:
      case DW_FORM.exprloc:
        return cursor.bytes(cursor.ulebNumber());
      case DW_FORM.addrx:
      case DW_FORM.loclistx:
      case DW_FORM.rnglistx:
        cursor.uleb();
        return undefined;
      case DW_FORM.addrx1:
      case DW_FORM.addrx2:
      case DW_FORM.addrx3:
      case DW_FORM.addrx4:
        // Numbered by their size. DWARF 5, 7.5.6, table 7.6.
        cursor.bytes(form - DW_FORM.addrx1 + 1);
        return undefined;
      case DW_FORM.indirect:
        return this.#value(cursor.ulebNumber(), implicit, wanted);
      default:
        throw bad(`form 0x${form.toString(16)} at ${cursor.at} is unknown`);
    }
  }

  #text(section: Uint8Array | undefined, at: number, wanted: boolean): string | undefined {
    if (!wanted || section === undefined) return undefined;
    const end = section.indexOf(0, at);
    if (at >= section.length || end < 0) throw bad(`string at ${at} lies outside of its section`);
    return decodeText(section.subarray(at, end));
  }

  #indexedText(index: number, wanted: boolean): string | undefined {
    const { strOffsets, str } = this.sections;
    if (!wanted || strOffsets === undefined) return undefined;
    const entrySize = this.unit.is64 ? 8 : 4;
    const entry = new Cursor(strOffsets, '.debug_str_offsets', this.#strOffsetsBase + index * entrySize);
    return this.#text(str, this.unit.is64 ? Number(entry.u64()) : entry.u32(), true);
  }
}

const bad = (what: string): SutureError => new SutureError('BAD_FORMAT', `.debug_info: ${what}`);
