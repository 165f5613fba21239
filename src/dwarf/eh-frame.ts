/**
 * Call frame information: .eh_frame (LSB Core, "Exception Frames") and .debug_frame (DWARF 5, 6.4).
 *
 * A section is a list of entries. A CIE holds what many functions share, an FDE describes one range of code. Parsing
 * notes start, end and place of every FDE in columns sorted by address and leaves the instructions alone; they are
 * decoded for the address that is asked for (cfi.ts).
 */
import { SutureError } from '../base/errors.ts';
import { type Vaddr, vaddr } from '../bytes/address.ts';
import { Cursor } from '../bytes/cursor.ts';
import { viewOf } from '../bytes/record.ts';
import { lastAtMost, sortedOrder } from '../bytes/sorted.ts';
import { executeCfi, type UnwindRow } from './cfi.ts';
import { type Cie, readCie } from './cie.ts';
import {
  DW_EH_PE_pcrel,
  DW_EH_PE_sdata4,
  type PointerBases,
  readEncodedPointer,
  readEncodedValue,
} from './pointer-encoding.ts';

/** A frame description entry: how to unwind from [start, end). */
export interface Fde {
  readonly start: Vaddr;
  readonly end: Vaddr;
  readonly cie: Cie;
  /** Language-specific data (exception table) of the function. */
  readonly lsda: Vaddr | undefined;
  /** Offset of the entry in the section, as readelf prints it. */
  readonly offset: number;
  /** Range in the section of the instructions. */
  readonly instructions: number;
  readonly instructionsEnd: number;
}

export interface EhFrameOptions {
  /** Link-time address of the section. */
  readonly address: Vaddr;
  /** What textrel and datarel pointers are relative to: start of .text, start of .got. */
  readonly textBase?: Vaddr | undefined;
  readonly dataBase?: Vaddr | undefined;
  /** Bytes of an absolute pointer; both CPUs here have 8. */
  readonly encodingPointerSize?: 8;
  /** .debug_frame's variant: CIE id of ones, CIE pointers from the section's start. */
  readonly isDebugFrame?: boolean;
  /** The bytes may go on behind the section, which then ends with an entry of length 0. */
  readonly endsAtTerminator?: boolean;
  /** For error messages. */
  readonly name?: string;
}

const ROWS_KEPT = 2048;

export class EhFrame {
  /** Columns by ascending start; ends[i] belongs to starts[i]. */
  readonly starts: BigUint64Array;
  readonly ends: BigUint64Array;
  /** Offset in the section of each FDE. */
  readonly offsets: Uint32Array;
  /** Entries that could not be read, for want of a known augmentation or encoding: their functions are not found. */
  readonly unreadable: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #options: EhFrameOptions;
  readonly #what: string;
  readonly #cies = new Map<number, Cie | undefined>();
  readonly #rows = new Map<bigint, { fde: Fde; row: UnwindRow }>();

  /** The section's bytes. BAD_FORMAT when the chain of entries is broken. */
  static parse(bytes: Uint8Array, options: EhFrameOptions): EhFrame {
    return new EhFrame(bytes, options);
  }

  private constructor(bytes: Uint8Array, options: EhFrameOptions) {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
    this.#options = options;
    this.#what = options.name ?? (options.isDebugFrame ? '.debug_frame' : '.eh_frame');
    const places = this.#findEntries();
    const starts = new BigUint64Array(places.length);
    const ends = new BigUint64Array(places.length);
    let count = 0;
    let unreadable = 0;
    for (const place of places) {
      try {
        const range = this.#readRange(place);
        if (range === undefined) {
          unreadable++;
          continue;
        }
        if (range.size === 0n) continue;
        starts[count] = range.start;
        ends[count] = range.start + range.size;
        places[count] = place;
        count++;
      } catch (error) {
        if (!(error instanceof SutureError)) throw error;
        unreadable++;
      }
    }
    const order = sortedOrder(starts.subarray(0, count));
    this.unreadable = unreadable;
    this.starts = new BigUint64Array(count);
    this.ends = new BigUint64Array(count);
    this.offsets = new Uint32Array(count);
    for (let i = 0; i < count; i++) {
      const from = order[i]!;
      this.starts[i] = starts[from]!;
      this.ends[i] = ends[from]!;
      this.offsets[i] = places[from]!;
    }
  }

  get length(): number {
    return this.starts.length;
  }

  /** The FDE whose range contains `pc`. */
  find(pc: Vaddr): Fde | undefined {
    const index = lastAtMost(this.starts, pc);
    return index >= 0 && pc < this.ends[index]! ? this.at(index) : undefined;
  }

  /** The FDE of one row of the columns. */
  at(index: number): Fde {
    const offset = this.offsets[index];
    if (offset === undefined) {
      throw new SutureError('BAD_FORMAT', `${this.#what}: no FDE ${index} among ${this.length}`);
    }
    const { cursor, cie } = this.#openFde(offset);
    const bases = this.#bases;
    readEncodedPointer(cursor, cie.fdeEncoding, bases);
    readEncodedValue(cursor, cie.fdeEncoding);
    const start = vaddr(this.starts[index]!);
    let lsda: Vaddr | undefined;
    if (cie.hasAugmentationData) {
      const length = cursor.ulebNumber();
      const next = cursor.at + length;
      if (next > cursor.end) {
        throw new SutureError(
          'BAD_FORMAT',
          `${this.#what}: augmentation data of the FDE at ${offset} is too long`,
        );
      }
      if (length > 0) {
        const at = cursor.at;
        const bare = cie.lsdaEncoding === 0xff ? 0n : readEncodedValue(cursor, cie.lsdaEncoding);
        cursor.at = at;
        // A bare value of 0 means that there is none, whatever it would be relative to.
        const pointer =
          bare === 0n
            ? undefined
            : readEncodedPointer(cursor, cie.lsdaEncoding, { ...bases, function: start });
        if (pointer !== undefined && !pointer.indirect) lsda = vaddr(pointer.value);
      }
      cursor.at = next;
    }
    return {
      start,
      end: vaddr(this.ends[index]!),
      cie,
      lsda,
      offset,
      instructions: cursor.at,
      instructionsEnd: cursor.end,
    };
  }

  /** FDE and unwind row for `pc`; recent answers are kept. BAD_FORMAT when the instructions are damaged. */
  rowAt(pc: Vaddr): { readonly fde: Fde; readonly row: UnwindRow } | undefined {
    const known = this.#rows.get(pc);
    if (known !== undefined) return known;
    const fde = this.find(pc);
    if (fde === undefined) return undefined;
    const found = { fde, row: this.rowFor(fde, pc) };
    if (this.#rows.size >= ROWS_KEPT) this.#rows.clear();
    this.#rows.set(pc, found);
    return found;
  }

  /** The unwind row in force at `pc`, which `fde` covers. */
  rowFor(fde: Fde, pc: Vaddr): UnwindRow {
    let found: UnwindRow | undefined;
    executeCfi(this.#bytes, this.#what, fde, this.#bases, (row, start, end) => {
      if (pc < start || pc >= end) return true;
      found = row.snapshot();
      return false;
    });
    if (found === undefined) {
      throw new SutureError(
        'BAD_FORMAT',
        `${this.#what}: the FDE at ${fde.offset} has no row for its address`,
      );
    }
    return found;
  }

  /** Every row of an FDE with the range of addresses it is in force for. */
  rowsOf(fde: Fde): { readonly start: Vaddr; readonly end: Vaddr; readonly row: UnwindRow }[] {
    const rows: { start: Vaddr; end: Vaddr; row: UnwindRow }[] = [];
    executeCfi(this.#bytes, this.#what, fde, this.#bases, (row, start, end) => {
      if (start < end) rows.push({ start: vaddr(start), end: vaddr(end), row: row.snapshot() });
      return true;
    });
    return rows;
  }

  get #bases(): PointerBases {
    const { address, textBase, dataBase } = this.#options;
    return { section: address, text: textBase, data: dataBase };
  }

  /** Offsets of all FDEs, in the section's order. */
  #findEntries(): number[] {
    const bytes = this.#bytes;
    const isDebugFrame = this.#options.isDebugFrame ?? false;
    const view = this.#view;
    const places: number[] = [];
    for (let at = 0; at + 4 <= bytes.length; ) {
      const { body, end } = this.#extent(at);
      if (end === body) {
        // ld puts the terminator last, but gathers sections in any order: those behind it still count.
        if (this.#options.endsAtTerminator) break;
        at = end;
        continue;
      }
      const isLong = body - at === 12;
      if (isDebugFrame && isLong) {
        if (view.getBigUint64(body, true) !== 0xffff_ffff_ffff_ffffn) places.push(at);
      } else if (view.getUint32(body, true) !== (isDebugFrame ? 0xffff_ffff : 0)) {
        places.push(at);
      }
      at = end;
    }
    return places;
  }

  /** Offsets of an entry's first byte behind the length, and of its end. */
  #extent(at: number): { body: number; end: number } {
    const view = this.#view;
    if (at < 0 || at + 4 > view.byteLength) throw this.#broken(at);
    let length = view.getUint32(at, true);
    let body = at + 4;
    if (length === 0xffff_ffff) {
      if (at + 12 > view.byteLength) throw this.#broken(at);
      length = Number(view.getBigUint64(at + 4, true));
      body = at + 12;
    }
    const end = body + length;
    if (end > view.byteLength || (length > 0 && length < (body - at === 12 ? 8 : 4))) throw this.#broken(at);
    return { body, end };
  }

  #broken(at: number): SutureError {
    return new SutureError('BAD_FORMAT', `${this.#what}: the entry at offset ${at} does not fit the section`);
  }

  /** Start and size of an FDE's code; undefined when it cannot be read. */
  #readRange(offset: number): { start: bigint; size: bigint } | undefined {
    const { body, end } = this.#extent(offset);
    if (!this.#options.isDebugFrame && body + 12 <= end) {
      const cie = this.#cieAt(body - this.#view.getUint32(body, true));
      // What every compiler of today emits; a hundred thousand of them should not cost a cursor each.
      if (cie?.fdeEncoding === (DW_EH_PE_pcrel | DW_EH_PE_sdata4)) {
        const at = body + 4;
        const start = vaddr(this.#options.address + BigInt(at + this.#view.getInt32(at, true)));
        const size = this.#view.getInt32(at + 4, true);
        return size < 0 ? undefined : { start, size: BigInt(size) };
      }
    }
    const { cursor, cie } = this.#openFde(offset);
    const start = readEncodedPointer(cursor, cie.fdeEncoding, this.#bases);
    if (start === undefined || start.indirect) return undefined;
    const size = readEncodedValue(cursor, cie.fdeEncoding);
    // A range that wraps around the address space describes nothing.
    return size < 0n || start.value + size > 0xffff_ffff_ffff_ffffn
      ? undefined
      : { start: start.value, size };
  }

  #openFde(offset: number): { cursor: Cursor; cie: Cie } {
    const { body, end } = this.#extent(offset);
    const cursor = new Cursor(this.#bytes, this.#what, body, end);
    const isDebugFrame = this.#options.isDebugFrame ?? false;
    const id = isDebugFrame && body - offset === 12 ? Number(cursor.u64()) : cursor.u32();
    const cie = this.#cieAt(isDebugFrame ? id : body - id);
    if (cie === undefined) {
      throw new SutureError('BAD_FORMAT', `${this.#what}: the FDE at ${offset} has an unknown kind of CIE`);
    }
    return { cursor, cie };
  }

  #cieAt(offset: number): Cie | undefined {
    if (this.#cies.has(offset)) return this.#cies.get(offset);
    const { body, end } = this.#extent(offset);
    const cursor = new Cursor(this.#bytes, this.#what, body, end);
    const isDebugFrame = this.#options.isDebugFrame ?? false;
    const isLong = isDebugFrame && body - offset === 12;
    const id = isLong ? cursor.u64() : BigInt(cursor.u32());
    if (id !== (isDebugFrame ? (isLong ? 0xffff_ffff_ffff_ffffn : 0xffff_ffffn) : 0n)) {
      throw new SutureError('BAD_FORMAT', `${this.#what}: no CIE at offset ${offset}`);
    }
    const cie = readCie(cursor, this.#bases, isDebugFrame);
    this.#cies.set(offset, cie);
    return cie;
  }
}
