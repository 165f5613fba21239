/** What an object answers from its dynamic section, in a file and in memory alike. */
import type { Vaddr } from '../bytes/address.ts';
import type { Dynamic, DynamicRelocation } from './dynamic.ts';

export abstract class DynamicObject {
  /** Read when it is first asked for. */
  protected abstract get dynamicSection(): Dynamic;

  /** Tags of PT_DYNAMIC (DT_*) with their values: in memory, address tags may be relocated. */
  dynamic(): ReadonlyMap<number, readonly bigint[]> {
    return this.dynamicSection.tags;
  }

  /** DT_NEEDED */
  needed(): string[] {
    return this.dynamicSection.needed();
  }

  /** DT_SONAME */
  soname(): string | undefined {
    return this.dynamicSection.soname();
  }

  /**
   * What the dynamic linker applies: DT_RELA, DT_JMPREL, DT_RELR. In memory the words are already changed.
   * @param types of the CPU; most relocations of most objects are relative, and nobody asks for those
   */
  dynamicRelocations(types?: ReadonlySet<number>): DynamicRelocation[] {
    return this.dynamicSection.relocations(types);
  }

  /** Tells the addend of the relative relocation of a word, by the word's link-time address. */
  relativeWords(): (at: Vaddr) => bigint | undefined {
    return this.dynamicSection.relativeWords();
  }
}
