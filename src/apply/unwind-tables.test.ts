import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TargetCall } from '../arch/arch.ts';
import { SutureError } from '../base/errors.ts';
import { loadBias, type Remote, remote, vaddr } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import { HEADER_SIZE, MAGIC, PatchHeader } from '../patch/layout.ts';
import { encodeState, STATE_OFFSET } from './state-block.ts';
import { UnwindTables } from './unwind-tables.ts';
import { OBJECT_OFFSET, Registration, registrationState } from './unwinder.ts';
import type { ObjectView } from './view.ts';

const REGION = remote(0x10000n);
const SIZE = 0x3000;
const TABLE = 0x1100;
const UNWINDERS = 0x2000;
const REGISTER = remote(0x7000_1000n);
const DEREGISTER = remote(0x7000_2000n);

/** A region with a table and room for two registrations, and an unwinder that behaves like libgcc's. */
class Process {
  readonly memory = new Uint8Array(SIZE);
  readonly registered: bigint[] = [];
  readonly calls: Remote[] = [];
  fails: SutureError | undefined;
  takesTables = true;
  isLoaded = true;

  constructor() {
    this.memory.set(PatchHeader.make({ magic: MAGIC }), 0);
    assert.ok(HEADER_SIZE <= STATE_OFFSET);
    const sizes = { codeSize: 0x1000, constantsSize: 0x1000, dataSize: 0x1000 };
    const nothing = { textOffset: 0, textSize: 0, stubsOffset: 0, stubsSize: 0, manifestOffset: 0 };
    this.memory.set(
      encodeState({
        ...sizes,
        ...nothing,
        phase: 'placed',
        sequence: 1n,
        transaction: 1n,
        objectBias: loadBias(0n),
        manifestSize: 0,
        functionsOffset: 0,
        functionCount: 0,
        ehFrameOffset: TABLE,
        ehFrameSize: 0x40,
        gotOffset: 0,
        gotSize: 0,
        unwindersOffset: UNWINDERS,
        exceptTableOffset: 0,
        exceptTableSize: 0,
        patchDigest: new Uint8Array(32),
        contentDigest: new Uint8Array(32),
      }),
      STATE_OFFSET,
    );
  }

  readonly tables = new UnwindTables(
    {
      read: (at, size) => this.memory.slice(Number(at - REGION), Number(at - REGION) + size),
      write: (at, bytes) => this.memory.set(bytes, Number(at - REGION)),
      call: () => assert.fail('the unwinder must be called through a thread that holds no lock'),
    },
    {
      objects: () => (this.isLoaded ? [libgcc] : []),
      call: (calls) => calls.map((call) => this.#call(call)),
    },
  );

  #call(call: TargetCall): bigint {
    assert.ok(call.kind === 'function');
    this.calls.push(call.address);
    if (this.fails !== undefined) throw this.fails;
    const [table, object] = call.args as readonly [bigint, bigint];
    if (call.address === REGISTER) {
      if (!this.takesTables) return 0n;
      this.registered.push(table);
      viewOf(this.memory).setBigUint64(Number(object - REGION), 0xffff_ffff_ffff_ffffn, true);
    } else {
      const index = this.registered.indexOf(table);
      assert.ok(index >= 0, 'libgcc aborts when it is asked for a table that it does not have');
      this.registered.splice(index, 1);
    }
    return 0n;
  }

  handOver(): void {
    const layout = { ehFrameOffset: TABLE, unwindersOffset: UNWINDERS };
    this.tables.handOver(REGION, layout, [{ register: REGISTER, deregister: DEREGISTER }]);
  }

  registration(): ReturnType<typeof registrationState> {
    return registrationState(this.memory.subarray(UNWINDERS, UNWINDERS + Registration.size));
  }
}

const symbol = (name: string, value: bigint) => ({
  name,
  value: vaddr(value),
  size: 9,
  type: 2,
  bind: 1,
  shndx: 7,
});
const symbols = [symbol('__register_frame_info', REGISTER), symbol('__deregister_frame_info', DEREGISTER)];
const libgcc: ObjectView = {
  path: '/lib/libgcc_s.so.1',
  buildId: undefined,
  bias: loadBias(0n),
  start: remote(0x7000_0000n),
  end: remote(0x7001_0000n),
  image: {
    segments: [],
    dynamicSymbols: { named: (name) => symbols.filter((each) => each.name === name) },
    dynamic: () => new Map(),
    needed: () => [],
    soname: () => 'libgcc_s.so.1',
    dynamicRelocations: () => [],
  },
  isVdso: false,
  isExecutable: false,
};

describe('unwind tables', () => {
  test('are registered once and taken back once', () => {
    const process = new Process();
    process.handOver();
    assert.deepEqual(process.registered, [REGION + BigInt(TABLE)]);
    assert.equal(process.registration().kind, 'registered');
    assert.equal(process.tables.takeBack(REGION, SIZE), 'done');
    assert.deepEqual(process.registered, []);
    assert.equal(process.tables.takeBack(REGION, SIZE), 'done');
    assert.deepEqual(process.calls, [REGISTER, DEREGISTER]);
  });

  test('that were never registered are not taken back', () => {
    const process = new Process();
    process.fails = new SutureError('BUSY', 'all threads are in malloc');
    assert.throws(() => process.handOver(), { code: 'BUSY' });
    process.fails = undefined;
    assert.equal(process.tables.takeBack(REGION, SIZE), 'done');
    assert.deepEqual(process.calls, [REGISTER]);
  });

  test('stay known when nobody can take them back now', () => {
    const process = new Process();
    process.handOver();
    process.fails = new SutureError('BUSY', 'all threads are in malloc');
    assert.throws(() => process.tables.takeBack(REGION, SIZE), { code: 'BUSY' });
    process.fails = undefined;
    assert.equal(process.tables.takeBack(REGION, SIZE), 'done');
    assert.deepEqual(process.registered, []);
  });

  test('whose taking back was cut off are left alone for good', () => {
    const process = new Process();
    process.handOver();
    process.fails = new SutureError('PROCESS_GONE', 'the command was cut off here');
    assert.throws(() => process.tables.takeBack(REGION, SIZE), { code: 'PROCESS_GONE' });
    process.fails = undefined;
    assert.equal(process.tables.takeBack(REGION, SIZE), 'unknown');
    assert.equal(process.registered.length, 1);
  });

  test('that the unwinder ignores are refused', () => {
    const process = new Process();
    process.takesTables = false;
    assert.throws(() => process.handOver(), { code: 'UNSUPPORTED' });
    assert.equal(process.tables.takeBack(REGION, SIZE), 'done');
  });

  test('of an unwinder that was unloaded are gone with it', () => {
    const process = new Process();
    process.handOver();
    process.isLoaded = false;
    assert.equal(process.tables.takeBack(REGION, SIZE), 'done');
    assert.deepEqual(process.calls, [REGISTER]);
  });

  test('have room for what libgcc keeps of a table', () =>
    assert.ok(Registration.size - OBJECT_OFFSET >= 64));
});
