/** Mutated call frame information and random DWARF expressions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { evaluate } from '../../src/dwarf/expression.ts';
import { ElfImage } from '../../src/elf/image.ts';
import { askFrames } from './ask-elf.ts';
import { ask, elfSamples, mutated, mutations, RUNS, timed } from './elf-samples.ts';

const sections = elfSamples().map((bytes) => {
  const image = ElfImage.parse(bytes);
  const section = image.section('.eh_frame')!;
  return { bytes: image.contents(section), address: section.address };
});

const byte = fc.integer({ min: 0, max: 255 });

test('mutated .eh_frame', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...sections),
      mutations,
      fc.boolean(),
      ({ bytes, address }, changes, isDebugFrame) => {
        timed(() => askFrames(mutated(bytes, changes), address, isDebugFrame));
      },
    ),
    { numRuns: RUNS },
  );
});

test('random instructions', () => {
  const head = Uint8Array.of(
    0x14,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    1,
    0x7a,
    0x52,
    0,
    1,
    0x78,
    16,
    1,
    0x1b,
    0x0c,
    7,
    8,
    0x90,
    1,
    0,
    0,
  );
  const opcode = fc.oneof(fc.integer({ min: 0, max: 0x2f }), fc.integer({ min: 0x40, max: 0xff }));
  fc.assert(
    fc.property(fc.array(fc.oneof(opcode, byte), { maxLength: 120 }), (instructions) => {
      const padded = [...instructions, ...new Array((7 + 4 - (instructions.length % 4)) % 4).fill(0)];
      const body = Uint8Array.of(head.length + 4, 0, 0, 0, 0, 0x10, 0, 0, 0, 1, 0, 0, 0, ...padded);
      const bytes = new Uint8Array(head.length + 4 + body.length);
      bytes.set(head);
      new DataView(bytes.buffer).setUint32(head.length, body.length, true);
      bytes.set(body, head.length + 4);
      timed(() => askFrames(bytes, 0x40_0000n, false));
    }),
    { numRuns: RUNS },
  );
});

test('random expressions', () => {
  const context = {
    register: (number: number) => (number < 17 ? BigInt(number) << 40n : undefined),
    read: (at: bigint, size: number) => (at % 3n === 0n ? new Uint8Array(size).fill(0x41) : undefined),
    bias: 0n,
  };
  const operation = fc.constantFrom(
    0x06,
    0x08,
    0x10,
    0x12,
    0x14,
    0x16,
    0x17,
    0x1a,
    0x1b,
    0x1d,
    0x22,
    0x24,
    0x26,
    0x28,
    0x2f,
    0x31,
    0x77,
    0x96,
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(operation, byte), { maxLength: 60 }), (bytes) => {
      timed(() =>
        ask(() => {
          const value = evaluate(Uint8Array.from(bytes), context, 0x7ffe_0000_0000n);
          assert.ok(value >= 0n && value < 1n << 64n);
        }),
      );
    }),
    { numRuns: RUNS },
  );
});
