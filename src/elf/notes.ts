import { decodeText } from '../bytes/cursor.ts';
import { viewOf } from '../bytes/record.ts';
import { NT_GNU_BUILD_ID } from './constants.ts';
import { Nhdr } from './layout.ts';

export interface Note {
  readonly name: string;
  readonly type: number;
  readonly descriptor: Uint8Array;
}

/**
 * The notes in a PT_NOTE segment or SHT_NOTE section, gABI ch. 5 "Note Section". `align` is the segment's p_align:
 * with 8, descriptors and entries are padded to 8 bytes (Linux gABI extensions, 2.1.7), otherwise to 4. A note cut
 * short ends the list: what follows it cannot be found.
 */
export function* notes(bytes: Uint8Array, align: number): Generator<Note> {
  const view = viewOf(bytes);
  const unit = align === 8 ? 8 : 4;
  const pad = (size: number): number => Math.ceil(size / unit) * unit;
  for (let at = 0; at + Nhdr.size <= bytes.length; ) {
    const { namesz, descsz, type } = Nhdr.on(view, at);
    const nameAt = at + Nhdr.size;
    // The header is 12 bytes, so that the descriptor's place is aligned as counted from the note's start.
    const descriptorAt = at + pad(Nhdr.size + namesz);
    if (descriptorAt + descsz > bytes.length) return;
    const name = decodeText(bytes.subarray(nameAt, nameAt + Math.max(0, namesz - 1)));
    yield { name, type, descriptor: bytes.subarray(descriptorAt, descriptorAt + descsz) };
    at = descriptorAt + pad(descsz);
  }
}

/** The GNU build id among notes, in lower-case hex. */
export function buildIdIn(found: Iterable<Note>): string | undefined {
  for (const note of found) {
    if (note.type === NT_GNU_BUILD_ID && note.name === 'GNU' && note.descriptor.length > 0) {
      return Array.from(note.descriptor, (byte) => byte.toString(16).padStart(2, '0')).join('');
    }
  }
  return undefined;
}
