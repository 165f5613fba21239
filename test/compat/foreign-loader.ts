/**
 * Puts a `.kpatch` file into a live x86_64 process the way LibcarePlus does it, from its documented layout of a region
 * alone. It needs nothing of the file but what that loader reads, and refuses what that loader refuses.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { remote } from '../../src/bytes/address.ts';
import { remoteCall } from '../../src/process/remote-call.ts';
import { Target } from '../../src/process/target.ts';
import { type ElfSymbol, ElfView, type Section } from './elf-view.ts';
import { HEADER, RECORD } from './foreign-file.ts';

const PAGE = 4096;
const HUNK = 5;
const ENTRY = 16;
const alignTo = (value: number, step: number): number => Math.ceil(value / step) * step;

/** What the loader would have in its memory before it writes, and where things come to lie. */
export interface ForeignImage {
  readonly bytes: Uint8Array;
  readonly region: bigint;
  /** Bytes from the region's start on that become r-x. */
  readonly executable: number;
  readonly hunks: readonly { readonly at: bigint; readonly jump: Uint8Array; readonly undo: number }[];
}

interface Surroundings {
  readonly region: bigint;
  /** Load offset of the object. */
  readonly bias: bigint;
  /** Address of a symbol in a shared library. */
  lookUp(name: string): bigint;
}

const STT_SECTION = 3;
const STT_FUNC = 2;
const STT_OBJECT = 1;
const STT_TLS = 6;

/** The checks of the loader: nothing else is looked at. */
export function loaderCheck(file: Uint8Array): void {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const refuse = (what: string): never => {
    throw new Error(`the loader refuses the file: ${what}`);
  };
  if (file.length < HEADER.size) refuse('too short');
  if (Buffer.from(file.subarray(0, 8)).toString('latin1') !== 'KPATCH1\0') refuse('magic');
  const total = view.getUint32(HEADER.totalSize, true);
  const elf = view.getUint32(HEADER.elfOffset, true);
  if (total > file.length || elf + 64 > file.length) refuse('size');
  if (view.getUint32(elf, true) !== 0x464c457f) refuse('ELF magic');
  if (view.getUint16(elf + 16, true) !== 1) refuse('not ET_REL');
  if (view.getUint16(elf + 58, true) !== 64) refuse('e_shentsize');
}

/** Lays out, resolves and relocates as documented; throws for whatever that loader does not know. */
export function foreignImage(
  file: Uint8Array,
  { region, bias, lookUp }: Surroundings,
  level = 0,
): ForeignImage {
  loaderCheck(file);
  const header = new DataView(file.buffer, file.byteOffset, file.length);
  const elfSize = header.getUint32(HEADER.totalSize, true) - HEADER.size;
  const elfAt = header.getUint32(HEADER.elfOffset, true);
  const elf = new ElfView(file.slice(elfAt, elfAt + elfSize));
  const { sections, symbols } = elf;

  const undefinedGlobals = symbols.filter(({ bind, shndx, index }) => index > 0 && bind === 1 && shndx === 0);
  const jumpTable = undefinedGlobals.length > 0 ? HEADER.size : 0;
  const tableSize = undefinedGlobals.length > 0 ? 16 + ENTRY * undefinedGlobals.length : 0;
  const elfInRegion = alignTo(HEADER.size + tableSize, PAGE);
  const records = elf.section('.kpatch.info');
  const recordCount = Math.floor(records.size / RECORD.size);
  const undo = alignTo(elfInRegion + elfSize, 128);
  const size = alignTo(alignTo(undo + recordCount * HUNK, 16), PAGE);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);

  const addressOf = ({ type, address, offset }: Section): bigint =>
    type === 8 ? address + bias : region + BigInt(elfInRegion + offset);
  const entryOf = new Map<number, number>();
  undefinedGlobals.forEach(({ index, type, name }, i) => {
    if (type !== STT_FUNC && type !== STT_OBJECT) throw new Error(`the loader does not look up ${name}`);
    const at = HEADER.size + 16 + i * ENTRY;
    bytes.set([0xff, 0x25, 2, 0, 0, 0, 0x90, 0x90], at);
    view.setBigUint64(at + 8, lookUp(name.replace(/@.*/, '')), true);
    entryOf.set(index, at);
  });
  if (undefinedGlobals.length > 0) {
    [tableSize, undefinedGlobals.length, undefinedGlobals.length].forEach((word, i) => {
      view.setUint32(HEADER.size + 4 * i, word, true);
    });
  }
  const addressFor = (symbol: ElfSymbol): bigint => {
    const { index, type, shndx, value } = symbol;
    const entry = entryOf.get(index);
    if (entry !== undefined) return region + BigInt(entry);
    const section = sections[shndx];
    if (section === undefined || (shndx === 0 && type !== 0))
      throw new Error(`the loader cannot place ${symbol.name}`);
    if (type === STT_SECTION) return addressOf(section);
    return type === STT_TLS ? value : addressOf(section) + value;
  };

  bytes.set(file.subarray(0, HEADER.size));
  for (const table of sections.filter(({ type }) => type === 4)) {
    const target = sections[table.info]!;
    if (target.type === 8) continue;
    for (const { offset, type, symbol, addend } of elf.relocations(table)) {
      const to = symbols[symbol]!;
      const entry = entryOf.get(symbol);
      const place = addressOf(target) + offset;
      const at = target.offset + Number(offset);
      const isRecord = target.name === '.kpatch.info';
      const word = entry === undefined ? addressFor(to) : region + BigInt(entry + 8);
      const s = isRecord && entry !== undefined ? view.getBigUint64(entry + 8, true) : addressFor(to);
      const store32 = (value: bigint): void => elf.view.setInt32(at, Number(BigInt.asIntN(32, value)), true);
      switch (type) {
        case 0:
          break;
        case 1:
          elf.view.setBigInt64(at, BigInt.asIntN(64, s + addend), true);
          break;
        case 2:
          store32(s + addend - place);
          break;
        case 10:
        case 11:
          store32(s + addend);
          break;
        case 9:
        case 41:
        case 42:
          store32(word + addend - place);
          break;
        case 22:
          store32(addend + bias - 4n - place);
          break;
        default:
          throw new Error(`the loader does not know relocation type ${type} of ${to.name}`);
      }
    }
  }
  bytes.set(elf.bytes, elfInRegion);
  for (const { at, type } of sections.map((section) => ({ ...section, at: section.at }))) {
    const section = sections.find((one) => one.at === at)!;
    if (type !== 8 && section.index > 0) view.setBigUint64(elfInRegion + at + 16, addressOf(section), true);
  }
  view.setUint32(HEADER.jumpTable, jumpTable, true);
  view.setUint32(HEADER.elfInRegion, elfInRegion, true);
  view.setBigUint64(HEADER.regionSize, BigInt(size), true);
  view.setUint32(HEADER.undo, undo, true);
  view.setUint32(HEADER.records, elfInRegion + records.offset, true);
  view.setUint32(HEADER.level, level, true);

  const hunks = Array.from({ length: recordCount }, (_, i) => {
    const at = elfInRegion + records.offset + i * RECORD.size;
    const original = view.getBigUint64(at + RECORD.original, true);
    const replacement = view.getBigUint64(at + RECORD.replacement, true);
    const length = view.getUint32(at + RECORD.originalSize, true);
    const jump = new Uint8Array(HUNK);
    jump[0] = 0xe9;
    new DataView(jump.buffer).setInt32(1, Number(replacement - original - 5n), true);
    return { at: original, length, jump, undo: undo + i * HUNK };
  }).filter(({ at, length }) => at !== 0n || length !== 0);
  const data = elf.has('.kpatch.data') ? elf.section('.kpatch.data').offset : undefined;
  return { bytes, region, executable: data === undefined ? size : elfInRegion + data, hunks };
}

/** Puts the patch into a process that does nothing meanwhile. Returns the region's address. */
export function loadForeign(pid: number, file: Uint8Array, level = 0): bigint {
  const target = Target.open(pid);
  try {
    const buildId = Buffer.from(file.subarray(HEADER.buildId, HEADER.buildId + 40)).toString('latin1');
    const object = target.modules().find((module) => module.buildId === buildId);
    if (object === undefined) throw new Error(`process ${pid} has not loaded ${buildId}`);
    const lookUp = (name: string): bigint => {
      for (const module of target.modules()) {
        if (module.isExecutable || module.isVdso) continue;
        const found = module.image.dynamicSymbols.named(name).find(({ shndx }) => shndx !== 0);
        if (found !== undefined) return module.bias + found.value;
      }
      throw new Error(`no library defines ${name}`);
    };
    // How large it is does not depend on the place.
    const sized = foreignImage(file, { region: 0x10000n, bias: object.bias, lookUp: () => 0n });
    const region = placeAfter(target, object.end, sized.bytes.length);
    const image = foreignImage(file, { region, bias: object.bias, lookUp }, level);
    const { mmap, mprotect } = target.arch.syscall.numbers;
    const size = BigInt(image.bytes.length);
    const [mapped] = remoteCall(target, [
      { kind: 'syscall', number: mmap, args: [region, size, 3n, 0x32n, -1n, 0n] },
    ]);
    if (mapped !== region) throw new Error(`mmap gave ${mapped}`);
    for (const { at, undo } of image.hunks) image.bytes.set(target.memory.read(remote(at), HUNK), undo);
    writeMemory(pid, region, image.bytes);
    for (const { at, jump } of image.hunks) writeMemory(pid, at, jump);
    const [done] = remoteCall(target, [
      { kind: 'syscall', number: mprotect, args: [region, BigInt(image.executable), 5n] },
    ]);
    if (done !== 0n) throw new Error(`mprotect gave ${done}`);
    return region;
  } finally {
    target.close();
  }
}

/** The lowest hole behind the object, with a page kept free on both sides. */
function placeAfter(target: Target, end: bigint, size: number): bigint {
  const maps = [...target.maps()].sort((a, b) => (a.start < b.start ? -1 : 1));
  for (const [i, { end: low }] of maps.entries()) {
    const high = maps[i + 1]?.start ?? 1n << 47n;
    if (low >= end && high - low >= BigInt(size + 2 * PAGE)) return low + BigInt(PAGE);
  }
  throw new Error('no hole');
}

function writeMemory(pid: number, at: bigint, bytes: Uint8Array): void {
  const memory = openSync(`/proc/${pid}/mem`, 'r+');
  try {
    writeSync(memory, bytes, 0, bytes.length, Number(at));
  } finally {
    closeSync(memory);
  }
}
