import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placeInPart } from '../patch/parts.ts';
import type { PatchSection } from '../patch/patch.ts';
import { layoutRegion } from './layout.ts';

test('constants and data lie where later patches look for them', () => {
  const section = (name: string, kind: PatchSection['kind'], size: number, align: number): PatchSection => ({
    name,
    kind,
    size,
    align,
    bytes: new Uint8Array(kind === 'bss' ? 0 : size),
    relocations: [],
  });
  const sections = [
    section('.kpatch.text', 'text', 33, 16),
    section('.kpatch.rodata', 'rodata', 13, 4),
    section('.kpatch.gcc_except_table', 'rodata', 7, 4),
    section('.kpatch.bss', 'bss', 5000, 4096),
    section('.kpatch.data', 'data', 9, 8),
    section('.kpatch.data.more', 'data', 64, 32),
  ];
  const layout = layoutRegion({
    sections,
    functionCount: 3,
    changedCount: 2,
    namesSize: 20,
    manifestSize: 1000,
    stubs: { count: 2, size: 16 },
    gotWords: 3,
    redirectSize: 5,
    unwinderCount: 1,
    pageSize: 4096,
  });
  const starts = { constants: layout.codeSize, data: layout.codeSize + layout.constantsSize };
  sections.forEach((_, index) => {
    const place = placeInPart(sections, index, 3);
    assert.equal(place === undefined, index === 0);
    if (place === undefined) return;
    assert.equal(starts[place.part] + place.offset, layout.sectionOffsets[index]! + 3);
  });
});
