/** A program compiled for a test, its threads stopped and walked. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { x86_64 } from '../../../src/arch/x86_64/index.ts';
import { type Remote, remote } from '../../../src/bytes/address.ts';
import { framesOfObject } from '../../../src/dwarf/find-frames.ts';
import { ElfImage } from '../../../src/elf/image.ts';
import { MemoryImage } from '../../../src/elf/memory-image.ts';
import { cont, detach, getRegset, interrupt, NT_PRSTATUS, seize } from '../../../src/sys/ptrace.ts';
import { __WALL, waitFor } from '../../../src/sys/wait.ts';
import { registersFromPrstatus, type UnwindModule } from '../../../src/unwind/frame.ts';
import { type Walk, walk } from '../../../src/unwind/walk.ts';

/** Runs a C program, waits for the line "ready" on its output, hands it over and ends it in any case. */
export async function withProgram(
  source: string,
  flags: readonly string[],
  work: (pid: number) => void | Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'suture-walk-'));
  let child: ChildProcess | undefined;
  try {
    const input = join(folder, 'input.c');
    const program = join(folder, 'program');
    writeFileSync(input, source);
    const compiled = spawnSync('gcc', [...flags, input, '-o', program, '-pthread'], { encoding: 'utf8' });
    if (compiled.status !== 0) throw new Error(`gcc: ${compiled.error ?? compiled.stderr}`);
    const running = spawn(program, { stdio: ['ignore', 'pipe', 'inherit'] });
    child = running;
    await new Promise<void>((resolve, reject) => {
      running.once('error', reject);
      running.once('exit', (code, signal) => reject(new Error(`the program ended: ${code ?? signal}`)));
      running.stdout.on('data', (text: Uint8Array) => {
        if (String(text).includes('ready')) resolve();
      });
    });
    await work(running.pid!);
  } finally {
    child?.removeAllListeners('exit');
    child?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}

const isFile = (name: string): boolean => name.startsWith('/');

export const threadsOf = (pid: number): number[] => readdirSync(`/proc/${pid}/task`).map(Number);

/** Memory and objects of a process, found through its ELF headers in memory alone. */
export class Observed {
  readonly #fd: number;
  readonly modules: { module: UnwindModule; image: MemoryImage; code: { start: bigint; end: bigint }[] }[] =
    [];

  constructor(readonly pid: number) {
    this.#fd = openSync(`/proc/${pid}/mem`, 'r');
    let current: (typeof this.modules)[number] | undefined;
    for (const line of readFileSync(`/proc/${pid}/maps`, 'latin1').split('\n')) {
      const found = /^(\w+)-(\w+) (....) (\w+) \S+ \d+ *(.*)$/.exec(line);
      if (!found || found[5] === '' || /^\[(?!vdso)/.test(found[5]!)) continue;
      const [start, end, offset] = [found[1], found[2], found[4]].map((digits) => BigInt(`0x${digits}`)) as [
        bigint,
        bigint,
        bigint,
      ];
      if (offset === 0n && found[3]!.startsWith('r')) {
        const image = MemoryImage.fromMemory((at, size) => this.read(at, size), remote(start), found[5]!);
        const module = {
          name: image.name,
          bias: image.bias,
          start: image.start,
          end: image.end,
          frames: framesOfObject(
            image,
            isFile(image.name) ? ElfImage.parse(readFileSync(image.name)) : undefined,
          ),
        };
        current = { module, image, code: [] };
        this.modules.push(current);
      }
      if (found[3]![2] === 'x') current?.code.push({ start, end });
    }
  }

  read(at: Remote, size: number): Uint8Array | undefined {
    if (at > 0x7fff_ffff_ffffn) return undefined;
    const bytes = new Uint8Array(size);
    try {
      return readSync(this.#fd, bytes, 0, size, Number(at)) === size ? bytes : undefined;
    } catch {
      return undefined;
    }
  }

  moduleAt(pc: Remote): UnwindModule | undefined {
    return this.modules.find(({ code }) => code.some(({ start, end }) => pc >= start && pc < end))?.module;
  }

  /** Stops a thread, walks its stack and lets it go on. */
  walkThread(tid: number): Walk {
    seize(tid, 0);
    interrupt(tid);
    for (;;) {
      const status = waitFor(tid, __WALL);
      if (status.kind !== 'stopped') throw new Error(`thread ${tid}: ${status.kind}`);
      if (status.event !== 0) break;
      cont(tid, status.signal);
    }
    try {
      return walk({
        arch: x86_64,
        registers: registersFromPrstatus(x86_64, getRegset(tid, NT_PRSTATUS)),
        readMemory: (at, size) => this.read(at, size),
        moduleAt: (pc) => this.moduleAt(pc),
      });
    } finally {
      detach(tid);
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}
