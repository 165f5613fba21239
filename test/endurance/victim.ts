/** The programs of which commands are killed: they check themselves, and say which version of the functions they see. */
import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Program, patchOf, type Workshop } from '../apply/fixture.ts';

export type Version = 'old' | 'new';

/** Where the functions are that one patch set changes: in one page, in several, or in two objects. */
export type Place = 'page' | 'pages' | 'objects';

export interface Cast {
  readonly place: Place;
  /** A timer signal each millisecond. */
  readonly storm: boolean;
  /** One for each thread, see victim.c. */
  readonly states: readonly string[];
}

export interface Holding {
  /** Bytes. */
  readonly mapped: number;
  readonly descriptors: number;
}

// victim.c
const HEADER = 16;
const SLOT = 32;
const SIZE = 16384;
const VERSIONS = ['old', 'new', 'mixed', 'neither'];
/** All threads have looked by then, also on a busy machine; an emulated one is many times slower. */
const PATIENCE_MS = 30_000 * Number(process.env.SUTURE_SLOWNESS ?? 1);

const BODIES = { f: 'x + 10', g: 'x + 20', h: 'x + 30' };
const fixed = (names: readonly (keyof typeof BODIES)[]): string =>
  names.map((name) => `int ${name}(int x) { return ${BODIES[name]}; }`).join('\n');

export class Victim {
  readonly name: string;
  readonly program: Program;
  readonly patchFiles: readonly string[];
  readonly #descriptor: number;
  #epoch = 0;

  constructor(
    shop: Workshop,
    readonly cast: Cast,
    index: number,
    made = buildVictim(shop, cast.place),
  ) {
    const { place, storm, states } = cast;
    this.name = `${states.length} threads (${[...new Set(states)].join(' ')}), functions in ${place}${storm ? ', timer storm' : ''}`;
    const { program, patchFiles } = made;
    this.patchFiles = patchFiles;
    const shared = join(shop.directory, `shared-${index}`);
    writeFileSync(shared, new Uint8Array(SIZE));
    this.#descriptor = openSync(shared, 'r+');
    this.program = shop.start(program, [shared, storm ? '1' : '0', ...states]);
  }

  get pid(): number {
    return this.program.pid;
  }

  /** Lets the threads work, or rest while another victim's turn is. */
  rest(isResting: boolean): void {
    writeSync(this.#descriptor, Uint32Array.of(isResting ? 0 : 1), 0, 4, 4);
  }

  /** From here on until the next call one command at most changes the functions. */
  beginEpoch(): void {
    writeSync(this.#descriptor, Uint32Array.of(++this.#epoch), 0, 4, 0);
  }

  /** What every thread sees now, which must be the same; nobody may have seen anything wrong so far. */
  async version(): Promise<Version> {
    this.beginEpoch();
    const end = Date.now() + PATIENCE_MS;
    const ticks = this.#read().getUint32(8, true);
    for (;;) {
      assert.equal(this.program.child.exitCode ?? this.program.child.signalCode, null, 'the program lives');
      const view = this.#read();
      const seen = new Set<string>();
      const waiting: string[] = [];
      this.cast.states.forEach((state, i) => {
        const at = HEADER + i * SLOT;
        assert.equal(view.getBigUint64(at + 8, true), 0n, `thread ${i} (${state}) saw something wrong`);
        if (this.cast.place !== 'objects')
          assert.equal(
            view.getBigUint64(at + 16, true),
            0n,
            `thread ${i} (${state}) saw a mixture in passing`,
          );
        if (view.getUint32(at + 24, true) !== this.#epoch) waiting.push(`${i} (${state})`);
        else seen.add(VERSIONS[view.getUint32(at + 28, true)] ?? 'nonsense');
      });
      const storms = !this.cast.storm || view.getUint32(8, true) !== ticks;
      if (waiting.length === 0 && storms) {
        assert.equal(seen.size, 1, `the threads saw ${[...seen].join(' and ')}`);
        const [version] = seen;
        assert.ok(version === 'old' || version === 'new', `the threads saw ${version}`);
        return version;
      }
      assert.ok(Date.now() < end, `no progress: ${waiting.join(', ')}${storms ? '' : ', no timer signals'}`);
      await pause(1);
    }
  }

  /** Mixtures that threads saw in passing, which only `objects` may have. */
  mixturesInPassing(): number {
    const view = this.#read();
    return this.cast.states.reduce(
      (sum, _, i) => sum + Number(view.getBigUint64(HEADER + i * SLOT + 16, true)),
      0,
    );
  }

  holding(): Holding {
    const maps = readFileSync(`/proc/${this.pid}/maps`, 'utf8').trim().split('\n');
    const mapped = maps
      .map((line) => line.split(' ')[0]!.split('-'))
      .reduce((sum, [start, end]) => sum + Number(BigInt(`0x${end}`) - BigInt(`0x${start}`)), 0);
    return { mapped, descriptors: readdirSync(`/proc/${this.pid}/fd`).length };
  }

  /** Nobody traces or holds a thread. */
  expectFree(): void {
    for (const tid of readdirSync(`/proc/${this.pid}/task`)) {
      const status = readFileSync(`/proc/${this.pid}/task/${tid}/status`, 'utf8');
      assert.match(status, /^TracerPid:\s+0$/m, `thread ${tid} is traced`);
      assert.doesNotMatch(status, /^State:\s+[tT]/m, `thread ${tid} is stopped`);
    }
  }

  close(): void {
    closeSync(this.#descriptor);
    this.program.child.kill('SIGKILL');
  }

  #read(): DataView {
    const view = new DataView(new ArrayBuffer(HEADER + this.cast.states.length * SLOT));
    readSync(this.#descriptor, view, 0, view.byteLength, 0);
    return view;
  }
}

/** A program and the patches that change its functions. */
export interface MadeVictim {
  readonly program: string;
  readonly patchFiles: readonly string[];
}

export function buildVictim(shop: Workshop, place: Place): MadeVictim {
  const source = readFileSync(new URL('victim.c', import.meta.url), 'utf8');
  const aligned = place === 'pages' ? ',aligned(4096)' : '';
  const flags = ['-O1', '-pthread', `-DFUNCTION=__attribute__((noipa${aligned}))`];
  const name = `victim-${place}`;
  if (place !== 'objects') {
    const program = shop.compile(name, source, flags);
    const object = shop.compileObject(`${name}-fix`, fixed(['f', 'g', 'h']));
    return {
      program,
      patchFiles: [
        written(shop, name, patchOf({ id: 'killed', base: program, object, changed: ['f', 'g', 'h'] })),
      ],
    };
  }
  const library = shop.compile(
    'libvictim.so',
    'static volatile int last; int h(int x) { last = x; return x + 3; }',
    ['-shared', '-fPIC'],
  );
  const program = shop.compile(name, source, [
    ...flags,
    '-DELSEWHERE',
    library,
    `-Wl,-rpath,${shop.directory}`,
  ]);
  const inProgram = shop.compileObject(`${name}-fix`, fixed(['f', 'g']));
  const inLibrary = shop.compileObject(`${name}-fix-library`, fixed(['h']));
  return {
    program,
    patchFiles: [
      written(shop, name, patchOf({ id: 'killed', base: program, object: inProgram, changed: ['f', 'g'] })),
      written(
        shop,
        `${name}-library`,
        patchOf({ id: 'killed', base: library, object: inLibrary, changed: ['h'] }),
      ),
    ],
  };
}

function written(shop: Workshop, name: string, patch: ReturnType<typeof patchOf>): string {
  const file = join(shop.directory, `${name}.kpatch`);
  writeFileSync(file, patch.bytes);
  return file;
}
