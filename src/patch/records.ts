/** `.kpatch.info`: which function goes where, in the form that LibcarePlus's loader reads. */
import type { Arch } from '../arch/arch.ts';
import { viewOf } from '../bytes/record.ts';
import { PatchRecord, RECORD_TERMINATOR_SIZE, SECTION } from './layout.ts';
import type { ManifestFunction } from './manifest.ts';
import { bad, Names, type ObjectRelocation, type ObjectTables } from './object.ts';
import type { PatchSymbol } from './patch.ts';

/** A function's name there: new bodies have the suffix that LibcarePlus gives them. */
export const recordName = ({ name, kind }: ManifestFunction): string =>
  kind === 'changed' ? `${name}.kpatch` : name;

/** One record, its relocations followed by symbol. */
export interface FunctionRecord {
  /** From `.kpatch.strtab`. */
  readonly name: string;
  /** Link-time address and bytes of the function in the base; undefined for a new function. */
  readonly original: { readonly address: bigint; readonly size: number } | undefined;
  /** Index into Patch.sections, bytes from its start. */
  readonly section: number;
  readonly offset: number;
  readonly size: number;
}

/**
 * Reads the records. `symbols` are the patch's, by symbol index; symbols of the table of names are of kind 'none'
 * there and judged by their section here.
 * @throws SutureError BAD_PATCH
 */
export function readRecords(
  tables: ObjectTables,
  symbols: readonly PatchSymbol[],
  arch: Arch,
): FunctionRecord[] {
  const section = tables.sections.find(({ name }) => name === SECTION.records);
  const names = tables.sections.find(({ name }) => name === SECTION.names);
  if (section === undefined || names === undefined) throw bad('the list of functions is missing');

  const nameTable = new Names(names.bytes, 'function names');
  const byOffset = new Map<number, ObjectRelocation>();
  for (const relocation of tables.relocations.get(section.index) ?? []) {
    if (relocation.type === 0) continue;
    if (relocation.type !== arch.link.absolute64 || byOffset.has(relocation.offset)) {
      throw bad(`the list of functions has a wrong relocation at ${relocation.offset}`);
    }
    byOffset.set(relocation.offset, relocation);
  }

  // The terminator may be a whole record or its first 24 bytes.
  const room = section.bytes.length - RECORD_TERMINATOR_SIZE;
  const view = viewOf(section.bytes);
  const records: FunctionRecord[] = [];
  for (let at = 0; at + PatchRecord.size <= section.bytes.length; at += PatchRecord.size) {
    const target = (field: keyof typeof PatchRecord.offsets): ObjectRelocation | undefined =>
      byOffset.get(at + PatchRecord.offsets[field]);
    const { originalSize, replacementSize } = PatchRecord.on(view, at);
    const replacement = target('replacement');
    if (replacement === undefined && originalSize === 0 && replacementSize === 0) break;
    if (at > room) throw bad('the list of functions does not end');
    const placed = replacement && symbols[replacement.symbol];
    if (replacement === undefined || placed?.kind !== 'section') {
      throw bad(`function ${records.length} has no new code`);
    }
    const name = target('name');
    const nameSymbol = name && tables.symbols[name.symbol];
    if (name === undefined || nameSymbol?.shndx !== names.index) {
      throw bad(`function ${records.length} has no name`);
    }
    const nameOffset = nameSymbol.value + name.addend;
    if (nameOffset < 0n || nameOffset >= BigInt(names.bytes.length)) {
      throw bad(`function ${records.length} has its name outside of the table`);
    }
    const original = target('original');
    const base = original && symbols[original.symbol];
    if (original !== undefined && base?.kind !== 'base') {
      throw bad(`function ${records.length} replaces something that is not in the base`);
    }
    const address = base?.kind === 'base' ? base.address + original!.addend : undefined;
    if (address !== undefined && BigInt.asUintN(64, address) !== address) {
      throw bad(`function ${records.length} replaces something outside of the address space`);
    }
    if ((base === undefined) !== (originalSize === 0)) {
      throw bad(`function ${records.length} has an original without an address or without a size`);
    }
    records.push({
      name: nameTable.at(Number(nameOffset)),
      original: address === undefined ? undefined : { address, size: originalSize },
      section: placed.section,
      offset: Number(BigInt.asIntN(53, BigInt(placed.offset) + replacement.addend)),
      size: replacementSize,
    });
  }
  return records;
}
