import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SutureError } from '../base/errors.ts';
import { vaddr } from '../bytes/address.ts';
import type { RegisterRule, UnwindRow } from './cfi.ts';
import { EhFrame, type EhFrameOptions } from './eh-frame.ts';

const ADDRESS = 0x40_0000n;
const CODE = 0x40_1000n;

const u32 = (value: number): number[] => [
  value & 0xff,
  (value >> 8) & 0xff,
  (value >> 16) & 0xff,
  (value >>> 24) & 0xff,
];
const u64 = (value: bigint): number[] => [...u32(Number(value & 0xffff_ffffn)), ...u32(Number(value >> 32n))];
const text = (value: string): number[] => [...value].map((c) => c.charCodeAt(0)).concat(0);
/** Length, then the body padded with DW_CFA_nop to a multiple of four. */
const entry = (body: readonly number[]): number[] => {
  const padded = [...body, ...new Array((4 - (body.length % 4)) % 4).fill(0)];
  return [...u32(padded.length), ...padded];
};

const DEF_CFA_SP8 = [0x0c, 7, 8];
const RA_AT_CFA8 = [0x90, 1];

/** Version 1, code alignment 1, data alignment -8, return address in 16. */
const cie = (
  augmentation: string,
  augmentationData: readonly number[],
  beforeFactors: readonly number[] = [],
): number[] =>
  entry([
    ...u32(0),
    1,
    ...text(augmentation),
    ...beforeFactors,
    1,
    0x78,
    16,
    ...(augmentation.startsWith('z') ? [augmentationData.length, ...augmentationData] : augmentationData),
    ...DEF_CFA_SP8,
    ...RA_AT_CFA8,
  ]);

/** An FDE at `offset` of the section for a CIE at 0, with absolute addresses. */
const fdeAt = (offset: number, rest: readonly number[], start = CODE, size = 0x100n): number[] =>
  entry([...u32(offset + 4), ...u64(start), ...u64(size), ...rest]);

const parse = (bytes: readonly number[], options: Partial<EhFrameOptions> = {}): EhFrame =>
  EhFrame.parse(Uint8Array.from(bytes), { address: vaddr(ADDRESS), ...options });

/** The rows of a function with these instructions. */
function rows(instructions: readonly number[]): { start: bigint; row: UnwindRow }[] {
  const head = cie('', []);
  const frames = parse([...head, ...fdeAt(head.length, instructions)]);
  assert.equal(frames.length, 1);
  return frames.rowsOf(frames.at(0));
}

const ruleOf = (instructions: readonly number[], register: number): RegisterRule | undefined =>
  rows(instructions).at(-1)?.row.registers.get(register);

const cfaOf = (instructions: readonly number[]) => rows(instructions).at(-1)?.row.cfa;

const isBadFormat = (error: unknown): boolean => error instanceof SutureError && error.code === 'BAD_FORMAT';

test('rows hold from one advance to the next', () => {
  const found = rows([
    0x41, // advance_loc 1
    ...[0x0e, 16], // def_cfa_offset 16
    ...[0x02, 0x20], // advance_loc1 0x20
    ...[0x0d, 6], // def_cfa_register rbp
    ...[0x03, 0x10, 0x00], // advance_loc2 0x10
    ...[0x0e, 24],
    ...[0x04, 0x10, 0, 0, 0], // advance_loc4 0x10
    ...[0x0c, 7, 8], // def_cfa rsp 8
  ]);
  assert.deepEqual(
    found.map(({ start, row }) => [start - CODE, row.cfa]),
    [
      [0x00n, { kind: 'register', register: 7, offset: 8 }],
      [0x01n, { kind: 'register', register: 7, offset: 16 }],
      [0x21n, { kind: 'register', register: 6, offset: 16 }],
      [0x31n, { kind: 'register', register: 6, offset: 24 }],
      [0x41n, { kind: 'register', register: 7, offset: 8 }],
    ],
  );
});

test('each instruction sets its rule', () => {
  const expression = Uint8Array.of(0x77, 0x08);
  assert.deepEqual(ruleOf([0x83, 2], 3), { kind: 'offset', offset: -16 });
  assert.deepEqual(ruleOf([0x05, 3, 4], 3), { kind: 'offset', offset: -32 });
  assert.deepEqual(ruleOf([0x11, 3, 0x7f], 3), { kind: 'offset', offset: 8 }, 'offset_extended_sf -1');
  assert.deepEqual(ruleOf([0x2f, 3, 2], 3), { kind: 'offset', offset: 16 }, 'GNU_negative_offset_extended');
  assert.deepEqual(ruleOf([0x14, 3, 2], 3), { kind: 'val_offset', offset: -16 });
  assert.deepEqual(ruleOf([0x15, 3, 0x7e], 3), { kind: 'val_offset', offset: 16 }, 'val_offset_sf -2');
  assert.deepEqual(ruleOf([0x07, 16], 16), { kind: 'undefined' });
  assert.deepEqual(ruleOf([0x08, 3], 3), { kind: 'same' });
  assert.deepEqual(ruleOf([0x09, 16, 2], 16), { kind: 'register', register: 2 });
  assert.deepEqual(ruleOf([0x10, 3, 2, ...expression], 3), { kind: 'expression', expression });
  assert.deepEqual(ruleOf([0x16, 3, 2, ...expression], 3), { kind: 'val_expression', expression });
  assert.deepEqual(cfaOf([0x0f, 2, ...expression]), { kind: 'expression', expression });
  assert.deepEqual(cfaOf([0x12, 7, 0x7e]), { kind: 'register', register: 7, offset: 16 }, 'def_cfa_sf -2');
  assert.deepEqual(
    cfaOf([0x13, 0x7d]),
    { kind: 'register', register: 7, offset: 24 },
    'def_cfa_offset_sf -3',
  );
  assert.equal(rows([0x2e, 32]).at(-1)?.row.argsSize, 32);
  assert.equal(rows([0x2d]).at(-1)?.row.returnAddressSigned, true);
});

test('set_loc and advance_loc8 move by address', () => {
  assert.deepEqual(
    rows([0x01, ...u64(CODE + 0x40n), 0x0e, 16, 0x1d, ...u64(0x20n), 0x0e, 24]).map(
      ({ start }) => start - CODE,
    ),
    [0n, 0x40n, 0x60n],
  );
});

test('restore goes back to the CIE, restore_state to the remembered row', () => {
  assert.deepEqual(ruleOf([0x90, 5, 0xd0], 16), { kind: 'offset', offset: -8 }, 'restore');
  assert.deepEqual(ruleOf([0x90, 5, 0x06, 16], 16), { kind: 'offset', offset: -8 }, 'restore_extended');
  assert.equal(ruleOf([0x83, 2, 0xc3], 3), undefined, 'the CIE has no rule for it');
  const found = rows([0x83, 2, 0x0e, 32, 0x0a, 0x41, 0xc3, 0x0e, 8, 0x41, 0x0b]).map(({ row }) => [
    row.cfa?.kind === 'register' && row.cfa.offset,
    row.registers.get(3)?.kind,
  ]);
  assert.deepEqual(found, [
    [32, 'offset'],
    [8, undefined],
    [32, 'offset'],
  ]);
});

test('damaged instructions are refused, not guessed at', () => {
  for (const [why, instructions] of [
    ['unknown instruction', [0x3f]],
    ['nothing remembered', [0x0b]],
    ['backwards', [0x01, ...u64(CODE - 1n)]],
    ['offset of a CFA that is an expression', [0x0f, 1, 0x50, 0x0e, 8]],
    ['column that no CPU has', [0x08, 0xff, 0xff, 0x03]],
    ['expression past the end', [0x0f, 0x70, 0x50]],
  ] as const) {
    assert.throws(() => rows(instructions), isBadFormat, why);
  }
  assert.throws(() => rows(new Array(100).fill(0x0a)), isBadFormat, 'remembers without end');
});

test('rows behind the end of the function are not made', () => {
  assert.equal(rows([0x04, ...u32(0x1000), 0x0e, 16]).length, 1);
});

test('augmentations', () => {
  const check = (head: number[], rest: readonly number[] = []): EhFrame => {
    const frames = parse([...head, ...fdeAt(head.length, rest)]);
    assert.equal(frames.unreadable, 0);
    assert.deepEqual(frames.at(0).cie.end > 0 && frames.rowAt(vaddr(CODE))?.row.cfa, {
      kind: 'register',
      register: 7,
      offset: 8,
    });
    return frames;
  };
  check(cie('', []));
  check(cie('eh', [], u64(0x1234n)));
  check(cie('zR', [0x00]), [0]);
  const all = check(cie('zPLRS', [0x00, ...u64(0x9999n), 0x00, 0x00]), [8, ...u64(0x5555n)]).at(0);
  assert.equal(all.cie.isSignalFrame, true);
  assert.equal(all.lsda, 0x5555n);
  assert.equal(check(cie('zLR', [0x1b, 0x00]), [4, 0, 0, 0, 0]).at(0).lsda, undefined, 'a bare 0: no LSDA');
  check(cie('zRB', [0x00]), [0]);
  check(cie('zRx', [0x00, 1, 2, 3]), [0]);
  check(cie('S', []));
});

test('entries of an unknown kind are counted, and found by nobody', () => {
  for (const head of [cie('q', []), cie('zxR', [1, 2, 3])]) {
    const frames = parse([...head, ...fdeAt(head.length, [0])]);
    assert.equal(frames.length, 0);
    assert.equal(frames.unreadable, 1);
    assert.equal(frames.find(vaddr(CODE)), undefined);
  }
});

test('encodings of addresses', () => {
  const at = (
    encoding: number,
    start: (place: number) => number[],
    options: Partial<EhFrameOptions> = {},
  ) => {
    const head = cie('zR', [encoding]);
    const place = head.length + 8;
    const bytes = start(place);
    const frames = parse([...head, ...entry([...u32(head.length + 4), ...bytes, 0])], options);
    assert.equal(frames.unreadable, 0, `encoding ${encoding.toString(16)}`);
    return [frames.starts[0], frames.ends[0]! - frames.starts[0]!];
  };
  assert.deepEqual(
    at(0x1b, (place) => [...u32(Number(CODE - ADDRESS) - place), ...u32(9)]),
    [CODE, 9n],
    'pcrel sdata4',
  );
  assert.deepEqual(
    at(0x1c, (place) => [...u64(CODE - ADDRESS - BigInt(place)), ...u64(9n)]),
    [CODE, 9n],
    'pcrel sdata8',
  );
  assert.deepEqual(
    at(0x03, () => [...u32(Number(CODE)), ...u32(9)]),
    [CODE, 9n],
    'udata4',
  );
  assert.deepEqual(
    at(0x0b, () => [...u32(Number(CODE)), ...u32(9)]),
    [CODE, 9n],
    'sdata4',
  );
  assert.deepEqual(
    at(0x02, () => [0x34, 0x12, 9, 0]),
    [0x1234n, 9n],
    'udata2',
  );
  assert.deepEqual(
    at(0x01, () => [0x80, 0x20, 9]),
    [0x1000n, 9n],
    'uleb128',
  );
  assert.deepEqual(
    at(0x09, () => [0x80, 0x20, 9]),
    [0x1000n, 9n],
    'sleb128',
  );
  assert.deepEqual(
    at(0x23, () => [...u32(0x10), ...u32(9)], { textBase: vaddr(CODE) }),
    [CODE + 16n, 9n],
    'textrel',
  );
  assert.deepEqual(
    at(0x3b, () => [...u32(-16), ...u32(9)], { dataBase: vaddr(CODE) }),
    [CODE - 16n, 9n],
    'datarel',
  );
});

test('an address relative to something unknown leaves its entry unreadable', () => {
  for (const encoding of [0x23, 0x3b, 0x9b, 0xff, 0x0f]) {
    const head = cie('zR', [encoding]);
    const frames = parse([...head, ...entry([...u32(head.length + 4), ...u32(16), ...u32(9), 0])]);
    assert.deepEqual([frames.length, frames.unreadable], [0, 1], `encoding ${encoding.toString(16)}`);
  }
});

test('functions are found by address, whatever the order in the section', () => {
  const bytes = cie('', []);
  for (const [start, size] of [
    [0x5000n, 0x10n],
    [0x3000n, 0x20n],
    [0x4000n, 0n],
    [0x3020n, 0x8n],
  ] as const) {
    bytes.push(...fdeAt(bytes.length, [], start, size));
  }
  const frames = parse(bytes);
  assert.deepEqual([...frames.starts], [0x3000n, 0x3020n, 0x5000n], 'an empty range describes nothing');
  const startOf = (pc: bigint) => frames.find(vaddr(pc))?.start;
  assert.equal(startOf(0x2fffn), undefined);
  assert.equal(startOf(0x301fn), 0x3000n);
  assert.equal(startOf(0x3020n), 0x3020n);
  assert.equal(startOf(0x3028n), undefined);
  assert.equal(startOf(0x500fn), 0x5000n);
  assert.equal(startOf(0x5010n), undefined);
});

test('a terminator ends memory whose size is not known, and only that', () => {
  const head = cie('', []);
  const first = [...head, ...fdeAt(head.length, [], 0x1000n, 1n), ...u32(0)];
  const bytes = [...first, ...fdeAt(first.length, [], 0x2000n, 1n)];
  assert.equal(parse(bytes).length, 2);
  assert.equal(parse([...first, 1, 2, 3, 4, 5, 6, 7], { endsAtTerminator: true }).length, 1);
});

test('64-bit lengths', () => {
  const head = cie('', []);
  const body = [...u32(head.length + 12), ...u64(CODE), ...u64(4n)];
  const frames = parse([...head, ...u32(-1), ...u64(BigInt(body.length)), ...body]);
  assert.deepEqual([...frames.starts], [CODE]);
});

test('.debug_frame counts CIE pointers from its start and knows version 4', () => {
  const head = entry([...u32(-1), 4, ...text(''), 8, 0, 1, 0x78, 16, ...DEF_CFA_SP8, ...RA_AT_CFA8]);
  const frames = parse([...head, ...entry([...u32(0), ...u64(CODE), ...u64(4n)])], { isDebugFrame: true });
  assert.equal(frames.rowAt(vaddr(CODE + 3n))?.row.returnAddress, 16);
  const foreign = entry([...u32(-1), 4, ...text(''), 4, 0, 1, 0x78, 16]);
  assert.equal(
    parse([...foreign, ...entry([...u32(0), ...u64(CODE), ...u64(4n)])], { isDebugFrame: true }).unreadable,
    1,
  );
});

test('a chain of entries that leaves the section is refused', () => {
  assert.throws(() => parse([...cie('', []), ...u32(100), 1, 2, 3]), isBadFormat);
  assert.throws(() => parse([...u32(2), 0, 0]), isBadFormat);
  assert.equal(parse([]).length, 0);
});
