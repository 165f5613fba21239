/**
 * The `.kpatch` file: a header of 504 bytes and an ELF relocatable object. The header is LibcarePlus's, so that either
 * tool finds the other's patches, in files and in patched processes; all that its loader needs is in it and in the
 * sections whose names start with `.kpatch`. Sections of our own carry the rest:
 *
 *     0      header
 *     504    Elf64_Ehdr, e_type ET_REL
 *            .kpatch.text .kpatch.rodata .kpatch.gcc_except_table .eh_frame   code and what is only read
 *            .kpatch.strtab .kpatch.info                                      one record for each function
 *            .kpatch.data .kpatch.bss                                         from a page boundary on: writable
 *            .rela.*  .symtab .strtab .shstrtab
 *            .suture.manifest .suture.digest
 *            section headers
 *
 * Every section of the base that a symbol lies in has a header without contents (SHT_NOBITS) whose sh_addr is its
 * link-time address: a symbol there is an address in the base. Undefined symbols are imports, in the manifest's order.
 */
import { pad, record, text, u8, u32, u64 } from '../bytes/record.ts';

/** Bytes 0 to 7 of a file and of an applied patch's region: "KPATCH1" and a zero. */
export const MAGIC = 'KPATCH1';

/** struct kpatch_file of LibcarePlus 1.0.1. Offsets named inRegion count from the start of the region in the target. */
export const PatchHeader = record('kpatch header', 504, {
  magic: text(8),
  /** At most 7 characters, and a zero. */
  id: text(8),
  flags: u8,
  safetyMethod: u8,
  padding18: pad(6),
  moduleName: text(64),
  /** Lower-case hexadecimal; a build id longer than 20 bytes is cut. */
  buildId: text(41),
  padding129: pad(7),
  /** Seconds since 1970. */
  builtAt: u64,
  checksum: u32,
  relocationCount: u32,
  /** File offset of the ELF part. */
  elfOffset: u32,
  relocationsOffset: u32,
  /** Bytes of header and ELF part, rounded up to 16. */
  totalSize: u32,
  jumpTableInRegion: u32,
  elfInRegion: u32,
  padding172: pad(4),
  /** Bytes; 0 in a file. */
  regionSize: u64,
  undoInRegion: u32,
  recordsInRegion: u32,
  patchLevel: u32,
  padding196: pad(52),
  sourceVersion: text(25),
  padding273: pad(231),
});

export const HEADER_SIZE = PatchHeader.size;
/** Bytes of a build id that the header has room for. */
export const HEADER_BUILD_ID_SIZE = 20;
export const HEADER_ID_LENGTH = 7;
export const FILE_ALIGNMENT = 16;

/** One record of `.kpatch.info`; a record whose first 24 bytes are zero ends the list. */
export const PatchRecord = record('kpatch record', 48, {
  /** Address of the original function; 0 for a new one. */
  original: u64,
  replacement: u64,
  originalSize: u32,
  replacementSize: u32,
  /** Address of a name in `.kpatch.strtab`. */
  name: u64,
  reserved: u64,
  flags: u32,
  padding44: pad(4),
});
export const RECORD_TERMINATOR_SIZE = 24;

export const SECTION = {
  text: '.kpatch.text',
  rodata: '.kpatch.rodata',
  data: '.kpatch.data',
  bss: '.kpatch.bss',
  /** Addresses that code reaches through a word, in patches that LibcarePlus's loader takes. */
  words: '.kpatch.words',
  exceptTable: '.kpatch.gcc_except_table',
  frames: '.eh_frame',
  names: '.kpatch.strtab',
  records: '.kpatch.info',
  manifest: '.suture.manifest',
  digest: '.suture.digest',
} as const;

export const DIGEST_SIZE = 32;
/** Largest alignment that a section may ask for: a region starts at a page. */
export const MAX_ALIGNMENT = 4096;
/** Largest sum of a patch's sections in the target: everything must lie within a redirect's reach. */
export const MAX_REGION = 1 << 30;
