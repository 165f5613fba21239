import { archOfMachine } from '../arch/index.ts';
import { during, SutureError } from '../base/errors.ts';
import { viewOf } from '../bytes/record.ts';
import { checkConsistency } from './consistency.ts';
import { checkDigest, type Sha256 } from './digest.ts';
import { DIGEST_SIZE, HEADER_SIZE, MAGIC, PatchHeader, SECTION } from './layout.ts';
import { foreignManifest, foreignReferences, foreignTables } from './libcareplus.ts';
import type { Manifest } from './manifest.ts';
import { bad, type ObjectSection, type ObjectTables, readObject } from './object.ts';
import type { Patch } from './patch.ts';
import { placeContents } from './placement.ts';
import { readRecords } from './records.ts';
import { parseManifest } from './schema.ts';

/**
 * Reads a `.kpatch` file, of suture or of LibcarePlus, and trusts nothing in it.
 *
 * For a file of LibcarePlus the manifest is made from what there is: `entryBytes` is '' and `redirectOffset` 0,
 * because such a file does not know the original's code, and `target.file` is ''.
 * @param name of the file, for messages
 * @throws SutureError BAD_PATCH, and nothing else.
 */
export function readPatch(bytes: Uint8Array, sha256: Sha256, name: string): Patch {
  return during(`reading ${name}`, () => {
    try {
      return read(bytes, sha256);
    } catch (error) {
      // A read past the end is BAD_FORMAT below; here it is the patch that is bad.
      if (!(error instanceof SutureError) || error.code === 'BAD_PATCH') throw error;
      throw new SutureError('BAD_PATCH', error.message, { cause: error });
    }
  });
}

function read(bytes: Uint8Array, sha256: Sha256): Patch {
  const header = readHeader(bytes);
  const elf = bytes.subarray(HEADER_SIZE, header.totalSize);
  const found = readObject(elf);
  const arch = archOfMachine(found.machine);
  if (arch === undefined)
    throw bad(`the patch is for a CPU that is not known here (ELF machine ${found.machine})`);

  const own = readOwnSections(found);
  const tables = own === undefined ? foreignTables(found) : found;
  if (own !== undefined) {
    if (header.totalSize !== bytes.length) {
      throw bad(`the file has ${bytes.length} bytes and should have ${header.totalSize}`);
    }
    checkDigest(bytes, HEADER_SIZE + own.digest.fileOffset, sha256);
  }
  const placed = placeContents(tables, arch);
  const records = readRecords(tables, placed.symbols, arch);
  const { manifest, sections, symbols }: Pick<Patch, 'manifest' | 'sections' | 'symbols'> =
    own === undefined
      ? {
          manifest: foreignManifest(header, tables, placed, records, arch),
          ...foreignReferences(placed, arch),
        }
      : { manifest: own.manifest, sections: placed.sections, symbols: placed.symbols };

  const patch: Patch = {
    manifest,
    arch,
    sections,
    symbols,
    baseSections: placed.baseSections,
    origin: own === undefined ? 'libcareplus' : 'suture',
    bytes,
  };
  checkConsistency(patch, header, records);
  return patch;
}

function readHeader(bytes: Uint8Array): ReturnType<typeof PatchHeader.on> {
  if (bytes.length < HEADER_SIZE) throw bad(`${bytes.length} bytes are too few for a patch`);
  const view = viewOf(bytes);
  const header = PatchHeader.on(view, 0);
  if (header.magic !== MAGIC) throw bad('this is not a patch: it does not start with "KPATCH1"');
  if (header.elfOffset !== HEADER_SIZE)
    throw bad(`the ELF part is at ${header.elfOffset}, not ${HEADER_SIZE}`);
  if (header.totalSize > bytes.length || header.totalSize < HEADER_SIZE) {
    throw bad(`the file is truncated: it has ${bytes.length} of ${header.totalSize} bytes`);
  }
  if (!/^([0-9a-f]{2}){1,20}$/.test(header.buildId)) throw bad('the header has no build id');
  return header;
}

/** The manifest and the place of the digest; undefined when the file is LibcarePlus's. */
function readOwnSections(tables: ObjectTables): { manifest: Manifest; digest: ObjectSection } | undefined {
  const named = (name: string): ObjectSection | undefined => {
    const found = tables.sections.filter((section) => section.name === name);
    if (found.length > 1) throw bad(`there are ${found.length} sections ${name}`);
    return found[0];
  };
  const manifest = named(SECTION.manifest);
  const digest = named(SECTION.digest);
  if (manifest === undefined && digest === undefined) return undefined;
  if (manifest === undefined || digest === undefined) throw bad('the manifest or the digest is missing');
  if (digest.bytes.length !== DIGEST_SIZE) throw bad('the digest has a wrong size');
  if (manifest.bytes.some((byte) => byte > 0x7f)) throw bad('the manifest is not ASCII');
  return { manifest: parseManifest(asciiText(manifest.bytes)), digest };
}

/** Text of many bytes, in pieces: one character at a time is slow, all at once exceeds the argument limit. */
function asciiText(bytes: Uint8Array): string {
  const piece = 4096;
  let out = '';
  for (let at = 0; at < bytes.length; at += piece) {
    out += String.fromCharCode(...bytes.subarray(at, at + piece));
  }
  return out;
}
