import { SutureError } from '../base/errors.ts';
import { viewOf } from './record.ts';

/** Reads forward through bytes; a read past the end is one BAD_FORMAT error that names what was read. */
export class Cursor {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  at: number;
  readonly end: number;

  constructor(
    bytes: Uint8Array,
    readonly what: string,
    at = 0,
    end = bytes.length,
  ) {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
    this.at = at;
    this.end = Math.min(end, bytes.length);
  }

  get done(): boolean {
    return this.at >= this.end;
  }

  get remaining(): number {
    return this.end - this.at;
  }

  #take(size: number): number {
    const at = this.at;
    if (size < 0 || at < 0 || at + size > this.end) {
      throw new SutureError(
        'BAD_FORMAT',
        `${this.what}: ${size} bytes at offset ${at} lie past the end (${this.end})`,
      );
    }
    this.at = at + size;
    return at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }
  i8(): number {
    return this.#view.getInt8(this.#take(1));
  }
  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }
  i16(): number {
    return this.#view.getInt16(this.#take(2), true);
  }
  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }
  i32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }
  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }
  i64(): bigint {
    return this.#view.getBigInt64(this.#take(8), true);
  }

  /** DWARF 5, 7.6: unsigned LEB128. At most 64 bits. */
  uleb(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.u8();
      if (shift >= 70n) throw new SutureError('BAD_FORMAT', `${this.what}: LEB128 at ${this.at} is too long`);
      value |= BigInt(byte & 0x7f) << shift;
      if ((byte & 0x80) === 0) return BigInt.asUintN(64, value);
    }
  }

  /** DWARF 5, 7.6: signed LEB128. At most 64 bits. */
  sleb(): bigint {
    let value = 0n;
    for (let shift = 0n; ; ) {
      const byte = this.u8();
      if (shift >= 70n) throw new SutureError('BAD_FORMAT', `${this.what}: LEB128 at ${this.at} is too long`);
      value |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
      if ((byte & 0x80) === 0) return BigInt.asIntN(64, (byte & 0x40) !== 0 ? value - (1n << shift) : value);
    }
  }

  /** A LEB128 that counts or indexes; refuses what no array could hold. */
  ulebNumber(): number {
    const value = this.uleb();
    if (value > 0xffff_ffffn)
      throw new SutureError('BAD_FORMAT', `${this.what}: ${value} is too large a count`);
    return Number(value);
  }

  bytes(size: number): Uint8Array {
    const at = this.#take(size);
    return this.#bytes.subarray(at, at + size);
  }

  /** NUL-terminated text. */
  cString(): string {
    const end = this.#bytes.indexOf(0, this.at);
    if (end < 0 || end >= this.end) {
      throw new SutureError('BAD_FORMAT', `${this.what}: string at offset ${this.at} has no end`);
    }
    const bytes = this.bytes(end - this.at);
    this.at = end + 1;
    return decodeText(bytes);
  }
}

/** Bytes to text, one byte a character beyond ASCII: names in ELF and DWARF have no encoding. */
export function decodeText(bytes: Uint8Array): string {
  let out = '';
  for (const byte of bytes) out += String.fromCharCode(byte);
  return out;
}
