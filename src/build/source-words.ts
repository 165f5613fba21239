/** Places of a unit's source, in words for people. */
import { inflateSync } from 'node:zlib';
import { type SourcePlace, sourceFile } from '../asm/source-place.ts';
import type { AsmUnit } from '../asm/unit.ts';
import { SutureError } from '../base/errors.ts';
import { debugSectionsOf } from '../dwarf/debug-sections.ts';
import { type Declaration, declarationsOf } from '../dwarf/declarations.ts';
import type { ElfImage } from '../elf/image.ts';

export class SourceWords {
  readonly #unit: string;
  readonly #text: AsmUnit;
  readonly #object: ElfImage;
  #declarations: ReadonlyMap<string, Declaration> | undefined;

  /** @param unit the source's name; `text` and `object` are what it compiled to before the fix */
  constructor(unit: string, text: AsmUnit, object: ElfImage) {
    this.#unit = unit;
    this.#text = text;
    this.#object = object;
  }

  /** "src/net.c:12"; the unit alone when nothing tells the line. */
  of({ place, symbol }: { readonly place?: SourcePlace | undefined; readonly symbol?: string }): string {
    if (place !== undefined) return `${this.#shown(place.file)}:${place.line}`;
    return (symbol === undefined ? undefined : this.declared(symbol)) ?? this.#unit;
  }

  /** Where a symbol, or a type in the words of `TypeLayout`, is declared; undefined when debug information does not tell. */
  declared(name: string): string | undefined {
    this.#declarations ??= this.#read();
    const found = this.#declarations.get(name) ?? this.#declarations.get(name.replace(/\.\d+$/, ''));
    return found && `${this.#shown(sourceFile(this.#text, found.file))}:${found.line}`;
  }

  #read(): ReadonlyMap<string, Declaration> {
    try {
      const sections = debugSectionsOf(this.#object, (bytes) => new Uint8Array(inflateSync(bytes)));
      return sections === undefined ? new Map() : declarationsOf(sections);
    } catch (error) {
      // A message without a line is better than none.
      if (error instanceof SutureError) return new Map();
      throw error;
    }
  }

  /** The compiler names a source as it was told to: by a path that may begin elsewhere. */
  #shown(file: string | undefined): string {
    const base = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
    return file === undefined || base(file) === base(this.#unit) ? this.#unit : file;
  }
}
