import type { Arch } from '../arch/arch.ts';
import { SutureError } from '../base/errors.ts';
import { hex, type Remote, remote, toRemote, toVaddr } from '../bytes/address.ts';
import type { Frame, RegisterFile, UnwindModule, WalkEnd } from './frame.ts';
import { type ReadMemory, type StepResult, stepByRow, stepFromLeaf, stepOverSignalFrame } from './step.ts';

export interface WalkInput {
  readonly arch: Arch;
  /** Of the stopped thread. They are not changed. */
  readonly registers: RegisterFile;
  readonly readMemory: ReadMemory;
  /** The object (or patch region) whose code contains an address. */
  moduleAt(pc: Remote): UnwindModule | undefined;
  /** Frames after which the walk gives up. */
  readonly maxFrames?: number;
}

export interface Walk {
  /** Innermost first. A frame in which the walk got lost is the last one. */
  readonly frames: readonly Frame[];
  readonly end: WalkEnd;
}

const MOST_FRAMES = 10_000;
/** Enough for the longest call instruction and the longest signal trampoline of any CPU. */
const CODE_WINDOW = 16;

/**
 * Walks a stopped thread's stack to its bottom by call frame information alone. It never guesses: where the
 * information ends or contradicts itself, the walk is `lost`, and whoever must be sure scans the words from there on
 * (scan.ts).
 *
 * The bottom is a frame whose return address is declared undefined (_start, clone's child) or is 0.
 */
export function walk(input: WalkInput): Walk {
  const { arch } = input;
  const frames: Frame[] = [];
  let registers = input.registers;
  // The innermost pc, and one that a signal interrupted, is an instruction to be executed; a return address is behind
  // a call, which may be the last instruction of its function.
  let isExact = true;
  for (;;) {
    const sp = registers.get(arch.registers.dwarfSp);
    if (sp === undefined) {
      const last = frames.at(-1);
      return { frames, end: lostAt(last?.cfa ?? remote(0n), registers.pc, 'the stack pointer is not known') };
    }
    if (frames.length >= (input.maxFrames ?? MOST_FRAMES)) {
      return { frames, end: lostAt(sp, registers.pc, `the stack is deeper than ${frames.length} frames`) };
    }
    const { frame, result } = stepUp(input, registers, isExact, frames.length === 0);
    const cfa = result.kind === 'lost' ? remote(sp) : result.cfa;
    frames.push({ ...frame, cfa });
    if (result.kind === 'lost') return { frames, end: lostAt(sp, registers.pc, result.reason) };
    if (result.kind === 'bottom') return { frames, end: { kind: 'bottom' } };
    // A handler may run on a stack of its own; every other caller is above. Equal only where a call pushes nothing.
    const grows = cfa > sp || (cfa === sp && isExact && arch.unwind.leafFrame.cfaOffset === 0);
    if (frame.kind !== 'signal' && !grows) {
      return {
        frames,
        end: lostAt(sp, registers.pc, `its frame at ${hex(cfa)} is not above its stack pointer`),
      };
    }
    registers = result.registers;
    isExact = frame.kind === 'signal';
  }
}

const lostAt = (at: bigint, pc: Remote, reason: string): WalkEnd => ({
  kind: 'lost',
  at: remote(at),
  pc,
  reason,
});

interface Step {
  readonly frame: Omit<Frame, 'cfa'>;
  readonly result: StepResult;
}

function stepUp(input: WalkInput, registers: RegisterFile, isExact: boolean, isInnermost: boolean): Step {
  const { arch, readMemory } = input;
  const { authenticationMask } = input.registers;
  const { pc } = registers;
  const lookupPc = isExact ? pc : remote(pc - 1n);
  const module = input.moduleAt(lookupPc);
  const step = (result: StepResult, kind: Frame['kind'] = 'normal'): Step => ({
    frame: module === undefined ? { pc, lookupPc, kind } : { pc, lookupPc, kind, module },
    result,
  });
  try {
    const found = module?.frames?.rowAt(toVaddr(lookupPc, module.bias));
    // A return address just behind its function: a call that does not return, or a trampoline that a libc without
    // call frame information has there.
    const isBehindFunction = found !== undefined && pc >= toRemote(found.fde.end, module!.bias);
    // The kernel's layout of its frame is exact; what arm64 kernels before 5.8 say of their trampoline is not.
    if (found === undefined || isBehindFunction || found.row.isSignalFrame) {
      const code = readMemory(pc, CODE_WINDOW);
      if (code !== undefined && arch.unwind.isSignalTrampoline(code)) {
        return step(stepOverSignalFrame(arch, registers, readMemory), 'signal');
      }
    }
    if (found !== undefined) {
      const { row } = found;
      const kind = row.isSignalFrame ? 'signal' : 'normal';
      return step(stepByRow(arch, row, registers, readMemory, module!.bias, authenticationMask), kind);
    }
  } catch (error) {
    // Damaged call frame information of the target is one more way to get lost, not a failure of the walk.
    if (!(error instanceof SutureError)) throw error;
    return step({ kind: 'lost', reason: error.message });
  }
  const clone = isInnermost && module !== undefined ? standingAtClone(input, registers) : undefined;
  if (clone === 'child')
    return step({ kind: 'bottom', cfa: remote(registers.get(arch.registers.dwarfSp) ?? 0n) });
  if (clone === 'caller' || (isInnermost && module?.isLinkerMade?.(pc) === true)) {
    const result = stepFromLeaf(arch, registers, readMemory);
    if (result.kind === 'caller' && isBehindCall(input, result.registers.pc)) return step(result);
  }
  const where =
    module === undefined ? 'in no known object' : `in ${module.name} without call frame information`;
  return step({ kind: 'lost', reason: `${hex(pc)} is ${where}` });
}

function standingAtClone(input: WalkInput, registers: RegisterFile): 'caller' | 'child' | undefined {
  const { afterClone } = input.arch.unwind;
  const code = afterClone === undefined ? undefined : input.readMemory(registers.pc, CODE_WINDOW);
  return code === undefined ? undefined : afterClone?.(code, (number) => registers.get(number));
}

/** Whether `pc` can be a return address: in a known object, behind a call. */
function isBehindCall(input: WalkInput, pc: Remote): boolean {
  if (input.moduleAt(remote(pc - 1n)) === undefined) return false;
  const code = input.readMemory(remote(pc - BigInt(CODE_WINDOW)), CODE_WINDOW);
  return code !== undefined && input.arch.unwind.endsWithCall(code);
}
