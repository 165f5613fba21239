/** What every CPU's facts must hold, whichever machine the test runs on. A third CPU is tested by being in the list. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { arches, archNamed, archOfMachine } from '../../src/arch/index.ts';
import { plus, remote } from '../../src/bytes/address.ts';
import { viewOf } from '../../src/bytes/record.ts';
import { repository } from '../programs/harness.ts';

test('every folder of a CPU is in the list, under its name', () => {
  const folders = readdirSync(join(repository, 'src/arch'), { withFileTypes: true })
    .filter(({ name }) => existsSync(join(repository, 'src/arch', name, 'index.ts')))
    .map(({ name }) => name);
  assert.deepEqual(arches.map(({ name }) => name).sort(), folders.sort());
});

for (const arch of arches) {
  describe(arch.name, () => {
    const code = remote(0x5500_0000_0000n);

    test('is found by name and by ELF machine', () => {
      assert.equal(archNamed(arch.name), arch);
      assert.equal(archOfMachine(arch.elfMachine), arch);
    });

    test('registers lie in the regset and have names', () => {
      const { dwarf, names, prstatusSize, pc, sp, calleeSaved } = arch.registers;
      for (const offset of [pc, sp, ...dwarf]) {
        if (offset === undefined) continue;
        assert.ok(offset % 8 === 0 && offset >= 0 && offset + 8 <= prstatusSize, `offset ${offset}`);
      }
      assert.equal(dwarf[arch.registers.dwarfSp], sp);
      for (const [number, offset] of dwarf.entries()) {
        if (offset !== undefined) assert.ok(names[number], `register ${number} has a name`);
      }
      assert.ok(calleeSaved.includes(arch.registers.dwarfFp), 'a call preserves the frame pointer');
    });

    test('a redirect leads where it should, and not further than it reaches', () => {
      const { jump } = arch;
      const rooms = Array.from({ length: 2 * jump.size }, (_, room) => room);
      const sizes = new Set(rooms.map(jump.sizeIn));
      assert.ok(sizes.delete(0), 'no redirect fits into nothing');
      assert.ok(rooms.every((room) => jump.sizeIn(room) <= room));
      assert.equal(Math.max(...sizes), jump.size);
      const distance = fc.bigInt(-jump.reach / 4n, jump.reach / 4n).map((value) => value * 4n);
      fc.assert(
        fc.property(distance, (by) => {
          const to = plus(code, by);
          assert.equal(jump.encode(code, to)?.length, jump.size);
          for (const size of sizes) {
            const encoded = jump.encode(code, to, size);
            assert.ok(encoded !== undefined && encoded.length === size);
            assert.equal(jump.decode(encoded, code), to);
          }
        }),
      );
      for (const by of [jump.reach * 2n + 4n, -jump.reach * 2n - 4n]) {
        assert.equal(jump.encode(code, plus(code, by)), undefined);
      }
    });

    test('padding is padding, zeros and a redirect are not', () => {
      const { jump } = arch;
      assert.ok(jump.isPadding(new Uint8Array(0)));
      const redirect = jump.encode(code, plus(code, 4096));
      assert.ok(redirect !== undefined && !jump.isPadding(redirect));
      assert.equal(jump.landingPad(redirect), 0);
    });

    test('a stub reaches its slot, or is refused', () => {
      const { stub } = arch.link;
      const slot = plus(code, 0x10_0000);
      assert.equal(stub.encode(code, slot)?.length, stub.size);
      assert.equal(stub.encode(code, plus(code, 1n << 40n)), undefined);
    });

    test('relocations: sizes, names, and fields that refuse what they cannot hold', () => {
      assert.ok(arch.relocations.size > 10);
      const names = [...arch.relocations.values()].map(({ name }) => name);
      assert.equal(new Set(names).size, names.length);
      for (const { name, size, reference, formula, store } of arch.relocations.values()) {
        if (reference === 'none' || formula === 'none') continue;
        assert.ok(size > 0 && size <= 8, name);
        const bytes = new Uint8Array(24).fill(0xa5);
        store(viewOf(bytes), 8, 0n);
        assert.ok(
          bytes.every((byte, at) => (at >= 8 && at < 8 + size) || byte === 0xa5),
          `${name} writes outside its field`,
        );
        // Types that take some bits of an address on purpose, and the group that holds its highest ones.
        const takesPart = formula === 'Page offset(S+A)' || /(_NC|_G3)$/.test(name);
        if (size < 8 && !takesPart)
          assert.equal(store(viewOf(new Uint8Array(8)), 0, 1n << 62n), false, `${name} overflows`);
      }
      for (const type of [arch.link.absolute64, arch.link.pcRelative32])
        assert.ok(arch.relocations.has(type));
    });

    test('dynamic relocation types differ from each other', () => {
      const { jumpSlot, globDat, relative, copy, irelative, tpoff, dtpmod, dtpoff } = arch.link;
      const types = [jumpSlot, globDat, relative, copy, irelative, tpoff, dtpmod, dtpoff];
      assert.equal(new Set(types).size, types.length);
    });

    test('system calls: numbers differ, the gadget is code', () => {
      const { numbers, gadget, sigreturnPaths, redZone } = arch.syscall;
      assert.equal(new Set(Object.values(numbers)).size, Object.keys(numbers).length);
      assert.ok(gadget.length > 0 && sigreturnPaths.length > 0 && redZone >= 0);
      for (const path of sigreturnPaths) assert.ok(path.code.every((bytes) => bytes.length > 0));
    });

    test('no return address follows zeros', () => {
      assert.equal(arch.unwind.endsWithCall(new Uint8Array(16)), false);
    });
  });
}
