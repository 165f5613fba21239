/** One command on one process: what it does while the process runs, and what in the stop. */
import { SutureError } from '../base/errors.ts';
import type { Progress } from '../base/progress.ts';
import { UndoList } from '../base/undo.ts';
import { hex } from '../bytes/address.ts';
import type { Patch } from '../patch/patch.ts';
import { readersWith } from '../process/descriptors.ts';
import { type RemoteCall, remoteCall } from '../process/remote-call.ts';
import type { Target } from '../process/target.ts';
import { Journal } from '../store/state.ts';
import { objectionToUnwinderCalls } from './call-safety.ts';
import { commitChanges, type PreparedChange, prepareChanges, type TargetAccess } from './change.ts';
import type { OutcomeObject, ProcessOutcome } from './outcome.ts';
import { type ObjectPlan, type PlanOptions, type PlanResult, planApply, unconcerned } from './plan.ts';
import { planRevert, type RevertChoice, type RevertPlan } from './plan-revert.ts';
import { readRegions } from './region.ts';
import { RegionKeeper } from './region-keeper.ts';
import { closeCall, OWN_OPEN } from './remote-memory.ts';
import type { ForbiddenRange } from './safety.ts';
import { abandonedRanges, settlement } from './settle.ts';
import { sleepingThreads } from './sleeping-threads.ts';
import { Snapshot } from './snapshot.ts';
import { standings } from './stack.ts';
import { heldAccess, observerOf, rehearse, type StopLimits, type StopResult, stopUntilSafe } from './stop.ts';
import { NO_THREAD } from './suspended.ts';
import { unwindModules } from './unwind-modules.ts';
import { UnwindTables } from './unwind-tables.ts';

/** Plans are made again this often when something has come to lie in the chosen place. */
const PLACE_ATTEMPTS = 8;

/** For a thread that can make a system call, however short the user's own patience: taking back needs one too. */
const LEAST_PATIENCE_MS = 500;

/** An outcome of nothing done. */
export const blank = ({ pid, exe }: Target) => ({ pid, exe, objects: [], stopMicroseconds: 0, attempts: 0 });

/** One command on one process. */
export class Work {
  readonly #target: Target;
  readonly #options: PlanOptions;
  readonly #progress: Progress;
  readonly #limits: StopLimits;
  readonly #access: TargetAccess;
  readonly #keeper: RegionKeeper;
  readonly #notes: string[] = [];

  constructor(target: Target, options: PlanOptions, limits: StopLimits, progress: Progress) {
    this.#target = target;
    this.#options = options;
    this.#progress = progress;
    this.#limits = limits;
    this.#access = {
      read: (at, size) => target.memory.read(at, size),
      write: (at, bytes) => target.memory.write(at, bytes),
      call: (calls, goOn) =>
        remoteCall(target, calls, {
          deadlineMs: Math.max(limits.timeoutMs, LEAST_PATIENCE_MS),
          ...(goOn === undefined ? {} : { goOn }),
        }),
    };
    const tables = new UnwindTables(this.#access, {
      objects: () => target.modules(),
      call: (calls) => this.#callUnwinder(calls),
    });
    this.#keeper = new RegionKeeper(target, this.#access, tables, (text) => this.#note(text));
  }

  apply(patches: readonly Patch[]): ProcessOutcome {
    // Most processes of --all are not concerned: they are neither locked nor cleaned.
    const reason = unconcerned(new Snapshot(this.#target), patches);
    if (reason !== undefined) return this.#outcome('not-applicable', [], { reason });

    using journal = Journal.open(this.#target);
    const settled = this.#settle(journal);
    using undo = new UndoList();
    const placed = this.#place(patches, settled, journal, undo);
    if (placed.kind === 'already') {
      const reason = `${patches[0]?.manifest.id} is applied already`;
      return this.#outcome('already', objectsOf(patches, placed.objects), { reason });
    }
    if (placed.kind === 'not-applicable')
      return this.#outcome('not-applicable', [], { reason: placed.reason });

    const { objects } = placed;
    this.#keeper.fill(objects);
    this.#keeper.registerTables(objects);
    const snapshot = new Snapshot(this.#target);
    const prepared = prepareChanges(
      objects.flatMap(({ changes }) => changes),
      {
        process: snapshot,
        access: this.#access,
        lowestAddress: this.#options.lowestAddress,
        intend: (mapping) => journal.intend(mapping),
        noteUndo: (what, take) => undo.note(what, take),
      },
    );
    const replaced = objects.flatMap(({ replaces }) => replaces);
    const forbidden = objects.flatMap((object) => object.forbidden);
    this.#keeper.mark(replaced, 'reverting');
    const result = this.#orElse(
      () => this.#keeper.mark(replaced, 'active'),
      // Once it is done the redirects lead into the regions, whatever happens next.
      () => this.#change(snapshot, forbidden, prepared, () => undo.keep()),
    );
    const touched = objects.map(({ object, functions, patch }) => ({
      path: object.path,
      buildId: object.buildId ?? '',
      id: patch.manifest.id,
      functions,
    }));
    if (result.kind === 'busy') return this.#outcome('busy', touched, result);
    for (const { region } of objects) this.#keeper.markAt(region.start, 'active');
    for (const warning of objects.flatMap(({ warnings }) => warnings)) this.#note(warning);
    this.#keeper.letGo(replaced, result.stackPointers);
    return this.#outcome('applied', touched, result);
  }

  revert(chosen: RevertChoice, what: string): ProcessOutcome {
    const before = new Snapshot(this.#target);
    const { regions } = readRegions(before.maps(), before.memory.tryRead, before.arch);
    if (!regions.some(chosen) && !Journal.isLeft(this.#target)) {
      return this.#outcome('not-applicable', [], { reason: `the process has no patch ${what}` });
    }
    using journal = Journal.open(this.#target);
    return this.#revertPlanned(chosen, what, journal, this.#settle(journal));
  }

  repair(): ProcessOutcome {
    using journal = Journal.open(this.#target);
    this.#settle(journal);
    if (this.#notes.length === 0)
      return this.#outcome('already', [], { reason: 'nothing was left to repair' });
    return this.#outcome('applied', [], { reason: this.#notes.join('; ') });
  }

  #revertPlanned(chosen: RevertChoice, what: string, journal: Journal, snapshot: Snapshot): ProcessOutcome {
    const plan = planRevert(snapshot, chosen, what);
    if (plan.kind === 'not-applied') return this.#outcome('not-applicable', [], { reason: plan.reason });
    const regions = plan.targets.map(({ region }) => region);
    using undo = new UndoList();
    const prepared = prepareChanges(plan.changes, {
      process: snapshot,
      access: this.#access,
      lowestAddress: this.#options.lowestAddress,
      intend: (mapping) => journal.intend(mapping),
      noteUndo: (name, take) => undo.note(name, take),
    });
    this.#keeper.mark(regions, 'reverting');
    const result = this.#orElse(
      () => this.#keeper.mark(regions, 'active'),
      () => this.#change(snapshot, plan.forbidden, prepared, () => undo.keep()),
    );
    const objects = revertedObjects(plan);
    if (result.kind === 'busy') return this.#outcome('busy', objects, result);
    for (const { at, bytes } of plan.undoBytes) this.#access.write(at, bytes);
    this.#keeper.letGo(regions, result.stackPointers);
    return this.#outcome('reverted', objects, result);
  }

  /** Cleans what commands left that were killed: in the journal, and in the target. The process as it is then. */
  #settle(journal: Journal): Snapshot {
    const { arch } = this.#target;
    const snapshot = new Snapshot(this.#target);
    const { tryRead } = snapshot.memory;
    const { regions } = readRegions(snapshot.maps(), tryRead, arch);
    const { unmap: left, markActive, revert } = settlement(standings(regions, tryRead, arch));
    this.#keeper.mark(markActive, 'active');
    for (const region of markActive) this.#note(`patch ${region.id} was in force, and is now marked so`);
    if (revert.length > 0) {
      const starts = revert.map(({ start }) => start);
      const outcome = this.#revertPlanned(
        (region) => starts.includes(region.start),
        'left half applied',
        journal,
        snapshot,
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
      this.#keeper.unmap(region.start, Number(region.end - region.start));
      this.#note(`patch ${region.id}, which a killed command left unused, was removed`);
    }
    const ran = left.filter((region) => !neverRan.includes(region));
    if (ran.length > 0) this.#keeper.letGo(ran, []);
    if (left.length + revert.length + journal.inherited.length === 0) return snapshot;
    const opened = journal.inherited.length === 0 ? [] : readersWith(this.#target, OWN_OPEN);
    for (const descriptor of opened) {
      this.#access.call([closeCall(arch, descriptor)]);
      this.#note(`descriptor ${descriptor}, which a killed command had opened, was closed`);
    }
    const kept = regions.filter((region) => !left.includes(region) && !revert.includes(region));
    const intended = journal.inherited.filter(({ start }) => !kept.some((region) => region.start === start));
    for (const { start, size } of abandonedRanges(
      intended,
      this.#target.maps(),
      snapshot.modules(),
      tryRead,
    )) {
      this.#keeper.unmap(start, size);
      this.#note(`${size / 1024} KiB at ${hex(start)}, which a killed command had mapped, were removed`);
    }
    return new Snapshot(this.#target);
  }

  /** Through a thread that holds no lock which the call takes. */
  #callUnwinder(calls: readonly RemoteCall[]): bigint[] {
    const snapshot = new Snapshot(this.#target);
    const { tryRead } = snapshot.memory;
    const { regions } = readRegions(snapshot.maps(), tryRead, snapshot.arch);
    const modules = unwindModules(snapshot.modules(), regions, tryRead);
    const objection = objectionToUnwinderCalls(snapshot.arch, modules, snapshot.modules(), tryRead);
    // While a thread is held for the answer no table should have to be read first.
    for (const { registers } of sleepingThreads(this.#target)) objection(registers);
    return remoteCall(this.#target, calls, {
      deadlineMs: Math.max(this.#limits.timeoutMs, LEAST_PATIENCE_MS),
      objection,
    });
  }

  #note(text: string): void {
    this.#notes.push(text);
    this.#progress.note(`pid ${this.#target.pid}: ${text}`);
  }

  /** Plans, and maps the regions of the plan; again when a place was taken in between. */
  #place(patches: readonly Patch[], settled: Snapshot, journal: Journal, undo: UndoList): PlanResult {
    for (let attempt = 0; attempt < PLACE_ATTEMPTS; attempt++) {
      const snapshot = attempt === 0 ? settled : new Snapshot(this.#target);
      const plan = planApply(snapshot, patches, this.#options);
      if (plan.kind !== 'apply') return plan;
      if (plan.objects.every((object) => this.#mapOne(object, journal, undo))) return plan;
      undo.rollBack();
    }
    throw new SutureError(
      'NO_ROOM',
      `the place for the patch was taken ${PLACE_ATTEMPTS} times by the program itself`,
      {
        remedy: 'run the command again when the program maps less memory',
      },
    );
  }

  #mapOne(plan: ObjectPlan, journal: Journal, undo: UndoList): boolean {
    journal.intend({ start: plan.region.start, size: plan.region.layout.size });
    return this.#keeper.map(plan, undo);
  }

  /** Makes the prepared changes in a stop in which no thread is in the way; `done` is called in it. */
  #change(
    snapshot: Snapshot,
    forbidden: readonly ForbiddenRange[],
    prepared: readonly PreparedChange[],
    done: () => void,
  ): StopResult {
    const { regions } = readRegions(snapshot.maps(), snapshot.memory.tryRead, snapshot.arch);
    const observer = observerOf(snapshot, regions, this.#limits.stacks);
    rehearse(this.#target, observer, forbidden, this.#limits);
    return stopUntilSafe(this.#target, observer, forbidden, this.#limits, (stopped) => {
      commitChanges(this.#target.arch, prepared, heldAccess(stopped));
      done();
    });
  }

  /** The result of `work`; if it throws or finds the process busy, `undo` is called. */
  #orElse(undo: () => void, work: () => StopResult): StopResult {
    let result: StopResult | undefined;
    try {
      result = work();
      return result;
    } finally {
      if (result?.kind !== 'done') undo();
    }
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
      ...(outcome === 'busy' ? { remedy: remedyFor(blockers ?? []) } : {}),
      ...(this.#notes.length === 0 ? {} : { notes: this.#notes }),
    };
  }
}

/** A sanitizer may note return addresses in memory that nothing tells from a stack; there, they stay. */
const remedyFor = (blockers: readonly { readonly tid: number }[]): string =>
  blockers.length > 0 && blockers.every(({ tid }) => tid === NO_THREAD)
    ? 'try again when what is suspended there has gone on; a program under gcc’s thread sanitizer (-fsanitize=thread), whose records look the same, has to be restarted'
    : 'try again with a longer --timeout, or when the program is less busy';

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
