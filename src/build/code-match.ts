/**
 * Whether the base runs the code that its source compiles to: bytes are compared except in the fields that the linker
 * filled and in the instructions that it may rewrite.
 */
import type { Arch } from '../arch/arch.ts';
import type { ElfImage, Section } from '../elf/image.ts';
import type { Relocation } from '../elf/relocation-entries.ts';

/** A section of an object file with everything that a linker changes marked. */
export interface MaskedCode {
  readonly bytes: Uint8Array;
  /** 1 where the linked byte may differ. */
  readonly mask: Uint8Array;
  readonly relocations: readonly Relocation[];
  /** Types that the CPU's facts do not list: nothing can be said of the bytes around them. */
  readonly unknownTypes: readonly number[];
}

export function maskCode(object: ElfImage, section: Section, arch: Arch): MaskedCode {
  const bytes = object.contents(section);
  const mask = new Uint8Array(bytes.length);
  const relocations = object.relocations(section);
  const unknownTypes: number[] = [];
  for (const { offset, type } of relocations) {
    const facts = arch.relocations.get(type);
    if (facts === undefined) {
      unknownTypes.push(type);
      continue;
    }
    const { start, end } = facts.rewritten?.(bytes, offset) ?? { start: offset, end: offset + facts.size };
    mask.fill(1, start, end);
  }
  return { bytes, mask, relocations, unknownTypes };
}

/**
 * The first byte, counted from `start`, in which the base's code differs from the object's; undefined when all agree.
 * `linked` are the base's bytes at the place of `start`, of the length to compare.
 */
export function firstDifference(code: MaskedCode, start: number, linked: Uint8Array): number | undefined {
  if (start + linked.length > code.bytes.length) return Math.max(0, code.bytes.length - start);
  for (let i = 0; i < linked.length; i++) {
    if (linked[i] !== code.bytes[start + i] && code.mask[start + i] === 0) return i;
  }
  return undefined;
}
