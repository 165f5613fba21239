/** The structures of an ELF64 file. gABI chapters 4 and 5; versions: LSB Core, "Symbol Versioning". */
import { i64, record, text, u8, u16, u32, u64 } from '../bytes/record.ts';

export const Ehdr = record('Elf64_Ehdr', 64, {
  magic: text(4),
  class: u8,
  data: u8,
  identVersion: u8,
  osabi: u8,
  abiVersion: u8,
  pad0: u8,
  pad1: u16,
  pad2: u32,
  type: u16,
  machine: u16,
  version: u32,
  entry: u64,
  phoff: u64,
  shoff: u64,
  flags: u32,
  ehsize: u16,
  phentsize: u16,
  phnum: u16, // PN_XNUM: the count is in sh_info of section 0
  shentsize: u16,
  shnum: u16, // 0 with shoff set: the count is in sh_size of section 0
  shstrndx: u16, // SHN_XINDEX: the index is in sh_link of section 0
});

export const Shdr = record('Elf64_Shdr', 64, {
  name: u32,
  type: u32,
  flags: u64,
  addr: u64,
  offset: u64,
  size: u64,
  link: u32,
  info: u32,
  addralign: u64,
  entsize: u64,
});

export const Phdr = record('Elf64_Phdr', 56, {
  type: u32,
  flags: u32,
  offset: u64,
  vaddr: u64,
  paddr: u64,
  filesz: u64,
  memsz: u64,
  align: u64,
});

export const Sym = record('Elf64_Sym', 24, {
  name: u32, //  offset into the linked string table
  info: u8, //   binding << 4 | type
  other: u8, //  low two bits: visibility
  shndx: u16, // SHN_XINDEX: the real index is in SHT_SYMTAB_SHNDX
  value: u64,
  size: u64,
});

export const Rela = record('Elf64_Rela', 24, {
  offset: u64,
  type: u32, //   low half of r_info
  symbol: u32, // high half of r_info
  addend: i64,
});

export const Dyn = record('Elf64_Dyn', 16, { tag: i64, value: u64 });

export const Nhdr = record('Elf64_Nhdr', 12, { namesz: u32, descsz: u32, type: u32 });

export const Verdef = record('Elf64_Verdef', 20, {
  version: u16,
  flags: u16,
  ndx: u16,
  cnt: u16,
  hash: u32,
  aux: u32,
  next: u32,
});

export const Verdaux = record('Elf64_Verdaux', 8, { name: u32, next: u32 });

export const Verneed = record('Elf64_Verneed', 16, {
  version: u16,
  cnt: u16,
  file: u32,
  aux: u32,
  next: u32,
});

export const Vernaux = record('Elf64_Vernaux', 16, {
  hash: u32,
  flags: u16,
  other: u16,
  name: u32,
  next: u32,
});
