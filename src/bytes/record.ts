import { SutureError } from '../base/errors.ts';

/**
 * Binary structures, declared once with the size that their specification gives. One declaration is the size check,
 * the offsets, the reader, the writer and the type. All fields are little-endian: both CPUs of this project are.
 *
 *     export const Sym = record('Elf64_Sym', 24, { name: u32, info: u8, … });
 *     const { shndx, value } = Sym.on(view, at);   // lazy: each field is read when it is asked for
 *     Sym.edit(view, at).value = 4n;               // writes by the same table
 */
export interface Field<T> {
  readonly size: number;
  readonly align: number;
  read(view: DataView, at: number): T;
  write(view: DataView, at: number, value: T): void;
}

function scalar<T>(
  size: number,
  read: (view: DataView, at: number) => T,
  write: (view: DataView, at: number, value: T) => void,
): Field<T> {
  return { size, align: size, read, write };
}

export const u8 = scalar<number>(
  1,
  (v, at) => v.getUint8(at),
  (v, at, x) => v.setUint8(at, x),
);
export const u16 = scalar<number>(
  2,
  (v, at) => v.getUint16(at, true),
  (v, at, x) => v.setUint16(at, x, true),
);
export const i32 = scalar<number>(
  4,
  (v, at) => v.getInt32(at, true),
  (v, at, x) => v.setInt32(at, x, true),
);
export const u32 = scalar<number>(
  4,
  (v, at) => v.getUint32(at, true),
  (v, at, x) => v.setUint32(at, x, true),
);
export const i64 = scalar<bigint>(
  8,
  (v, at) => v.getBigInt64(at, true),
  (v, at, x) => v.setBigInt64(at, x, true),
);
export const u64 = scalar<bigint>(
  8,
  (v, at) => v.getBigUint64(at, true),
  (v, at, x) => v.setBigUint64(at, x, true),
);

/** A fixed-size field of NUL-padded text (ASCII). Writing text that does not fit is an error. */
export function text(size: number): Field<string> {
  return {
    size,
    align: 1,
    read(view, at) {
      let out = '';
      for (let i = 0; i < size; i++) {
        const c = view.getUint8(at + i);
        if (c === 0) break;
        out += String.fromCharCode(c);
      }
      return out;
    },
    write(view, at, value) {
      if (value.length > size) throw new SutureError('INTERNAL', `"${value}" does not fit ${size} bytes`);
      for (let i = 0; i < size; i++) view.setUint8(at + i, i < value.length ? value.charCodeAt(i) & 0xff : 0);
    },
  };
}

/** Declared padding; reads as a copy of its bytes. */
export function pad(size: number): Field<Uint8Array> {
  return {
    size,
    align: 1,
    read: (view, at) => new Uint8Array(view.buffer, view.byteOffset + at, size).slice(),
    write: (view, at, value) =>
      new Uint8Array(view.buffer, view.byteOffset + at, size).set(value.subarray(0, size)),
  };
}

// biome-ignore lint/suspicious/noExplicitAny: the value type of each field is recovered by ValuesOf
type Fields = Record<string, Field<any>>;
type ValuesOf<F extends Fields> = { [K in keyof F]: F[K] extends Field<infer T> ? T : never };

export interface RecordType<F extends Fields> {
  readonly name: string;
  readonly size: number;
  readonly offsets: { readonly [K in keyof F]: number };
  /** A read-only cursor over the bytes at `at`. */
  on(view: DataView, at: number): Readonly<ValuesOf<F>>;
  /** A writable cursor over the bytes at `at`. */
  edit(view: DataView, at: number): ValuesOf<F>;
  /** The bytes of a record whose unnamed fields are zero. */
  make(values: Partial<ValuesOf<F>>): Uint8Array;
}

/** Declares a structure. Throws when the module loads if the fields do not add up to `size` or one is misaligned. */
export function record<F extends Fields>(name: string, size: number, fields: F): RecordType<F> {
  const offsets: Record<string, number> = {};
  const readable: PropertyDescriptorMap = {};
  const writable: PropertyDescriptorMap = {};
  let offset = 0;
  for (const [key, field] of Object.entries(fields)) {
    if (offset % field.align !== 0)
      throw new SutureError('INTERNAL', `${name}.${key}: misaligned at ${offset}`);
    const here = offset;
    offsets[key] = here;
    const get = function (this: Cursor): unknown {
      return field.read(this.view, this.at + here);
    };
    const set = function (this: Cursor, value: unknown): void {
      field.write(this.view, this.at + here, value);
    };
    readable[key] = { get, enumerable: true };
    writable[key] = { get, set, enumerable: true };
    offset += field.size;
  }
  if (offset !== size) throw new SutureError('INTERNAL', `${name}: fields add up to ${offset}, not ${size}`);

  class Cursor {
    constructor(
      readonly view: DataView,
      readonly at: number,
    ) {
      if (at < 0 || !Number.isSafeInteger(at) || at + size > view.byteLength) {
        throw new SutureError(
          'BAD_FORMAT',
          `${name} at offset ${at} lies outside of ${view.byteLength} bytes`,
        );
      }
    }
  }
  class Reader extends Cursor {}
  class Writer extends Cursor {}
  Object.defineProperties(Reader.prototype, readable);
  Object.defineProperties(Writer.prototype, writable);

  return {
    name,
    size,
    offsets: offsets as RecordType<F>['offsets'],
    on: (view, at) => new Reader(view, at) as unknown as Readonly<ValuesOf<F>>,
    edit: (view, at) => new Writer(view, at) as unknown as ValuesOf<F>,
    make(values) {
      const bytes = new Uint8Array(size);
      Object.assign(new Writer(new DataView(bytes.buffer), 0), values);
      return bytes;
    },
  };
}

/** A DataView over exactly these bytes. */
export const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
