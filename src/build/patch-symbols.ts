/** The symbols and imports of the patch that is being linked, each noted once. */
import type { ManifestImport } from '../patch/manifest.ts';
import type { PatchSymbol } from '../patch/patch.ts';
import type { Refusals } from './refusal.ts';

export class PatchSymbols {
  readonly symbols: PatchSymbol[] = [{ kind: 'none', name: '' }];
  readonly imports: ManifestImport[] = [];
  readonly #indexes = new Map<string, number>();

  constructor(readonly refusals: Refusals) {}

  /** Index in `symbols` of what `make` gives when the key is new. */
  add(key: string, make: () => PatchSymbol): number {
    const known = this.#indexes.get(key);
    if (known !== undefined) return known;
    const index = this.symbols.push(make()) - 1;
    this.#indexes.set(key, index);
    return index;
  }

  /** Index in `symbols` of an import; one use may tell more about it than another. */
  addImport(wanted: ManifestImport): number {
    const index = this.imports.findIndex(({ name }) => name === wanted.name);
    if (this.imports[index]?.from !== undefined && wanted.from === undefined) {
      this.refusals.add({
        unit: undefined,
        what: `two things called ${wanted.name} are needed, one of them of an earlier patch`,
        remedy: 'build one patch for both diffs from the base’s source, and apply it with --replace',
      });
    }
    const known = this.imports[index];
    if (known === undefined) this.imports.push(wanted);
    // One use may tell more than another: a call says that it is a function.
    else if (known.type === 'unknown') this.imports[index] = { ...known, type: wanted.type };
    const importIndex = known === undefined ? this.imports.length - 1 : index;
    return this.add(`import ${importIndex}`, () => ({ kind: 'import', name: wanted.name, importIndex }));
  }
}
