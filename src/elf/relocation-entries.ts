import { SutureError } from '../base/errors.ts';
import { hex, type Vaddr, vaddr } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import { Rela } from './layout.ts';

/** One Elf64_Rela. gABI ch. 4, "Relocation". */
export interface Relocation {
  /** In bytes: into the section in ET_REL files, a link-time address otherwise. */
  readonly offset: number;
  readonly type: number;
  readonly symbolIndex: number;
  readonly addend: bigint;
}

/** Decodes Elf64_Rela entries: all, or those of the given types. */
export function readRela(bytes: Uint8Array, what: string, types?: ReadonlySet<number>): Relocation[] {
  if (bytes.length % Rela.size !== 0) {
    throw new SutureError('BAD_FORMAT', `${what}: ${bytes.length} bytes are no whole relocations`);
  }
  const view = viewOf(bytes);
  const entries: Relocation[] = [];
  for (let at = 0; at < bytes.length; at += Rela.size) {
    if (types !== undefined && !types.has(view.getUint32(at + Rela.offsets.type, true))) continue;
    const entry = Rela.on(view, at);
    const offset = Number(entry.offset);
    if (!Number.isSafeInteger(offset)) {
      throw new SutureError('BAD_FORMAT', `${what}: relocation at the address ${hex(entry.offset)}`);
    }
    entries.push({ offset, type: entry.type, symbolIndex: entry.symbol, addend: entry.addend });
  }
  return entries;
}

/**
 * The places that DT_RELR names, all of the CPU's relative type, with the addend in place: an even word is an address,
 * an odd one a bitmap over the 63 words after the last address. gABI, "Relative Relocation Table".
 */
export function readRelr(bytes: Uint8Array): Vaddr[] {
  const view = viewOf(bytes);
  const places: Vaddr[] = [];
  let next = 0n;
  for (let at = 0; at + 8 <= bytes.length; at += 8) {
    const word = view.getBigUint64(at, true);
    if ((word & 1n) === 0n) {
      places.push(vaddr(word));
      next = word + 8n;
      continue;
    }
    for (let bit = 1n; bit < 64n; bit++) {
      if (((word >> bit) & 1n) !== 0n) places.push(vaddr(next + (bit - 1n) * 8n));
    }
    next += 63n * 8n;
  }
  return places;
}
