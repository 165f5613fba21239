import { SutureError } from '../base/errors.ts';
import { decodeText } from '../bytes/cursor.ts';

/** Longest name that is believed. Mangled C++ names of real programs stay below a tenth of it. */
const LONGEST = 1 << 20;

/** A string table: NUL-terminated names by byte offset. gABI ch. 4, "String Table". */
export class StringTable {
  constructor(
    readonly bytes: Uint8Array,
    readonly what: string,
  ) {}

  /** Offset of the NUL that ends the name at `offset`. */
  endOf(offset: number): number {
    const end = offset < this.bytes.length ? this.bytes.indexOf(0, offset) : -1;
    if (end < 0 || end - offset > LONGEST) {
      throw new SutureError(
        'BAD_FORMAT',
        `${this.what}: the name at offset ${offset} of ${this.bytes.length} does not end`,
      );
    }
    return end;
  }

  text(offset: number): string {
    // Many tables of nameless symbols are empty; offset 0 is the empty name by definition.
    if (offset === 0) return '';
    return decodeText(this.bytes.subarray(offset, this.endOf(offset)));
  }

  equals(offset: number, name: Uint8Array): boolean {
    const { bytes } = this;
    if (offset + name.length >= bytes.length) return offset === 0 && name.length === 0;
    for (let i = 0; i < name.length; i++) if (bytes[offset + i] !== name[i]) return false;
    return bytes[offset + name.length] === 0;
  }
}

/** The bytes of a name as string tables store it (the inverse of `decodeText`). */
export function encodeName(name: string): Uint8Array {
  const bytes = new Uint8Array(name.length);
  for (let i = 0; i < name.length; i++) bytes[i] = name.charCodeAt(i);
  return bytes;
}
