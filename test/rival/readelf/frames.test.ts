/** Every FDE's range and every row of its unwind table, as `readelf --debug-dump=frames-interp` shows them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { registers } from '../../../src/arch/x86_64/registers.ts';
import { vaddr } from '../../../src/bytes/address.ts';
import type { RegisterRule, UnwindRow } from '../../../src/dwarf/cfi.ts';
import type { EhFrame } from '../../../src/dwarf/eh-frame.ts';
import { debugFramesOfFile, framesOfFile } from '../../../src/dwarf/find-frames.ts';
import { ElfImage } from '../../../src/elf/image.ts';
import { readelf, realObjects, withCompiled } from './readelf.ts';

const signed = (offset: number): string => (offset < 0 ? `${offset}` : `+${offset}`);
const registerName = (number: number): string => registers.names[number] ?? `r${number}`;

function cell(rule: RegisterRule | undefined): string {
  switch (rule?.kind) {
    case undefined:
    case 'undefined':
      return 'u';
    case 'same':
      return 's';
    case 'offset':
      return `c${signed(rule.offset)}`;
    case 'val_offset':
      return `v${signed(rule.offset)}`;
    case 'register':
      return `r${rule.register}`;
    case 'expression':
      return 'exp';
    case 'val_expression':
      return 'vexp';
  }
}

function cfaCell({ cfa }: UnwindRow): string {
  if (cfa === undefined) return '';
  return cfa.kind === 'expression' ? 'exp' : `${registerName(cfa.register)}${signed(cfa.offset)}`;
}

interface RivalFde {
  offset: number;
  start: bigint;
  end: bigint;
  /** Register columns behind CFA; "ra" is the return address. */
  columns: string[];
  /** Cells by location; of several rows for one location the last is in force. */
  rows: Map<bigint, string[]>;
}

function rivalFrames(path: string, section: string): RivalFde[] {
  const fdes: RivalFde[] = [];
  let inSection = false;
  let current: RivalFde | undefined;
  for (const line of readelf('--debug-dump=frames-interp', path)) {
    const title = /^Contents of the (\S+) section/.exec(line);
    if (title) inSection = title[1] === section;
    if (!inSection) continue;
    const head = /^([0-9a-f]+) [0-9a-f]+ [0-9a-f]+ (FDE cie=.* pc=([0-9a-f]+)\.\.([0-9a-f]+)|CIE)/.exec(line);
    if (head) {
      current = undefined;
      if (head[3] === undefined) continue;
      current = {
        offset: Number.parseInt(head[1]!, 16),
        start: BigInt(`0x${head[3]}`),
        end: BigInt(`0x${head[4]}`),
        columns: [],
        rows: new Map(),
      };
      fdes.push(current);
      continue;
    }
    // A register that holds another is shown as "r2 (rcx)".
    const cells = line
      .replace(/ \(\w+\)/g, '')
      .trim()
      .split(/\s+/);
    if (cells[0] === 'LOC') current?.columns.push(...cells.slice(2));
    else if (current && /^[0-9a-f]{16} /.test(line)) {
      current.rows.set(BigInt(`0x${cells[0]}`), cells.slice(1));
    }
  }
  return fdes;
}

function compareFrames(path: string, frames: EhFrame | undefined, section: string): number {
  const rival = rivalFrames(path, section).filter(({ start, end }) => start < end);
  assert.equal(frames?.unreadable ?? 0, 0);
  assert.equal(frames?.length ?? 0, rival.length, 'number of FDEs');
  if (frames === undefined) return 0;
  let rows = 0;
  const indexOf = new Map(Array.from(frames.offsets, (offset, index) => [offset, index]));
  for (const expected of rival) {
    const index = indexOf.get(expected.offset);
    assert.ok(index !== undefined, `FDE at ${expected.offset.toString(16)}`);
    const fde = frames.at(index);
    assert.deepEqual([fde.start, fde.end], [expected.start, expected.end]);
    const where = `FDE at ${expected.offset.toString(16)}`;
    const ours = frames.rowsOf(fde);
    if (expected.rows.size > 0) {
      for (const { start } of ours)
        assert.ok(expected.rows.has(start), `${where}: a row at ${start.toString(16)}`);
    }
    for (const [at, [cfa, ...cells]] of expected.rows) {
      if (at >= expected.end) continue;
      const row = frames.rowFor(fde, vaddr(at));
      const found = expected.columns.map((name) =>
        cell(row.registers.get(name === 'ra' ? row.returnAddress : numberOf(name))),
      );
      assert.deepEqual([cfaCell(row), ...found], [cfa, ...cells], `${where}: row at ${at.toString(16)}`);
      rows++;
    }
  }
  return rows;
}

function numberOf(name: string): number {
  const number = registers.names.indexOf(name);
  return number >= 0 ? number : Number(/^r(\d+)$/.exec(name)?.[1]);
}

for (const { path, bytes } of realObjects()) {
  test(`frames of ${path}`, () => {
    const rows = compareFrames(path, framesOfFile(ElfImage.parse(bytes, path)), '.eh_frame');
    assert.ok(rows > 10);
  });
}

const SOURCE = `
#include <alloca.h>
void use(void *);
int leaf(int x) { return x * 3; }
void big(int n) { char *p = alloca(n); use(p); }
void aligned(void) { _Alignas(64) char line[256]; use(line); }
int main(int argc, char **argv) { (void)argv; for (int i = 0; i < argc; i++) { big(i); if (leaf(i) == 9) return 1; aligned(); } return 0; }
void use(void *p) { *(volatile char *)p = 1; }`;

for (const flags of [
  ['-O0'],
  ['-O2', '-fno-omit-frame-pointer'],
  ['-O2'],
  ['-O2', '-fpic', '-shared'],
  ['-O2', '-static'],
]) {
  test(`frames of gcc ${flags.join(' ')}`, () => {
    withCompiled(SOURCE, flags, (path) => {
      const image = ElfImage.parse(readFileSync(path), path);
      assert.ok(compareFrames(path, framesOfFile(image), '.eh_frame') > 5);
    });
  });
}

test('.debug_frame', () => {
  withCompiled(
    SOURCE,
    ['-O1', '-g', '-fno-asynchronous-unwind-tables', '-fno-unwind-tables', '-gz=none'],
    (path) => {
      const frames = debugFramesOfFile(ElfImage.parse(readFileSync(path), path));
      assert.ok(compareFrames(path, frames, '.debug_frame') > 5);
    },
  );
});
