/**
 * gdb as the holder of a process: it stops it at random moments, and tells of each thread the registers and the frames
 * that it finds. While it holds the process, its memory can be read by anybody else: both unwinders see the same moment.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface RivalThread {
  readonly tid: number;
  /** By DWARF number; 16 is the pc. */
  readonly registers: readonly bigint[];
  /** pc of every frame, the innermost first. */
  readonly pcs: readonly bigint[];
  /** gdb's words for why it ended. */
  readonly end: string;
}

export interface Moment {
  readonly pid: number;
  readonly threads: readonly RivalThread[];
}

/** More frames than these are not asked for: gdb walks a million of a runaway recursion. */
export const MOST_FRAMES = 400;

const script = (stops: number): string => `
set confirm off
set pagination off
set debuginfod enabled off
set auto-solib-add on
set backtrace past-main on
set backtrace past-entry on
handle all nostop noprint pass
handle SIGINT stop print nopass
python
import sys
NAMES = ["rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp"] + ["r%d" % n for n in range(8, 16)] + ["rip"]
MASK = (1 << 64) - 1
def tell(words):
  print("@ " + words, flush=True)
def walk(thread):
  thread.switch()
  frame = gdb.newest_frame()
  values = " ".join("%x" % (int(frame.read_register(name)) & MASK) for name in NAMES)
  pcs = []
  reason = "more"
  while frame is not None and len(pcs) < ${MOST_FRAMES}:
    if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
      pcs.append("%x" % (frame.pc() & MASK))
    reason = gdb.frame_stop_reason_string(frame.unwind_stop_reason())
    try:
      frame = frame.older()
    except gdb.error as error:
      reason = str(error)
      frame = None
  tell("thread %d|%s|%s|%s" % (thread.ptid[1], values, " ".join(pcs), reason.replace("|", " ").replace("\\n", " ")))
for stop in range(${stops}):
  tell("go")
  try:
    gdb.execute("continue", to_string=True)
  except gdb.error:
    break
  if gdb.selected_inferior().pid == 0:
    break
  for thread in gdb.selected_inferior().threads():
    try:
      walk(thread)
    except gdb.error as error:
      tell("skip " + str(error))
  tell("moment")
  if not sys.stdin.readline():
    break
tell("done")
end
kill
`;

/**
 * Starts a program under gdb's hand and gives each stop to `look`, at most `stops` of them; the program is ended.
 * @throws Error if gdb shows nothing for a minute
 */
export async function sampleUnderGdb(
  command: readonly string[],
  options: {
    readonly cwd: string;
    readonly stops: number;
    readonly seed: number;
    readonly settleMs?: number;
  },
  look: (moment: Moment) => void,
): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'suture-gdb-'));
  const target = spawn(command[0]!, command.slice(1), {
    cwd: options.cwd,
    stdio: ['pipe', 'ignore', 'ignore'],
    env: { ...process.env, LC_ALL: 'C' },
  });
  let gdb: ChildProcess | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      target.once('error', reject);
      setTimeout(resolve, options.settleMs ?? 300);
    });
    writeFileSync(join(folder, 'script'), script(options.stops));
    const args = ['-nx', '-q', '-batch', '-p', String(target.pid), '-x', join(folder, 'script')];
    gdb = spawn('gdb', args, { stdio: ['pipe', 'pipe', 'ignore'] });
    return await conversation(gdb, target.pid!, randomFrom(options.seed), look);
  } finally {
    gdb?.kill('SIGKILL');
    target.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}

const SILENCE_MS = 60_000;
/** The program runs so long between two stops. */
const LEAST_RUN_MS = 2;
const MORE_RUN_MS = 20;

/** gdb takes the signal for a wish to stop, and the program never gets it. */
function interrupt(pid: number): void {
  try {
    process.kill(pid, 'SIGINT');
  } catch {
    // It has ended: gdb says so too.
  }
}

/** Numbers of [0, 1) that a seed determines (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function conversation(
  gdb: ChildProcess,
  pid: number,
  random: () => number,
  look: (moment: Moment) => void,
): Promise<number> {
  let threads: RivalThread[] = [];
  let moments = 0;
  const silence = setTimeout(() => gdb.kill('SIGKILL'), SILENCE_MS);
  for await (const line of createInterface({ input: gdb.stdout! })) {
    silence.refresh();
    if (line === '@ go') setTimeout(() => interrupt(pid), LEAST_RUN_MS + random() * MORE_RUN_MS);
    if (line.startsWith('@ thread ')) threads.push(threadIn(line.slice('@ thread '.length)));
    if (line === '@ moment') {
      look({ pid, threads });
      moments++;
      threads = [];
      gdb.stdin!.write('\n');
    }
    if (line === '@ done') break;
  }
  clearTimeout(silence);
  return moments;
}

function threadIn(text: string): RivalThread {
  const [tid, registers, pcs, end] = text.split('|') as [string, string, string, string];
  const words = (list: string) =>
    list.split(' ').flatMap((digits) => (digits === '' ? [] : [BigInt(`0x${digits}`)]));
  return { tid: Number(tid), registers: words(registers), pcs: words(pcs), end };
}
