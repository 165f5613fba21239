/**
 * A `.kpatch` file of LibcarePlus put together byte by byte from the documented offsets, for any CPU, so that a test can
 * break each part of it. One function replaced, one added, one variable, one import.
 */
import { containerOf, HEADER, RECORD } from './foreign-file.ts';

/** Relocation types of a CPU: a 64-bit address, and a call that the loader knows. psABI and AAELF64. */
export const TYPES: Readonly<Record<number, { readonly absolute64: number; readonly call: number }>> = {
  62: { absolute64: 1, call: 2 },
  183: { absolute64: 257, call: 283 },
};

export const BUILD_ID = '00112233445566778899aabbccddeeff01234567';

interface Part {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly bytes: Uint8Array;
  readonly size?: number;
  readonly address?: bigint;
  readonly link?: number;
  readonly info?: number;
  readonly align?: number;
  readonly entry?: number;
}

const SHF = { write: 1, alloc: 2, execute: 4 };
const words = (size: number, fill: (view: DataView) => void): Uint8Array => {
  const bytes = new Uint8Array(size);
  fill(new DataView(bytes.buffer));
  return bytes;
};

/** Indices in the section table. */
export const INDEX = {
  original: 1,
  text: 2,
  data: 3,
  names: 4,
  records: 5,
  textRelocations: 6,
  recordRelocations: 7,
  symbols: 8,
  symbolNames: 9,
  sectionNames: 10,
} as const;

export const ORIGINAL = { address: 0x1000n, size: 0x800, function: 0x40 } as const;

export function handmade(machine: number, id = '0001'): Uint8Array {
  const { absolute64, call } = TYPES[machine]!;
  const names = Buffer.from('f.kpatch\0helper\0');
  const symbolNames = Buffer.from('\0f\0f.kpatch\0helper\0count\0puts@GLIBC_2.2.5\0');
  const nameOf = (name: string): number => symbolNames.indexOf(`\0${name}\0`) + 1;

  const symbols: [name: string, info: number, section: number, value: bigint, size: bigint][] = [
    ['', 0, 0, 0n, 0n],
    ['', 3, INDEX.text, 0x5000n, 0n], // sections keep the address that they had in the link
    ['', 3, INDEX.names, 0x7000n, 0n],
    ['f', 0x12, INDEX.original, BigInt(ORIGINAL.function), 32n],
    ['f.kpatch', 0x12, INDEX.text, 0n, 32n],
    ['helper', 0x02, INDEX.text, 32n, 16n],
    ['count', 0x01, INDEX.data, 8n, 4n],
    ['puts@GLIBC_2.2.5', 0x12, 0, 0n, 0n],
  ];
  const indexOf = (name: string): number => symbols.findIndex((symbol) => symbol[0] === name);
  const relocations = (all: [offset: number, type: number, symbol: number, addend: bigint][]): Uint8Array =>
    words(all.length * 24, (view) => {
      all.forEach(([offset, type, symbol, addend], i) => {
        view.setBigUint64(i * 24, BigInt(offset), true);
        view.setUint32(i * 24 + 8, type, true);
        view.setUint32(i * 24 + 12, symbol, true);
        view.setBigInt64(i * 24 + 16, addend, true);
      });
    });

  const sectionNames = Buffer.from(
    '\0.text\0.kpatch.text\0.kpatch.data\0.kpatch.strtab\0.kpatch.info\0.rela.kpatch.text\0.rela.kpatch.info\0.symtab\0.strtab\0.shstrtab\0.rela.dyn\0',
  );
  const parts: Part[] = [
    {
      name: '.text',
      type: 8,
      flags: SHF.alloc | SHF.execute,
      bytes: new Uint8Array(0),
      size: ORIGINAL.size,
      address: ORIGINAL.address,
    },
    {
      name: '.kpatch.text',
      type: 1,
      flags: SHF.alloc | SHF.execute,
      bytes: new Uint8Array(48),
      address: 0x5000n,
      align: 16,
    },
    {
      name: '.kpatch.data',
      type: 1,
      flags: SHF.alloc | SHF.write,
      bytes: new Uint8Array(16),
      address: 0x6000n,
      align: 65536,
    },
    { name: '.kpatch.strtab', type: 1, flags: SHF.alloc, bytes: names, address: 0x7000n },
    {
      name: '.kpatch.info',
      type: 1,
      flags: SHF.alloc,
      align: 8,
      bytes: words(2 * RECORD.size + 24, (view) => {
        view.setUint32(RECORD.originalSize, 32, true);
        view.setUint32(RECORD.replacementSize, 32, true);
        view.setUint32(RECORD.size + RECORD.replacementSize, 16, true);
      }),
    },
    {
      name: '.rela.kpatch.text',
      type: 4,
      flags: 0,
      link: INDEX.symbols,
      info: INDEX.text,
      entry: 24,
      bytes: relocations([
        [8, call, indexOf('puts@GLIBC_2.2.5'), 0n],
        [24, absolute64, indexOf('count'), 0n],
      ]),
    },
    {
      name: '.rela.kpatch.info',
      type: 4,
      flags: 0,
      link: INDEX.symbols,
      info: INDEX.records,
      entry: 24,
      bytes: relocations([
        [RECORD.original, absolute64, indexOf('f'), 0n],
        [RECORD.replacement, absolute64, indexOf('f.kpatch'), 0n],
        [RECORD.name, absolute64, 2, 0n],
        [RECORD.size + RECORD.replacement, absolute64, 1, 32n],
        [RECORD.size + RECORD.name, absolute64, 2, 9n],
      ]),
    },
    {
      name: '.symtab',
      type: 2,
      flags: 0,
      link: INDEX.symbolNames,
      info: 3,
      entry: 24,
      bytes: words(symbols.length * 24, (view) => {
        symbols.forEach(([name, info, section, value, size], i) => {
          view.setUint32(i * 24, name === '' ? 0 : nameOf(name), true);
          view.setUint8(i * 24 + 4, info);
          view.setUint16(i * 24 + 6, section, true);
          view.setBigUint64(i * 24 + 8, value, true);
          view.setBigUint64(i * 24 + 16, size, true);
        });
      }),
    },
    { name: '.strtab', type: 3, flags: 0, bytes: symbolNames },
    { name: '.shstrtab', type: 3, flags: 0, bytes: sectionNames },
    { name: '.rela.dyn', type: 4, flags: SHF.alloc, bytes: new Uint8Array(48), info: 0, link: 0, entry: 24 },
  ];
  return containerOf(object(machine, parts, sectionNames), id, BUILD_ID);
}

function object(machine: number, parts: readonly Part[], sectionNames: Buffer): Uint8Array {
  const pieces: { at: number; bytes: Uint8Array }[] = [];
  let next = 64;
  const headers = parts.map((part) => {
    next = Math.ceil(next / 16) * 16;
    const at = next;
    pieces.push({ at, bytes: part.bytes });
    next += part.bytes.length;
    return { part, at };
  });
  const table = Math.ceil(next / 8) * 8;
  const elf = new Uint8Array(table + (parts.length + 1) * 64);
  const view = new DataView(elf.buffer);
  elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 1, true);
  view.setUint16(18, machine, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(40, BigInt(table), true);
  view.setUint16(52, 64, true);
  view.setUint16(58, 64, true);
  view.setUint16(60, parts.length + 1, true);
  view.setUint16(62, INDEX.sectionNames, true);
  for (const { at, bytes } of pieces) elf.set(bytes, at);
  headers.forEach(({ part, at }, i) => {
    const header = table + (i + 1) * 64;
    view.setUint32(header, sectionNames.indexOf(`\0${part.name}\0`) + 1, true);
    view.setUint32(header + 4, part.type, true);
    view.setBigUint64(header + 8, BigInt(part.flags), true);
    view.setBigUint64(header + 16, part.address ?? 0n, true);
    view.setBigUint64(header + 24, BigInt(at), true);
    view.setBigUint64(header + 32, BigInt(part.size ?? part.bytes.length), true);
    view.setUint32(header + 40, part.link ?? 0, true);
    view.setUint32(header + 44, part.info ?? 0, true);
    view.setBigUint64(header + 48, BigInt(part.align ?? 1), true);
    view.setBigUint64(header + 56, BigInt(part.entry ?? 0), true);
  });
  return elf;
}

/** File offset of a section's header in a handmade file, and of its contents. */
export function placeOf(file: Uint8Array, index: number): { header: number; contents: number } {
  const view = new DataView(file.buffer, file.byteOffset);
  const header = HEADER.size + Number(view.getBigUint64(HEADER.size + 40, true)) + index * 64;
  return { header, contents: HEADER.size + Number(view.getBigUint64(header + 24, true)) };
}
