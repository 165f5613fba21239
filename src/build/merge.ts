/** Puts the sections of all units' objects together: one section of each name, the units' parts one behind another. */
import { alignUp } from '../bytes/address.ts';
import { SHF_ALLOC, SHF_EXECINSTR, SHF_TLS, SHF_WRITE, SHT_NOBITS, SHT_NOTE } from '../elf/constants.ts';
import type { ElfImage, Section } from '../elf/image.ts';
import { MAX_ALIGNMENT, SECTION } from '../patch/layout.ts';
import type { SectionKind } from '../patch/patch.ts';
import type { Refusal } from './refusal.ts';

/** A unit's section within a merged one. */
export interface MergedPart {
  readonly unit: number;
  readonly section: Section;
  /** Bytes from the start of the merged section. */
  readonly start: number;
}

export interface MergedSection {
  readonly name: string;
  readonly kind: SectionKind;
  readonly bytes: Uint8Array;
  readonly size: number;
  readonly align: number;
  readonly parts: readonly MergedPart[];
}

export interface Merged {
  readonly sections: readonly MergedSection[];
  /** Where a unit's section went, by unit and section index; undefined for what is not placed in the target. */
  partOf(unit: number, section: number): { readonly merged: number; readonly start: number } | undefined;
}

/** Zeros up to this size are stored, so that a patch needs no section kind that LibcarePlus lacks. */
const STORED_BSS = 4096;

/** Read-only sections first: code, constants, tables; then what is writable. */
const ORDER: readonly string[] = [
  SECTION.text,
  SECTION.rodata,
  SECTION.exceptTable,
  SECTION.frames,
  SECTION.data,
  SECTION.bss,
];
const rank = (name: string): number => {
  const known = ORDER.indexOf(name);
  return known < 0 ? ORDER.length : known;
};

export function mergeSections(
  units: readonly { readonly name: string; readonly object: ElfImage }[],
  refuse: (refusal: Refusal) => void,
): Merged {
  const byName = new Map<string, { unit: number; section: Section }[]>();
  units.forEach(({ name: unitName, object }, unit) => {
    for (const section of object.sections) {
      const problem = problemOf(section);
      if (problem !== undefined) refuse({ unit: unitName, ...problem });
      if (problem !== undefined || !isPlaced(section)) continue;
      const name = section.type === SHT_NOBITS && section.size <= STORED_BSS ? SECTION.data : section.name;
      const parts = byName.get(name);
      if (parts === undefined) byName.set(name, [{ unit, section }]);
      else parts.push({ unit, section });
    }
  });
  const names = [...byName.keys()].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  const sections = names.map((name) => mergeOne(name, byName.get(name)!, units));
  const places = new Map<string, { merged: number; start: number }>();
  sections.forEach(({ parts }, merged) => {
    for (const { unit, section, start } of parts) places.set(`${unit} ${section.index}`, { merged, start });
  });
  return { sections, partOf: (unit, section) => places.get(`${unit} ${section}`) };
}

const isPlaced = ({ flags, size, type }: Section): boolean =>
  (flags & SHF_ALLOC) !== 0 && size > 0 && type !== SHT_NOTE;

function problemOf(section: Section): Pick<Refusal, 'what' | 'remedy'> | undefined {
  if (!isPlaced(section)) return undefined;
  const { name, flags, align } = section;
  if ((flags & SHF_TLS) !== 0) {
    return {
      what: `the fix adds a thread-local variable (section ${name}): running threads have no room for one`,
      remedy: 'use a variable that all threads share, or a key of pthread_key_create, in the fix',
    };
  }
  if (!name.startsWith('.kpatch.') && name !== SECTION.frames) {
    return {
      what: `the fix puts something into section ${name}, which a patch cannot carry`,
      remedy: 'let the fix do without constructors, notes or sections of its own',
    };
  }
  if (align > MAX_ALIGNMENT) {
    return {
      what: `the fix wants data aligned to ${align} bytes; a patch can give ${MAX_ALIGNMENT}`,
      remedy: 'align less, or allocate the data when the program runs',
    };
  }
  return undefined;
}

function kindOf({ flags, type }: Section): SectionKind {
  if ((flags & SHF_EXECINSTR) !== 0) return 'text';
  if ((flags & SHF_WRITE) === 0) return 'rodata';
  return type === SHT_NOBITS && (flags & SHF_WRITE) !== 0 ? 'bss' : 'data';
}

function mergeOne(
  name: string,
  inputs: readonly { unit: number; section: Section }[],
  units: readonly { readonly object: ElfImage }[],
): MergedSection {
  const isFrames = name === SECTION.frames;
  let size = 0;
  let align = 1;
  const parts = inputs.map(({ unit, section }): MergedPart => {
    // Padding between two units' frame tables would read as the end of the table.
    const start = isFrames ? size : alignUp(size, Math.max(1, section.align));
    align = Math.max(align, section.align);
    size = start + section.size;
    return { unit, section, start };
  });
  if (isFrames) size += FRAMES_END;
  const kind = name === SECTION.data ? 'data' : kindOf(inputs[0]!.section);
  const bytes = new Uint8Array(kind === 'bss' ? 0 : size);
  for (const { unit, section, start } of parts) {
    if (kind !== 'bss') bytes.set(units[unit]!.object.contents(section), start);
  }
  return { name, kind, bytes, size, align, parts };
}

/** A length of zero ends a frame table. LSB Core, "The .eh_frame section". */
const FRAMES_END = 4;
