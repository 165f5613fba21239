/** Where the tables of an ELF file lie, for changes that hit them. */
import { ElfImage } from '../../src/elf/image.ts';
import type { Field } from './mutation.ts';

const EHDR_SIZE = 64;
const SHDR_SIZE = 64;
const PHDR_SIZE = 56;
const TABLE = /^\.(sym|dyn|rela|rel|note|gnu|eh_frame|debug_|hash|str|shstr|kpatch\.info|suture)/;

/** @param at where the ELF file begins in what will be changed */
export function fieldsOfElf(elf: Uint8Array, at = 0): Field[] {
  const image = ElfImage.parse(elf);
  const view = new DataView(elf.buffer, elf.byteOffset, elf.length);
  const fields: Field[] = [
    { at, size: EHDR_SIZE, step: 8 },
    {
      at: at + Number(view.getBigUint64(40, true)),
      size: view.getUint16(60, true) * SHDR_SIZE,
      step: SHDR_SIZE,
    },
  ];
  const programHeaders = Number(view.getBigUint64(32, true));
  if (programHeaders > 0)
    fields.push({ at: at + programHeaders, size: view.getUint16(56, true) * PHDR_SIZE, step: PHDR_SIZE });
  for (const { name, fileOffset, size } of image.sections) {
    if (TABLE.test(name) && size > 0)
      fields.push({
        at: at + fileOffset,
        size,
        step: name.startsWith('.rela') ? 24 : name.includes('sym') ? 24 : 8,
      });
  }
  return fields;
}
