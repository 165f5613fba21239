/** The regions of patches in one process: mapping, filling, marking and letting them go. */
import { SutureError } from '../base/errors.ts';
import type { UndoList } from '../base/undo.ts';
import { hex, plus, type Remote, remote } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import { MAGIC } from '../patch/layout.ts';
import type { Target } from '../process/target.ts';
import type { TargetAccess } from './change.ts';
import { sameBytes } from './commit.ts';
import type { ObjectPlan } from './plan.ts';
import { findReference } from './references.ts';
import type { Region } from './region.ts';
import { mapRegion, regionParts, unmap } from './remote-memory.ts';
import { PHASE, PHASE_OFFSET, type Phase } from './state-block.ts';
import type { UnwindTables } from './unwind-tables.ts';

export class RegionKeeper {
  readonly #target: Target;
  readonly #access: TargetAccess;
  readonly #tables: UnwindTables;
  readonly #note: (text: string) => void;

  constructor(target: Target, access: TargetAccess, tables: UnwindTables, note: (text: string) => void) {
    this.#target = target;
    this.#access = access;
    this.#tables = tables;
    this.#note = note;
  }

  /** Maps the region of a plan; false if something has come to lie there. */
  map(plan: ObjectPlan, undo: UndoList): boolean {
    const { start, layout } = plan.region;
    const fate = { ours: false };
    undo.note(`the region at ${hex(start)}`, () => {
      if (fate.ours && !this.#isReached(plan)) this.unmap(start, layout.size);
    });
    const parts = regionParts(start, layout);
    fate.ours = mapRegion(this.#target.arch, this.#access.call, start, layout.size, parts);
    return fate.ours;
  }

  /** A redirect that could not be taken back: better a region too many than a jump into nothing. */
  #isReached({ changes }: ObjectPlan): boolean {
    return changes.some(({ at, replacement, expected }) => {
      const present = this.#target.memory.tryRead(at, replacement.length);
      return present !== undefined && sameBytes(present, replacement) && !sameBytes(replacement, expected);
    });
  }

  /** Writes the regions' bytes from outside, the page with the header first, and reads them back. */
  fill(plans: readonly ObjectPlan[]): void {
    const resolvers = [...new Set(plans.flatMap((plan) => plan.resolvers))];
    const calls = resolvers.map((address) => ({ kind: 'function' as const, address, args: [] }));
    const results = calls.length === 0 ? [] : this.#access.call(calls);
    const resolved = new Map(resolvers.map((resolver, i) => [resolver, remote(results[i] ?? 0n)]));
    for (const { region, render } of plans) {
      const bytes = render(resolved);
      this.#access.write(region.start, bytes);
      if (!sameBytes(this.#access.read(region.start, bytes.length), bytes)) {
        throw new SutureError('IO', `the patch at ${hex(region.start)} does not read back as written`);
      }
    }
  }

  /** Tells the unwinders of the process of the patches' tables. */
  registerTables(plans: readonly ObjectPlan[]): void {
    for (const { region, unwinders } of plans) this.#tables.handOver(region.start, region.layout, unwinders);
  }

  mark(regions: readonly Region[], phase: Phase): void {
    for (const { start, state } of regions) if (state !== undefined) this.markAt(start, phase);
  }

  markAt(region: Remote, phase: Phase): void {
    const bytes = new Uint8Array(4);
    viewOf(bytes).setUint32(0, PHASE[phase], true);
    this.#access.write(plus(region, PHASE_OFFSET), bytes);
  }

  /**
   * Lets regions go in which no thread was when their last redirect went. A region whose data or functions the program
   * still refers to stays mapped, out of force, until a later command finds that nothing refers to it any more.
   */
  letGo(regions: readonly Region[], stackPointers: readonly bigint[]): void {
    const left = new Set(regions);
    while (left.size > 0) {
      const { memory, residency } = this.#target;
      const found = findReference(
        [...left],
        this.#target.maps(),
        stackPointers,
        (at, size) => memory.tryRead(at, size),
        (start, end) => residency.runs(start, end),
      );
      if (found.kind === 'none') break;
      const why =
        found.kind === 'found'
          ? `the program refers to it at ${hex(found.at)}`
          : 'the program has too much memory to be searched for references to it';
      for (const region of found.kind === 'found' ? [found.region] : [...left]) {
        this.#retire(region, why);
        left.delete(region);
      }
    }
    for (const { start, end, id } of left) this.#unmapOrLeave(start, Number(end - start), id);
  }

  #retire(region: Region, why: string): void {
    if (region.state?.phase === 'retired') return;
    // A region of LibcarePlus has no phase; without its magic nobody takes it for a patch in force.
    if (region.state === undefined) this.#access.write(region.start, new Uint8Array(MAGIC.length));
    else this.markAt(region.start, 'retired');
    this.#note(`the memory of patch ${region.id} stays: ${why}`);
  }

  /** The patch is out of force already; that its memory cannot be unmapped now is no failure. */
  #unmapOrLeave(start: Remote, size: number, id: string): void {
    try {
      this.unmap(start, size);
    } catch (error) {
      if (!(error instanceof SutureError)) throw error;
      this.#note(`the memory of patch ${id} stays until the next command: ${error.message}`);
    }
  }

  /** Unmaps a region, after its unwind table has been taken back. One of which nobody knows whether it was, stays. */
  unmap(start: Remote, size: number): void {
    if (this.#tables.takeBack(start, size) === 'unknown') {
      this.markAt(start, 'retired');
      return;
    }
    unmap(this.#target.arch, this.#access.call, start, size);
  }
}
