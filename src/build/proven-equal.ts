/**
 * Whether another link of the same source gave the same code at the same addresses. Then the symbol table of the one
 * tells the truth about the other, whatever their build ids: every instruction of both refers to the same places.
 */
import { hex, vaddr } from '../bytes/address.ts';
import { SHF_ALLOC, SHF_EXECINSTR, SHN_UNDEF, SHT_NOBITS, SHT_NOTE, STT_FUNC } from '../elf/constants.ts';
import type { ElfImage, Section } from '../elf/image.ts';

export type Equality =
  | { readonly kind: 'equal' }
  | {
      readonly kind: 'different';
      /** Functions of the rebuilt file that the target has otherwise, or not at their address. */
      readonly functions: readonly string[];
      /** Differences outside of functions, in words. */
      readonly other: readonly string[];
    };

/**
 * Compares the placement of every allocated section and every byte of code. Notes may differ, the build id is one; so
 * may the contents of data, such as a date in a string, because nothing of it says where anything lies.
 */
export function proveEqual(target: ElfImage, rebuilt: ElfImage): Equality {
  const other = [
    ...(target.machine === rebuilt.machine && target.type === rebuilt.type ? [] : ['the kind of file']),
    ...differentPlacement(target, rebuilt),
  ];
  const functions: string[] = [];
  for (const section of rebuilt.sections) {
    if ((section.flags & SHF_EXECINSTR) === 0 || (section.flags & SHF_ALLOC) === 0) continue;
    const differing = differingBytes(target, rebuilt, section);
    const inFunctions = new Uint8Array(section.size);
    for (const symbol of rebuilt.symbols) {
      if (symbol.type !== STT_FUNC || symbol.shndx === SHN_UNDEF || symbol.size === 0) continue;
      const start = Number(symbol.value - section.address);
      if (start < 0 || start >= section.size) continue;
      inFunctions.fill(1, start, start + symbol.size);
      if (differing.subarray(start, start + symbol.size).includes(1)) functions.push(symbol.name);
    }
    const outside = differing.findIndex((byte, i) => byte === 1 && inFunctions[i] === 0);
    if (outside >= 0) other.push(`${section.name} at ${hex(vaddr(section.address + BigInt(outside)))}`);
  }
  if (functions.length === 0 && other.length === 0) return { kind: 'equal' };
  return { kind: 'different', functions: [...new Set(functions)].sort(), other };
}

function differentPlacement(target: ElfImage, rebuilt: ElfImage): string[] {
  const described = ({ name, address, size, flags }: Section): string =>
    `${name} ${address} ${size} ${flags}`;
  const placed = ({ sections }: ElfImage): Section[] =>
    sections.filter(({ type, flags }) => (flags & SHF_ALLOC) !== 0 && type !== SHT_NOTE);
  const [here, there] = [placed(target), placed(rebuilt)];
  const known = new Set(here.map(described));
  const wanted = new Set(there.map(described));
  const names = [
    ...there.filter((section) => !known.has(described(section))),
    ...here.filter((section) => !wanted.has(described(section))),
  ].map(({ name }) => name);
  return [...new Set(names)].map((name) => `place or size of ${name}`);
}

/** 1 for every byte of the rebuilt section that the target does not have at the same address. */
function differingBytes(target: ElfImage, rebuilt: ElfImage, section: Section): Uint8Array {
  const differing = new Uint8Array(section.size).fill(1);
  if (section.type === SHT_NOBITS) return differing;
  const holder = target.sections.find(
    ({ flags, type, address, size }) =>
      (flags & SHF_EXECINSTR) !== 0 &&
      type !== SHT_NOBITS &&
      address < section.address + BigInt(section.size) &&
      section.address < address + BigInt(size),
  );
  if (holder === undefined) return differing;
  const theirs = rebuilt.contents(section);
  const ours = target.contents(holder);
  const shift = Number(section.address - holder.address);
  for (let i = 0; i < section.size; i++) if (ours[i + shift] === theirs[i]) differing[i] = 0;
  return differing;
}
