/** Handing the unwind tables of patches to the unwinders of a process, and taking them back. */
import type { TargetCall } from '../arch/arch.ts';
import { SutureError } from '../base/errors.ts';
import { plus, type Remote } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import { HEADER_SIZE, MAGIC, PatchHeader } from '../patch/layout.ts';
import type { TargetAccess } from './change.ts';
import type { RegionLayout } from './layout.ts';
import { decodeState, STATE_OFFSET, type StateBlock, StateRecord } from './state-block.ts';
import { OBJECT_OFFSET, type Registrar, Registration, registrarsOf, registrationState } from './unwinder.ts';
import type { ObjectView } from './view.ts';

export interface UnwinderAccess {
  /** Of the process as it is now. */
  readonly objects: () => readonly ObjectView[];
  /** Calls functions of an unwinder through a thread that holds none of the locks that they take. */
  readonly call: (calls: readonly TargetCall[]) => readonly bigint[];
}

export class UnwindTables {
  readonly #access: TargetAccess;
  readonly #unwinders: UnwinderAccess;

  constructor(access: TargetAccess, unwinders: UnwinderAccess) {
    this.#access = access;
    this.#unwinders = unwinders;
  }

  /**
   * Registers the table of a filled region with each unwinder. A command that is killed meanwhile leaves the region's
   * registrations telling the truth. @throws SutureError UNSUPPORTED if an unwinder does not take it; BUSY
   */
  handOver(
    region: Remote,
    layout: Pick<RegionLayout, 'ehFrameOffset' | 'unwindersOffset'>,
    registrars: readonly Registrar[],
  ): void {
    const table = plus(region, layout.ehFrameOffset);
    registrars.forEach(({ register, deregister }, i) => {
      const at = plus(region, layout.unwindersOffset + i * Registration.size);
      this.#access.write(at, Registration.make({ deregister }));
      const object = plus(at, OBJECT_OFFSET);
      this.#unwinders.call([{ kind: 'function', address: register, args: [table, object] }]);
      if (registrationState(this.#access.read(at, Registration.size)).kind === 'registered') return;
      throw new SutureError(
        'UNSUPPORTED',
        'the unwinder of the process does not take unwind tables at run time: an exception that reaches the patch would end the program',
        { remedy: "use libgcc's unwinder" },
      );
    });
  }

  /**
   * Takes the table of a region back from all unwinders that have it; 'unknown' if it cannot be told whether one has:
   * the region must then stay mapped. @throws SutureError BUSY if no thread can make the call now.
   */
  takeBack(region: Remote, size: number): 'done' | 'unknown' {
    const state = this.#stateOf(region, size);
    if (state === undefined || state.unwindersOffset === 0) return 'done';
    const table = plus(region, state.ehFrameOffset);
    let known = true;
    let present: readonly Registrar[] | undefined;
    for (
      let offset = state.unwindersOffset;
      offset + Registration.size <= size;
      offset += Registration.size
    ) {
      const at = plus(region, offset);
      const registration = registrationState(this.#access.read(at, Registration.size));
      if (registration.kind === 'unknown') known = false;
      if (registration.kind !== 'registered') continue;
      const { deregister } = registration;
      present ??= registrarsOf(this.#unwinders.objects());
      // An unwinder that was unloaded has forgotten its tables.
      if (present.some((registrar) => registrar.deregister === deregister)) {
        this.#access.write(at, Registration.make({ deregister, leaving: 1, object: this.#objectAt(at) }));
        try {
          this.#unwinders.call([{ kind: 'function', address: deregister, args: [table] }]);
        } catch (error) {
          if (error instanceof SutureError && error.code === 'BUSY')
            this.#access.write(at, Registration.make({ deregister, object: this.#objectAt(at) }));
          throw error;
        }
      }
      this.#access.write(at, new Uint8Array(Registration.size));
    }
    return known ? 'done' : 'unknown';
  }

  #objectAt(registration: Remote): Uint8Array {
    return this.#access.read(plus(registration, OBJECT_OFFSET), Registration.size - OBJECT_OFFSET);
  }

  /** Only what was filled by us has registrations; anything else is no region, or holds nothing yet. */
  #stateOf(region: Remote, size: number): StateBlock | undefined {
    const head = this.#access.read(region, STATE_OFFSET + StateRecord.size);
    if (PatchHeader.on(viewOf(head.subarray(0, HEADER_SIZE)), 0).magic !== MAGIC) return undefined;
    return decodeState(head, size);
  }
}
