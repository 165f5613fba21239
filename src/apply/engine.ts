/**
 * Patching running processes. For each: plan and place while it runs, then one short stop in which the threads are
 * judged and the entries changed. Whatever goes wrong before that is taken back, and a command that is killed at any
 * instruction leaves all of the old functions or all of the new, and a journal of the rest.
 */
import { SutureError } from '../base/errors.ts';
import { type Progress, silent } from '../base/progress.ts';
import { type Remote, remote } from '../bytes/address.ts';
import type { Patch } from '../patch/patch.ts';
import type { Target } from '../process/target.ts';
import { sha256 } from '../store/catalogue.ts';
import { readProc } from '../sys/procfs.ts';
import { type CheckOutcome, checkProcess } from './check.ts';
import { type PatchCode, patchCodeOf } from './code-names.ts';
import type { ProcessOutcome } from './outcome.ts';
import type { PlanOptions } from './plan.ts';
import type { RevertChoice } from './plan-revert.ts';
import { Snapshot } from './snapshot.ts';
import { type Finding, findingsOf, type PatchedObject, patchedObjects } from './status.ts';
import { DEFAULT_LIMITS, type StopLimits } from './stop.ts';
import { applyTogether } from './together.ts';
import { blank, Work } from './work.ts';

export interface EngineOptions extends Partial<StopLimits> {
  /** Take the place of all active patches of the objects. */
  readonly replace?: boolean;
  /** All processes or none. Not together with `replace`, of which the replaced patches could not be put back. */
  readonly atomic?: boolean;
}

/**
 * Applies patches to processes, one process after the other; patches of one id change in one stop. One outcome for
 * each process and id; an id that does not concern a process is left out if another one does.
 */
export function applyPatches(
  targets: readonly Target[],
  patches: readonly Patch[],
  options: EngineOptions = {},
  progress: Progress = silent,
): ProcessOutcome[] {
  const sets = [...new Set(patches.map(({ manifest }) => manifest.id))].map((id) =>
    patches.filter(({ manifest }) => manifest.id === id),
  );
  const applyTo = (target: Target, i: number): ProcessOutcome[] => {
    progress.step('applying', i, targets.length);
    const outcomes = sets.map((set) => guarded(target, () => workOn(target, options, progress).apply(set)));
    const concerned = outcomes.filter(({ outcome }) => outcome !== 'not-applicable');
    return concerned.length > 0 ? concerned : outcomes.slice(0, 1);
  };
  if (options.atomic !== true) return targets.flatMap(applyTo);
  if (options.replace === true) {
    throw new SutureError('USAGE', 'what a patch replaced cannot be put back when another process fails', {
      remedy: 'choose between all or none (--atomic) and replacing (--replace)',
    });
  }
  const surveyed = targets.map((target) => ({ target, survey: surveyOf(target, sets, options) }));
  const concerned = surveyed.filter(({ survey }) => survey.outcome !== 'not-applicable');
  return [
    ...surveyed.flatMap(({ survey }) => (survey.outcome === 'not-applicable' ? [survey] : [])),
    ...applyTogether(
      concerned.map(({ target, survey }, i) => ({
        objection: survey.outcome === 'refused' ? survey : undefined,
        apply: () => applyTo(target, i),
        takeBack: (ids) => guarded(target, () => takeBack(target, ids, options, progress)),
        untouched: (reason) => ({ ...blank(target), outcome: 'undone', reason }),
      })),
    ),
  ];
}

/** What can be said of a process without touching it: refused, not applicable, or else not yet done. */
function surveyOf(
  target: Target,
  sets: readonly (readonly Patch[])[],
  options: EngineOptions,
): ProcessOutcome {
  const ids = new Set(sets.flatMap((set) => set.map(({ manifest }) => manifest.id)));
  // What a set requires of another one of this command cannot be there yet.
  const isIndependent = (set: readonly Patch[]) =>
    !set.some(({ manifest }) => manifest.requires.some((id) => ids.has(id)));
  const checks = sets.filter(isIndependent).map((set) => checkPatches(target, set, options));
  const refused = target.alive() ? checks.find(({ outcome }) => outcome === 'refused') : undefined;
  const said =
    refused ?? (checks.every(({ outcome }) => outcome === 'not-applicable') ? checks[0] : undefined);
  return {
    ...blank(target),
    outcome: refused !== undefined ? 'refused' : said !== undefined ? 'not-applicable' : 'undone',
    ...(said?.reason === undefined ? {} : { reason: said.reason }),
    ...(said?.remedy === undefined ? {} : { remedy: said.remedy }),
  };
}

/** Takes back the patches of these ids, in any order, in one stop for each process. */
export function revertPatches(
  targets: readonly Target[],
  ids: readonly string[],
  options: EngineOptions = {},
  progress: Progress = silent,
): ProcessOutcome[] {
  return targets.map((target, i) => {
    progress.step('reverting', i, targets.length);
    return guarded(target, () => takeBack(target, ids, options, progress));
  });
}

/** Takes back the patches whose regions start at these addresses, as `statusOf` shows them, in one stop. */
export function revertRegions(
  target: Target,
  starts: ReadonlySet<Remote>,
  what: string,
  options: EngineOptions = {},
  progress: Progress = silent,
): ProcessOutcome {
  return guarded(target, () =>
    workOn(target, options, progress).revert(({ start }) => starts.has(start), what),
  );
}

function takeBack(
  target: Target,
  ids: readonly string[],
  options: EngineOptions,
  progress: Progress,
): ProcessOutcome {
  const chosen: RevertChoice = (region) => ids.includes(region.id);
  return workOn(target, options, progress).revert(chosen, ids.join(', '));
}

/** What applying would do to a process, and what forbids it. Nothing is stopped or changed. */
export function checkPatches(
  target: Target,
  patches: readonly Patch[],
  options: EngineOptions = {},
): CheckOutcome {
  return checkProcess(new Snapshot(target), target.exe, patches, planOptions(options));
}

/** The patched objects of a process, read without stopping it. */
export function statusOf(target: Target): PatchedObject[] {
  return patchedObjects(new Snapshot(target));
}

/** The code that patches brought into the process, with names, read without stopping it. */
export function patchCode(target: Target): PatchCode[] {
  return patchCodeOf(new Snapshot(target));
}

/** Compares what is mapped with what should be, without stopping the process. */
export function verifyProcess(target: Target): Finding[] {
  return findingsOf(new Snapshot(target), sha256);
}

/** Finishes or undoes what killed commands left in a process. `notes` say what was done. */
export function repairProcess(
  target: Target,
  options: EngineOptions = {},
  progress: Progress = silent,
): ProcessOutcome {
  return guarded(target, () => workOn(target, options, progress).repair());
}

function planOptions(options: EngineOptions): PlanOptions {
  return { replace: options.replace ?? false, lowestAddress: lowestAddress(), sha256 };
}

let lowest: Remote | undefined;

/** vm.mmap_min_addr, or its usual value. */
function lowestAddress(): Remote {
  lowest ??= remote(BigInt(Number.parseInt(readProc('sys/vm/mmap_min_addr') ?? '', 10) || 65536));
  return lowest;
}

/** Turns refusals into outcomes; defects pass. */
function guarded(target: Target, work: () => ProcessOutcome): ProcessOutcome {
  try {
    const outcome = work();
    // What cannot be found in a process that has gone meanwhile may have been there.
    if (outcome.outcome === 'not-applicable' && isEnding(target)) throw target.gone();
    return outcome;
  } catch (error) {
    if (!(error instanceof SutureError) || error.code === 'INTERNAL') throw error;
    const { message, code, context, remedy } = explained(error, target);
    return {
      ...blank(target),
      outcome: outcomeOf(code),
      reason: [`${message} [${code}]`, ...context.map((doing) => `while ${doing}`)].join(', '),
      ...(remedy === undefined ? {} : { remedy }),
    };
  }
}

/** Whatever was found wrong with a process that has gone meanwhile, that it is gone is the reason. */
function explained(error: SutureError, target: Target): SutureError {
  if (error.code === 'PROCESS_GONE' || !isEnding(target)) return error;
  const gone = target.gone();
  gone.context.push(...error.context);
  return gone;
}

function outcomeOf(code: SutureError['code']): ProcessOutcome['outcome'] {
  if (code === 'PROCESS_GONE' || code === 'NO_PROCESS') return 'gone';
  if (code === 'BUSY') return 'busy';
  if (code === 'IO' || code === 'SYSCALL') return 'failed';
  return 'refused';
}

/** A process that is exiting has lost its memory before the kernel calls it dead. */
function isEnding(target: Target): boolean {
  if (!target.alive()) return true;
  try {
    target.maps();
    return false;
  } catch (error) {
    if (error instanceof SutureError && error.code === 'PROCESS_GONE') return true;
    throw error;
  }
}

const workOn = (target: Target, options: EngineOptions, progress: Progress): Work =>
  new Work(
    target,
    planOptions(options),
    {
      maxStopMs: options.maxStopMs ?? DEFAULT_LIMITS.maxStopMs,
      timeoutMs: options.timeoutMs ?? DEFAULT_LIMITS.timeoutMs,
      ...(options.stacks === undefined ? {} : { stacks: options.stacks }),
    },
    progress,
  );
