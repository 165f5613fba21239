/**
 * Patching running processes. For each: plan and place while it runs, then one short stop in which the threads are
 * judged and the entries changed. Whatever goes wrong before that is taken back, and a command that is killed at any
 * instruction leaves all of the old functions or all of the new, and a journal of the rest.
 */
import { createHash } from 'node:crypto';
import { SutureError } from '../base/errors.ts';
import { type Progress, silent } from '../base/progress.ts';
import { UndoList } from '../base/undo.ts';
import { hex, plus, type Remote, remote } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import { MAGIC } from '../patch/layout.ts';
import type { Patch } from '../patch/patch.ts';
import { remoteCall } from '../process/remote-call.ts';
import type { Target } from '../process/target.ts';
import { Journal } from '../store/state.ts';
import { readProc } from '../sys/procfs.ts';
import { commitChanges, prepareChanges, rehearseCommit, type TargetAccess } from './change.ts';
import { type CheckOutcome, checkProcess } from './check.ts';
import { sameBytes } from './commit.ts';
import type { OutcomeObject, ProcessOutcome } from './outcome.ts';
import { type ApplyPlan, type ObjectPlan, type PlanOptions, type PlanResult, planApply } from './plan.ts';
import { planRevert, type RevertChoice, type RevertPlan } from './plan-revert.ts';
import { findReference } from './references.ts';
import { type Region, readRegions } from './region.ts';
import { mapRegion, regionParts, unmap } from './remote-memory.ts';
import { abandonedRanges, settlement } from './settle.ts';
import { Snapshot } from './snapshot.ts';
import { standings } from './stack.ts';
import { PHASE, PHASE_OFFSET, type Phase } from './state-block.ts';
import { type Finding, findingsOf, type PatchedObject, patchedObjects } from './status.ts';
import {
  DEFAULT_LIMITS,
  observerOf,
  rehearse,
  type StopLimits,
  type StopResult,
  stopUntilSafe,
} from './stop.ts';

export interface EngineOptions extends Partial<StopLimits> {
  /** Take the place of all active patches of the objects. */
  readonly replace?: boolean;
}

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();

/** Plans are made again this often when something has come to lie in the chosen place. */
const PLACE_ATTEMPTS = 8;

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
  return targets.flatMap((target, i) => {
    progress.step('applying', i, targets.length);
    const outcomes = sets.map((set) => guarded(target, () => new Work(target, options, progress).apply(set)));
    const concerned = outcomes.filter(({ outcome }) => outcome !== 'not-applicable');
    return concerned.length > 0 ? concerned : outcomes.slice(0, 1);
  });
}

/** Takes back the patches of these ids, in any order, in one stop for each process. */
export function revertPatches(
  targets: readonly Target[],
  ids: readonly string[],
  options: EngineOptions = {},
  progress: Progress = silent,
): ProcessOutcome[] {
  const chosen: RevertChoice = (region) => ids.includes(region.id);
  return targets.map((target, i) => {
    progress.step('reverting', i, targets.length);
    return guarded(target, () => new Work(target, options, progress).revert(chosen, ids.join(', ')));
  });
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
  return guarded(target, () => new Work(target, options, progress).repair());
}

function planOptions(options: EngineOptions): PlanOptions {
  return { replace: options.replace ?? false, lowestAddress: lowestAddress(), sha256 };
}

/** vm.mmap_min_addr, or its usual value. */
const lowestAddress = (): Remote =>
  remote(BigInt(Number.parseInt(readProc('sys/vm/mmap_min_addr') ?? '', 10) || 65536));

/** Turns refusals into outcomes; defects pass. */
function guarded(target: Target, work: () => ProcessOutcome): ProcessOutcome {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof SutureError) || error.code === 'INTERNAL') throw error;
    const reason = [
      `${error.message} [${error.code}]`,
      ...error.context.map((doing) => `while ${doing}`),
    ].join(', ');
    return {
      ...blank(target),
      outcome: outcomeOf(error, target),
      reason,
      ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
    };
  }
}

function outcomeOf(error: SutureError, target: Target): ProcessOutcome['outcome'] {
  if (error.code === 'PROCESS_GONE' || error.code === 'NO_PROCESS' || !target.alive()) return 'gone';
  if (error.code === 'BUSY') return 'busy';
  if (error.code === 'IO' || error.code === 'SYSCALL') return 'failed';
  return 'refused';
}

const blank = ({ pid, exe }: Target) => ({ pid, exe, objects: [], stopMicroseconds: 0, attempts: 0 });

/** One command on one process. */
class Work {
  readonly #target: Target;
  readonly #options: EngineOptions;
  readonly #progress: Progress;
  readonly #limits: StopLimits;
  readonly #access: TargetAccess;
  readonly #notes: string[] = [];
  /** Of every thread, when the target was last changed. */
  #stackPointers: readonly bigint[] = [];

  constructor(target: Target, options: EngineOptions, progress: Progress) {
    this.#target = target;
    this.#options = options;
    this.#progress = progress;
    this.#limits = {
      maxStopMs: options.maxStopMs ?? DEFAULT_LIMITS.maxStopMs,
      timeoutMs: options.timeoutMs ?? DEFAULT_LIMITS.timeoutMs,
    };
    this.#access = {
      read: (at, size) => target.memory.read(at, size),
      write: (at, bytes) => target.memory.write(at, bytes),
      call: (calls) => remoteCall(target, calls),
    };
  }

  apply(patches: readonly Patch[]): ProcessOutcome {
    // Most processes of --all are not concerned: they are neither locked nor cleaned.
    const first = planApply(new Snapshot(this.#target), patches, planOptions(this.#options));
    if (first.kind === 'not-applicable') return this.#outcome('not-applicable', [], { reason: first.reason });

    using journal = Journal.open(this.#target);
    this.#settle(journal);
    using undo = new UndoList();
    const placed = this.#place(patches, journal, undo);
    if (placed.kind === 'already') {
      const reason = `${patches[0]?.manifest.id} is applied already`;
      return this.#outcome('already', objectsOf(patches, placed.objects), { reason });
    }
    if (placed.kind === 'not-applicable')
      return this.#outcome('not-applicable', [], { reason: placed.reason });

    const { objects } = placed;
    this.#fill(objects);
    const snapshot = new Snapshot(this.#target);
    const prepared = prepareChanges(
      objects.flatMap(({ changes }) => changes),
      {
        process: snapshot,
        access: this.#access,
        lowestAddress: lowestAddress(),
        intend: (mapping) => journal.intend(mapping),
        noteUndo: (what, take) => undo.note(what, take),
      },
    );
    rehearseCommit(this.#target.arch, prepared, this.#access);
    const replaced = objects.flatMap(({ replaces }) => replaces);
    const result = this.#change(
      snapshot,
      objects.flatMap(({ forbidden }) => forbidden),
      (access) => {
        this.#setPhase(replaced, 'reverting');
        try {
          commitChanges(this.#target.arch, prepared, access);
        } catch (error) {
          this.#setPhase(replaced, 'active');
          throw error;
        }
        for (const { region } of objects) this.#writePhase(region.start, 'active');
      },
    );
    const touched = objects.map(({ object, functions, patch }) => ({
      path: object.path,
      buildId: object.buildId ?? '',
      id: patch.manifest.id,
      functions,
    }));
    if (result.kind === 'busy') return this.#outcome('busy', touched, result);
    undo.keep();
    this.#letGo(replaced, this.#stackPointers);
    return this.#outcome('applied', touched, result);
  }

  revert(chosen: RevertChoice, what: string): ProcessOutcome {
    const before = new Snapshot(this.#target);
    const { regions } = readRegions(before.maps(), before.memory.tryRead, before.arch);
    if (!regions.some(chosen)) {
      return this.#outcome('not-applicable', [], { reason: `the process has no patch ${what}` });
    }
    using journal = Journal.open(this.#target);
    this.#settle(journal);
    return this.#revertPlanned(chosen, what, journal);
  }

  repair(): ProcessOutcome {
    using journal = Journal.open(this.#target);
    this.#settle(journal);
    if (this.#notes.length === 0)
      return this.#outcome('already', [], { reason: 'nothing was left to repair' });
    return this.#outcome('applied', [], { reason: this.#notes.join('; ') });
  }

  #revertPlanned(chosen: RevertChoice, what: string, journal: Journal): ProcessOutcome {
    const snapshot = new Snapshot(this.#target);
    const plan = planRevert(snapshot, chosen, what);
    if (plan.kind === 'not-applied') return this.#outcome('not-applicable', [], { reason: plan.reason });
    const regions = plan.targets.map(({ region }) => region);
    using undo = new UndoList();
    const prepared = prepareChanges(plan.changes, {
      process: snapshot,
      access: this.#access,
      lowestAddress: lowestAddress(),
      intend: (mapping) => journal.intend(mapping),
      noteUndo: (name, take) => undo.note(name, take),
    });
    const result = this.#change(snapshot, plan.forbidden, (access) => {
      this.#setPhase(regions, 'reverting');
      try {
        commitChanges(this.#target.arch, prepared, access);
      } catch (error) {
        this.#setPhase(regions, 'active');
        throw error;
      }
      for (const { at, bytes } of plan.undoBytes) access.write(at, bytes);
    });
    const objects = revertedObjects(plan);
    if (result.kind === 'busy') return this.#outcome('busy', objects, result);
    undo.keep();
    this.#letGo(regions, this.#stackPointers);
    return this.#outcome('reverted', objects, result);
  }

  /** Cleans what commands left that were killed: in the journal, and in the target. */
  #settle(journal: Journal): void {
    const { arch } = this.#target;
    const snapshot = new Snapshot(this.#target);
    const { tryRead } = snapshot.memory;
    const { regions } = readRegions(snapshot.maps(), tryRead, arch);
    const { unmap: left, markActive, revert } = settlement(standings(regions, tryRead, arch));
    this.#setPhase(markActive, 'active');
    for (const region of markActive) this.#note(`patch ${region.id} was in force, and is now marked so`);
    if (revert.length > 0) {
      const starts = revert.map(({ start }) => start);
      const outcome = this.#revertPlanned(
        (region) => starts.includes(region.start),
        'left half applied',
        journal,
      );
      if (outcome.outcome !== 'reverted') {
        throw new SutureError(
          'BUSY',
          `a patch that a killed command left half applied cannot be taken back now: ${outcome.reason}`,
          {
            remedy: 'run `suture repair` when the program is less busy',
          },
        );
      }
      for (const region of revert)
        this.#note(`patch ${region.id}, of which only a part was in force, was taken back`);
    }
    const neverRan = left.filter(({ state }) => state?.phase === 'placed');
    for (const region of neverRan) {
      this.#unmapRegion(region);
      this.#note(`patch ${region.id}, which a killed command left unused, was removed`);
    }
    const ran = left.filter((region) => !neverRan.includes(region));
    if (ran.length > 0) this.#letGo(ran, []);
    if (journal.inherited.length === 0) return;
    const kept = regions.filter((region) => !left.includes(region) && !revert.includes(region));
    const intended = journal.inherited.filter(({ start }) => !kept.some((region) => region.start === start));
    for (const { start, size } of abandonedRanges(
      intended,
      this.#target.maps(),
      snapshot.modules(),
      tryRead,
    )) {
      unmap(arch, this.#access.call, start, size);
      this.#note(`${size / 1024} KiB at ${hex(start)}, which a killed command had mapped, were removed`);
    }
  }

  #note(text: string): void {
    this.#notes.push(text);
    this.#progress.note(`pid ${this.#target.pid}: ${text}`);
  }

  /** Plans, and maps the regions of the plan; again when a place was taken in between. */
  #place(patches: readonly Patch[], journal: Journal, undo: UndoList): PlanResult {
    const { arch } = this.#target;
    for (let attempt = 0; attempt < PLACE_ATTEMPTS; attempt++) {
      const plan = planApply(new Snapshot(this.#target), patches, planOptions(this.#options));
      if (plan.kind !== 'apply') return plan;
      if (plan.objects.every((object) => this.#mapOne(object, journal, undo))) return plan;
      undo.rollBack();
    }
    throw new SutureError(
      'NO_ROOM',
      `the place for the patch was taken ${PLACE_ATTEMPTS} times by ${arch.name} mappings of the program`,
      {
        remedy: 'run the command again when the program maps less memory',
      },
    );
  }

  #mapOne({ region }: ObjectPlan, journal: Journal, undo: UndoList): boolean {
    const { start, layout } = region;
    journal.intend({ start, size: layout.size });
    const fate = { ours: false };
    undo.note(`the region at ${hex(start)}`, () => {
      if (fate.ours) unmap(this.#target.arch, this.#access.call, start, layout.size);
    });
    fate.ours = mapRegion(
      this.#target.arch,
      this.#access.call,
      start,
      layout.size,
      regionParts(start, layout),
    );
    return fate.ours;
  }

  /** Writes the regions' bytes from outside, the page with the header first, and reads them back. */
  #fill(objects: ApplyPlan['objects']): void {
    const resolvers = [...new Set(objects.flatMap((object) => object.resolvers))];
    const calls = resolvers.map((address) => ({ kind: 'function' as const, address, args: [] }));
    const results = calls.length === 0 ? [] : remoteCall(this.#target, calls);
    const resolved = new Map(resolvers.map((resolver, i) => [resolver, remote(results[i] ?? 0n)]));
    for (const { region, render } of objects) {
      const bytes = render(resolved);
      this.#access.write(region.start, bytes);
      if (!sameBytes(this.#access.read(region.start, bytes.length), bytes)) {
        throw new SutureError('IO', `the patch at ${hex(region.start)} does not read back as written`);
      }
    }
  }

  #change(
    snapshot: Snapshot,
    forbidden: Parameters<typeof stopUntilSafe>[2],
    commit: (access: TargetAccess) => void,
  ): StopResult {
    const { regions } = readRegions(snapshot.maps(), snapshot.memory.tryRead, snapshot.arch);
    const observer = observerOf(snapshot, regions);
    rehearse(this.#target, observer, forbidden);
    return stopUntilSafe(this.#target, observer, forbidden, this.#limits, (stopped) => {
      const { dwarfSp } = this.#target.arch.registers;
      commit({ ...this.#access, call: (calls) => stopped.call(calls) });
      this.#stackPointers = stopped.threads.flatMap(({ registers }) => registers.get(dwarfSp) ?? []);
    });
  }

  #setPhase(regions: readonly Region[], phase: Phase): void {
    for (const { start, state } of regions) if (state !== undefined) this.#writePhase(start, phase);
  }

  #writePhase(region: Remote, phase: Phase): void {
    const bytes = new Uint8Array(4);
    viewOf(bytes).setUint32(0, PHASE[phase], true);
    this.#access.write(plus(region, PHASE_OFFSET), bytes);
  }

  /**
   * Lets regions go in which no thread was when their last redirect went. A region whose data or functions the program
   * still refers to stays mapped, out of force, until a later command finds that nothing refers to it any more.
   */
  #letGo(regions: readonly Region[], stackPointers: readonly bigint[]): void {
    const { tryRead } = new Snapshot(this.#target).memory;
    const left = new Set(regions);
    while (left.size > 0) {
      const found = findReference([...left], this.#target.maps(), stackPointers, tryRead);
      if (found.kind === 'none') break;
      const kept = found.kind === 'found' ? [found.region] : [...left];
      for (const region of kept) {
        this.#retire(
          region,
          found.kind === 'found'
            ? `the program refers to it at ${hex(found.at)}`
            : 'the program has too much memory to search for references to it',
        );
        left.delete(region);
      }
    }
    for (const region of left) this.#unmapRegion(region);
  }

  #retire(region: Region, why: string): void {
    // A region of LibcarePlus has no phase; without its magic nobody takes it for a patch in force.
    if (region.state === undefined) this.#access.write(region.start, new Uint8Array(MAGIC.length));
    else if (region.state.phase === 'retired') return;
    else this.#writePhase(region.start, 'retired');
    this.#note(`the memory of patch ${region.id} stays: ${why}`);
  }

  #unmapRegion({ start, end }: Region): void {
    unmap(this.#target.arch, this.#access.call, start, Number(end - start));
  }

  #outcome(
    outcome: ProcessOutcome['outcome'],
    objects: readonly OutcomeObject[],
    details: {
      readonly reason?: string;
      readonly heldMicroseconds?: number;
      readonly attempts?: number;
      readonly blockers?: NonNullable<ProcessOutcome['blockers']>;
    },
  ): ProcessOutcome {
    const { reason, heldMicroseconds, attempts, blockers } = details;
    return {
      ...blank(this.#target),
      outcome,
      objects,
      stopMicroseconds: Math.round(heldMicroseconds ?? 0),
      attempts: attempts ?? 0,
      ...(reason === undefined ? {} : { reason }),
      ...(blockers === undefined ? {} : { blockers }),
      ...(outcome === 'busy'
        ? { remedy: 'try again with a longer --timeout, or when the program is less busy' }
        : {}),
      ...(this.#notes.length === 0 ? {} : { notes: this.#notes }),
    };
  }
}

function objectsOf(
  patches: readonly Patch[],
  objects: readonly { readonly path: string; readonly buildId: string | undefined }[],
): OutcomeObject[] {
  return objects.map(({ path, buildId }) => {
    const manifest = patches.find((patch) => patch.manifest.target.buildId === buildId)?.manifest;
    const functions = (manifest?.functions ?? [])
      .filter(({ kind }) => kind === 'changed')
      .map(({ name }) => name);
    return { path, buildId: buildId ?? '', id: manifest?.id ?? '', functions };
  });
}

function revertedObjects(plan: RevertPlan): OutcomeObject[] {
  return plan.targets.map(({ region, object }) => ({
    path: object?.path ?? '',
    buildId: region.buildId,
    id: region.id,
    functions: region.functions.map(({ name }) => name),
  }));
}
