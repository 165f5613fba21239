/**
 * `.kpatch` files as LibcarePlus makes them, from its documented steps and offsets alone: the assembler text of both
 * versions in one file, new code and data in sections of their own, linked with relocations kept, and everything of
 * the original made into headers without contents.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ElfView, type Section } from './elf-view.ts';

/** struct kpatch_file as it stands in a file, offsets in bytes. */
export const HEADER = {
  size: 504,
  magic: 0,
  id: 8,
  moduleName: 24,
  buildId: 88,
  builtAt: 136,
  elfOffset: 152,
  relocationsOffset: 156,
  totalSize: 160,
  jumpTable: 164,
  elfInRegion: 168,
  regionSize: 176,
  undo: 184,
  records: 188,
  level: 192,
} as const;

/** struct kpatch_info. */
export const RECORD = {
  size: 48,
  original: 0,
  replacement: 8,
  originalSize: 16,
  replacementSize: 20,
  name: 24,
};

/** Header and ELF part in one file. */
export function containerOf(elf: Uint8Array, id: string, buildId: string): Uint8Array {
  const totalSize = (HEADER.size + elf.length + 15) & ~15;
  const file = new Uint8Array(totalSize);
  const view = new DataView(file.buffer);
  file.set(Buffer.from('KPATCH1\0'), HEADER.magic);
  file.set(Buffer.from(id), HEADER.id);
  file.set(Buffer.from(buildId), HEADER.buildId);
  view.setBigUint64(HEADER.builtAt, 1_700_000_000n, true);
  view.setUint32(HEADER.elfOffset, HEADER.size, true);
  view.setUint32(HEADER.relocationsOffset, HEADER.size, true);
  view.setUint32(HEADER.totalSize, totalSize, true);
  file.set(elf, HEADER.size);
  return file;
}

export interface ForeignSource {
  readonly id: string;
  /** The original, one C file. */
  readonly base: string;
  /** New bodies, compiled with -fPIC: functions `NAME_kpatch` replace NAME; others are new. */
  readonly patch: string;
  readonly changed: readonly string[];
  readonly added?: readonly string[];
  /** For the compiler and the linker, of both. */
  readonly flags?: readonly string[];
}

export interface ForeignBuild {
  /** The original executable or library. */
  readonly original: string;
  /** The patch file and its bytes. */
  readonly file: string;
  readonly bytes: Uint8Array;
  readonly buildId: string;
}

/** Compiles and links both in `folder` as `name`, and makes the patch of the second link. */
export function foreignPatch(folder: string, name: string, source: ForeignSource): ForeignBuild {
  const at = (suffix: string): string => join(folder, `${name}${suffix}`);
  const flags = source.flags ?? [];
  const gcc = (...args: string[]): void => {
    execFileSync('gcc', [...flags, ...args], { cwd: folder });
  };
  writeFileSync(at('.c'), source.base);
  writeFileSync(at(`.${source.id}.c`), source.patch);
  const compile = ['-O1', '-g0', '-fcf-protection=none', '-S'];
  gcc(...compile, '-o', at('.original.s'), at('.c'));
  // Its filter takes the call frame information of new code away.
  gcc(...compile, '-fPIC', '-fno-asynchronous-unwind-tables', '-o', at('.new.s'), at(`.${source.id}.c`));
  writeFileSync(
    at('.patched.s'),
    patchedText(readFileSync(at('.original.s'), 'utf8'), readFileSync(at('.new.s'), 'utf8'), source),
  );
  const original = at('');
  gcc('-Wl,--build-id', '-o', original, at('.original.s'));
  gcc(
    '-Wl,--build-id',
    '-Wl,-q',
    '-Wl,-z,notext',
    '-Wl,--no-warnings',
    '-o',
    at('.patched'),
    at('.patched.s'),
  );
  const { buildId } = new ElfView(new Uint8Array(readFileSync(original)));
  const elf = strippedPatch(
    new ElfView(new Uint8Array(readFileSync(original))),
    new ElfView(new Uint8Array(readFileSync(at('.patched')))),
  );
  const bytes = containerOf(elf, source.id, buildId);
  const file = at(`.${source.id}.kpatch`);
  writeFileSync(file, bytes);
  return { original, file, bytes, buildId };
}

/** Both versions in one text: the end of each changed function is marked, new code follows in sections of its own. */
function patchedText(base: string, added: string, { changed, added: fresh = [] }: ForeignSource): string {
  let text = base;
  for (const name of changed) {
    const end = new RegExp(`^\\t\\.size\\t${name}, \\.-${name}$`, 'm');
    if (!end.test(text)) throw new Error(`no end of ${name} in the compiler's text`);
    text = text.replace(end, (line) => `${line}\n${name}.Lfe:`);
  }
  const bodies = added
    .replace(/^\t\.file\t.*$/gm, '')
    .replace(/\.L(\w)/g, '.Lkp$1')
    .replace(/\b(\w+)_kpatch\b/g, '$1.kpatch')
    .replace(/^\t\.(?:text|section\t\.text).*$/gm, '\t.section\t.kpatch.text,"ax",@progbits')
    .replace(
      /^\t\.(?:data|bss|section\t\.(?:rodata|data|bss)).*$/gm,
      '\t.section\t.kpatch.data,"aw",@progbits',
    )
    .replace(
      /^\t\.local\t(\w+)\n\t\.comm\t\1,(\d+),(\d+)$/gm,
      ['\t.section\t.kpatch.data,"aw",@progbits', '\t.balign\t$3', '$1:\t.zero\t$2'].join('\n'),
    );
  const record = (label: string, original: string, size: string): string => `
	.section .kpatch.strtab,"a",@progbits
.Lname.${label}:	.string "${label}"
	.section .kpatch.info,"a",@progbits
	.quad ${original}
	.quad ${label}
	.long ${size}
	.long .Lend.${label} - ${label}
	.quad .Lname.${label}
	.quad 0
	.long 0
	.byte 0, 0, 0, 0
`;
  const ends = [...changed.map((name) => `${name}.kpatch`), ...fresh].reduce(
    (body, label) =>
      body.replace(
        new RegExp(`^\\t\\.size\\t${label.replace('.', '\\.')}, .*$`, 'm'),
        (line) => `${line}\n.Lend.${label}:`,
      ),
    bodies,
  );
  return [
    text.replace(/^\t\.section\t\.note\.GNU-stack.*$/m, ''),
    '\t.section .kpatch.data,"aw",@progbits\n\t.p2align 12\n',
    '\t.section .kpatch.text,"ax",@progbits\n',
    ends.replace(/^\t\.section\t\.note\.GNU-stack.*$/m, ''),
    ...changed.map((name) => record(`${name}.kpatch`, name, `${name}.Lfe - ${name}`)),
    ...fresh.map((name) => record(name, '0', '0')),
    '\t.section .kpatch.info,"a",@progbits\n\t.zero 24\n',
    '\t.section\t.note.GNU-stack,"",@progbits\n',
  ].join('\n');
}

const SHT_RELA = 4;
const SHT_NOBITS = 8;
const SHF_ALLOC = 2;
const STT_SECTION = 3;
const STT_TLS = 6;
const R_X86_64_PC32 = 2;
const R_X86_64_PLT32 = 4;
const GOT_LOADS = [9, 41, 42]; // GOTPCREL, GOTPCRELX, REX_GOTPCRELX
const R_X86_64_TPOFF64 = 18;
const R_X86_64_GOTTPOFF = 22;
const R_X86_64_TPOFF32 = 23;

/** What stays of the patched link: steps strip, rel-fixup and undo-link of the description, on x86_64. */
export function strippedPatch(original: ElfView, linked: ElfView): Uint8Array {
  const elf = new ElfView(linked.bytes.slice());
  const { view } = elf;
  const { sections, symbols } = elf;
  const isKept = ({ name, index }: Section): boolean =>
    index === 0 || name.includes('kpatch') || ['.symtab', '.strtab', '.shstrtab'].includes(name);

  const slots = original.has('.rela.dyn')
    ? original.relocations(original.section('.rela.dyn')).filter(({ type }) => type === R_X86_64_TPOFF64)
    : [];
  for (const table of sections.filter(({ type, name }) => type === SHT_RELA && name.includes('kpatch'))) {
    const target = sections[table.info]!;
    for (const { at, offset, type, symbol, addend } of elf.relocations(table)) {
      const to = symbols[symbol]!;
      const inSection = offset - target.address;
      view.setBigUint64(at, inSection, true);
      if (type === R_X86_64_PLT32) view.setUint32(at + 8, R_X86_64_PC32, true);
      const opcode = target.offset + Number(inSection) - 2;
      if (GOT_LOADS.includes(type) && to.shndx !== 0 && view.getUint8(opcode) === 0x8b) {
        view.setUint8(opcode, 0x8d);
      }
      if (type === R_X86_64_TPOFF32) view.setUint32(at + 8, 0, true);
      if (type === R_X86_64_GOTTPOFF) {
        const slot = slots.find((one) => one.addend === to.value);
        if (slot === undefined) throw new Error(`no slot for ${to.name}`);
        view.setBigInt64(at + 16, BigInt(slot.offset), true);
      }
      // A local symbol whose name starts with a dot: its section and an offset instead.
      if (to.bind === 0 && to.name.startsWith('.') && to.type !== STT_SECTION) {
        const section = symbols.find(({ type: kind, shndx }) => kind === STT_SECTION && shndx === to.shndx)!;
        view.setUint32(at + 12, section.index, true);
        view.setBigInt64(at + 16, addend + to.value - sections[to.shndx]!.address, true);
      }
    }
  }
  for (const { at, type, shndx, value } of symbols) {
    if (type === STT_TLS || type === STT_SECTION || shndx === 0 || shndx >= 0xff00) continue;
    view.setBigUint64(at + 8, value - sections[shndx]!.address, true);
  }
  for (const section of sections) {
    const same = original.sections.find(({ name }) => name === section.name && name !== '');
    if (same !== undefined) view.setBigUint64(section.at + 16, same.address, true);
    if (isKept(section)) continue;
    if (section.type === SHT_RELA) view.setBigUint64(section.at + 8, BigInt(section.flags | SHF_ALLOC), true);
    view.setUint32(section.at + 4, SHT_NOBITS, true);
  }
  view.setUint16(16, 1, true); // e_type: ET_REL
  view.setBigUint64(32, 0n, true); // e_phoff
  view.setUint16(54, 0, true); // e_phentsize
  view.setUint16(56, 0, true); // e_phnum
  return elf.bytes;
}
