/**
 * Where the sections of a patch come to lie in a process, as far as later patches that build on it must know: code,
 * constants and data each begin on a page, with the sections in the file's order, each at its alignment, and what is
 * zero behind what is not. A later patch refers to a variable by its offset in the part.
 */
import type { PatchSection, SectionKind } from './patch.ts';

export type Part = 'constants' | 'data';

const KINDS: Readonly<Record<Part, readonly SectionKind[]>> = {
  constants: ['rodata'],
  data: ['data', 'bss'],
};

export interface PlaceInPart {
  readonly part: Part;
  /** Bytes from the start of the part. */
  readonly offset: number;
}

/** The place of a byte of section `index`; undefined for code. */
export function placeInPart(
  sections: readonly Pick<PatchSection, 'kind' | 'size' | 'align'>[],
  index: number,
  offset: number,
): PlaceInPart | undefined {
  for (const part of ['constants', 'data'] as const) {
    let next = 0;
    for (const kind of KINDS[part]) {
      for (const [i, section] of sections.entries()) {
        if (section.kind !== kind) continue;
        next = Math.ceil(next / section.align) * section.align;
        if (i === index) return { part, offset: next + offset };
        next += section.size;
      }
    }
  }
  return undefined;
}

/** Bytes of a part, without what the loader puts behind the sections. */
export function sizeOfPart(
  sections: readonly Pick<PatchSection, 'kind' | 'size' | 'align'>[],
  part: Part,
): number {
  return sections.reduce((largest, { size }, index) => {
    const place = placeInPart(sections, index, size);
    return place?.part === part ? Math.max(largest, place.offset) : largest;
  }, 0);
}
