/** What the manifest, the header, the records and the sections say about each other must agree. */
import { SHF_EXECINSTR } from '../elf/constants.ts';
import { HEADER_BUILD_ID_SIZE, HEADER_ID_LENGTH, type PatchHeader, SECTION } from './layout.ts';
import type { ManifestFunction } from './manifest.ts';
import { bad } from './object.ts';
import { sizeOfPart } from './parts.ts';
import type { Patch } from './patch.ts';
import { type FunctionRecord, recordName } from './records.ts';

interface Range {
  readonly name: string;
  readonly start: bigint;
  readonly end: bigint;
}

/** @throws SutureError BAD_PATCH */
export function checkConsistency(
  patch: Patch,
  header: ReturnType<typeof PatchHeader.on>,
  records: readonly FunctionRecord[],
): void {
  const { manifest, arch } = patch;
  if (manifest.cpu !== arch.name) throw bad(`the manifest is for ${manifest.cpu}, the code for ${arch.name}`);
  if (
    !manifest.target.buildId.startsWith(header.buildId) ||
    header.buildId.length !== Math.min(manifest.target.buildId.length, HEADER_BUILD_ID_SIZE * 2)
  ) {
    throw bad('header and manifest name different targets');
  }
  if (header.id !== manifest.id.slice(0, HEADER_ID_LENGTH))
    throw bad('header and manifest have different ids');
  if (manifest.functions.length === 0) throw bad('the patch has no functions');
  if (manifest.functions.length !== records.length) {
    throw bad(
      `the manifest has ${manifest.functions.length} functions, the list for the loader ${records.length}`,
    );
  }
  manifest.functions.forEach((fn, i) => {
    checkFunction(patch, fn, records[i]!);
  });
  checkOriginals(patch);
  checkReplacements(patch);
  checkImports(patch);
  checkEarlier(patch);
}

function checkFunction(patch: Patch, fn: ManifestFunction, record: FunctionRecord): void {
  const { original, name } = fn;
  if ((fn.kind === 'changed') !== (original !== undefined)) {
    throw bad(`${name} is ${fn.kind} and ${original === undefined ? 'has no' : 'has an'} original`);
  }
  if (patch.origin === 'suture' && record.name !== recordName(fn)) {
    throw bad(`${name} is called ${record.name} in the list for the loader`);
  }
  if (
    // The list has the place of the redirect, behind a landing pad.
    (original && BigInt(original.address) + BigInt(original.redirectOffset)) !== record.original?.address ||
    (original && original.size - original.redirectOffset) !== record.original?.size ||
    fn.replacement.offset !== record.offset ||
    fn.replacement.size !== record.size ||
    patch.sections[record.section]?.name !== SECTION.text
  ) {
    throw bad(`the list for the loader says something else about ${name} than the manifest`);
  }
  if (original === undefined || patch.origin === 'libcareplus') return;
  const known = original.entryBytes.length / 2;
  const redirectSize = patch.arch.jump.sizeIn(original.size - original.redirectOffset);
  if (redirectSize === 0 || known < original.redirectOffset + redirectSize) {
    throw bad(`${name} has ${known} known bytes at its entry, too few for the redirect`);
  }
}

/** Code of the base that is replaced: in executable sections of the base, every byte once. */
function checkOriginals({ manifest, baseSections }: Patch): void {
  const executable = baseSections
    .filter(({ flags }) => (flags & SHF_EXECINSTR) !== 0)
    .map(({ name, address, size }) => ({ name, start: BigInt(address), end: address + BigInt(size) }))
    .sort(byStart);
  const originals = manifest.functions.flatMap(({ name, original }): Range[] =>
    original === undefined
      ? []
      : [original, ...original.parts].map(({ address, size }) => ({
          name,
          start: BigInt(address),
          end: BigInt(address) + BigInt(size),
        })),
  );
  refuseOverlap(originals);
  // Both lists are walked once: a hostile file has many of either.
  let at = 0;
  for (const { name, start, end } of [...originals].sort(byStart)) {
    while (at < executable.length && executable[at]!.end < end) at++;
    const section = executable[at];
    if (end <= start || section === undefined || start < section.start) {
      throw bad(`the original of ${name} does not lie in code of the base`);
    }
  }
}

function checkReplacements({ manifest, sections }: Patch): void {
  const text = sections.find(({ name }) => name === SECTION.text);
  if (text === undefined || text.kind !== 'text') throw bad(`section ${SECTION.text} is missing`);
  const ranges = manifest.functions.flatMap(({ name, replacement, replacementParts }): Range[] =>
    [replacement, ...replacementParts].map(({ offset, size }) => ({
      name,
      start: BigInt(offset),
      end: BigInt(offset + size),
    })),
  );
  for (const { name, start, end } of ranges) {
    if (start < 0n || end <= start || end > BigInt(text.size)) {
      throw bad(`the new code of ${name} does not lie in ${SECTION.text}`);
    }
  }
  // Two functions may have become one.
  refuseOverlap([...new Map(ranges.map((range) => [`${range.start} ${range.end}`, range])).values()]);
}

function checkImports({ manifest, symbols, sections, arch, origin }: Patch): void {
  const imports = symbols.flatMap((symbol) => (symbol.kind === 'import' ? [symbol] : []));
  if (imports.length !== manifest.imports.length) {
    throw bad(`the manifest has ${manifest.imports.length} imports, the symbol table ${imports.length}`);
  }
  if (origin === 'libcareplus') return;
  for (const { name, importIndex } of imports) {
    const listed = manifest.imports[importIndex]!.name;
    if (listed !== name)
      throw bad(`import ${importIndex} is ${listed} in the manifest and ${name} in the symbol table`);
  }
  for (const { name, relocations } of sections) {
    for (const { type, symbol, offset } of relocations) {
      const target = symbols[symbol]!;
      if (target.kind !== 'import') continue;
      const { reference } = arch.relocations.get(type)!;
      const isTls = reference.startsWith('tls-');
      const { type: imported } = manifest.imports[target.importIndex]!;
      if (isTls !== (imported === 'tls') && imported !== 'unknown' && reference !== 'none') {
        throw bad(
          `${name}+${offset} uses ${target.name} as ${isTls ? 'a thread-local variable' : 'an address'}`,
        );
      }
    }
  }
}

/** What later patches will find here, and what this one finds in earlier ones. */
function checkEarlier({ manifest, sections }: Patch): void {
  const sizes = { constants: sizeOfPart(sections, 'constants'), data: sizeOfPart(sections, 'data') };
  for (const { name, kind, place, size } of manifest.variables) {
    if (place === undefined) continue;
    if (kind !== 'new' || place.offset + size > sizes[place.part]) {
      throw bad(`the variable ${name} does not lie in the ${place.part} of the patch`);
    }
  }
  for (const { name, from, type } of manifest.imports) {
    if (from === undefined) continue;
    if (!manifest.requires.includes(from.patch)) {
      throw bad(`${name} is of the patch ${from.patch}, which is not required`);
    }
    if (type === 'tls') throw bad(`${name} of the patch ${from.patch} is thread-local`);
  }
}

const byStart = (a: Range, b: Range): number => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0);

function refuseOverlap(ranges: readonly Range[]): void {
  const sorted = [...ranges].sort(byStart);
  sorted.forEach((range, i) => {
    const before = sorted[i - 1];
    if (before !== undefined && before.end > range.start) {
      throw bad(`${before.name} and ${range.name} overlap`);
    }
  });
}
