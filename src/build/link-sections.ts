/** The merged sections with their relocations, as the patch carries them. */
import type { RelocationFacts } from '../arch/arch.ts';
import { viewOf } from '../bytes/record.ts';
import { relocate } from '../elf/relocate.ts';
import type { PatchRelocation, PatchSection, PatchSymbol } from '../patch/patch.ts';
import type { Base } from './base.ts';
import type { LinkRequest } from './link-request.ts';
import type { MergedSection } from './merge.ts';
import type { References } from './references.ts';

/** Every relocation's symbol is found on the way; what cannot be is noted among the refusals. */
export function linkSections(request: LinkRequest, references: References): PatchSection[] {
  return references.merged.sections.map((section) => linkSection(section, request, references));
}

function linkSection(
  section: MergedSection,
  { base, units }: LinkRequest,
  references: References,
): PatchSection {
  const relocations: PatchRelocation[] = [];
  const bytes = section.bytes;
  for (const part of section.parts) {
    const { object, name } = units[part.unit]!;
    for (const { offset, type, symbolIndex, addend } of object.relocations(part.section)) {
      const facts = base.arch.relocations.get(type);
      if (facts === undefined) {
        references.refusals.add({
          unit: name,
          what: `the new code has a relocation of type ${type}, which is not known on ${base.arch.name}`,
          remedy: 'report this with the compiler version',
        });
        continue;
      }
      if (facts.reference === 'none') {
        if (facts.formula !== 'none')
          relocations.push({ offset: part.start + offset, type, symbol: 0, addend });
        continue;
      }
      const symbol = references.indexOf(part.unit, object.symbols.at(symbolIndex), facts);
      if (fillThreadOffset(base, bytes, part.start + offset, references.table.symbols[symbol], facts, addend))
        continue;
      relocations.push({ offset: part.start + offset, type, symbol, addend });
    }
  }
  const { name, kind, size, align } = section;
  return { name, kind, bytes, size, align, relocations };
}

/** Offsets of the base's own thread-local variables are the same in every process, if the base is executable. */
function fillThreadOffset(
  base: Base,
  bytes: Uint8Array,
  at: number,
  symbol: PatchSymbol | undefined,
  facts: RelocationFacts,
  addend: bigint,
): boolean {
  const storage = base.threadStorage;
  if (symbol?.kind !== 'tls-base' || storage === undefined) return false;
  if (facts.reference !== 'tls-tpoff' || facts.formula !== 'S+A' || base.type !== 'executable') return false;
  const value = base.arch.link.threadPointerOffset(storage, symbol.offset);
  return relocate(viewOf(bytes), at, facts, { value, addend, place: 0n, got: 0n });
}
