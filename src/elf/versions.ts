import { SutureError } from '../base/errors.ts';
import { viewOf } from '../bytes/record.ts';
import { VER_NDX_GLOBAL, VERSYM_HIDDEN, VERSYM_VERSION } from './constants.ts';
import { Verdaux, Verdef, Vernaux, Verneed } from './layout.ts';
import type { StringTable } from './strings.ts';
import type { SymbolVersion, SymbolVersions } from './symbols.ts';

export interface VersionParts {
  /** DT_VERSYM: one 16-bit index per symbol. */
  readonly versym: Uint8Array;
  /** DT_VERDEF and what follows it, with the count of entries; undefined if the object defines no versions. */
  readonly verdef: { readonly bytes: Uint8Array; readonly count: number } | undefined;
  /** DT_VERNEED and what follows it. */
  readonly verneed: { readonly bytes: Uint8Array; readonly count: number } | undefined;
  readonly strings: StringTable;
}

/** GNU symbol versions: LSB Core, "Symbol Versioning". */
export class VersionTable implements SymbolVersions {
  readonly #versym: DataView;
  readonly #names = new Map<number, { readonly name: string; readonly needed: boolean }>();

  constructor(parts: VersionParts) {
    this.#versym = viewOf(parts.versym);
    if (parts.verdef) this.#readDefinitions(parts.verdef.bytes, parts.verdef.count, parts.strings);
    if (parts.verneed) this.#readNeeds(parts.verneed.bytes, parts.verneed.count, parts.strings);
  }

  of(index: number): SymbolVersion | undefined {
    if (index * 2 + 2 > this.#versym.byteLength) return undefined;
    const raw = this.#versym.getUint16(index * 2, true);
    const number = raw & VERSYM_VERSION;
    if (number <= VER_NDX_GLOBAL) return undefined;
    const version = this.#names.get(number);
    return version && { ...version, hidden: (raw & VERSYM_HIDDEN) !== 0 };
  }

  #readDefinitions(bytes: Uint8Array, count: number, strings: StringTable): void {
    const view = viewOf(bytes);
    for (let at = 0, i = 0; i < count; i++) {
      const entry = Verdef.on(view, at);
      // The first auxiliary entry is the version's own name; the others name what it inherits.
      if (entry.cnt > 0) {
        const name = strings.text(Verdaux.on(view, at + entry.aux).name);
        this.#names.set(entry.ndx & VERSYM_VERSION, { name, needed: false });
      }
      if (entry.next === 0) return;
      at = step(strings, at, entry.next);
    }
  }

  #readNeeds(bytes: Uint8Array, count: number, strings: StringTable): void {
    const view = viewOf(bytes);
    let budget = bytes.length;
    for (let at = 0, i = 0; i < count; i++) {
      const entry = Verneed.on(view, at);
      for (let auxAt = at + entry.aux, k = 0; k < entry.cnt; k++) {
        // Chains of a hostile file may cross: no more entries than the bytes have room for.
        budget -= Vernaux.size;
        if (budget < 0) throw new SutureError('BAD_FORMAT', `${strings.what}: version entries overlap`);
        const aux = Vernaux.on(view, auxAt);
        this.#names.set(aux.other & VERSYM_VERSION, { name: strings.text(aux.name), needed: true });
        if (aux.next === 0) break;
        auxAt = step(strings, auxAt, aux.next);
      }
      if (entry.next === 0) return;
      at = step(strings, at, entry.next);
    }
  }
}

function step(strings: StringTable, at: number, next: number): number {
  if (next < Verdaux.size)
    throw new SutureError('BAD_FORMAT', `${strings.what}: version entry at ${at} overlaps itself`);
  return at + next;
}
