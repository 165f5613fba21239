/** A target's mappings and objects as they were at one moment, read once and asked often. */
import type { Remote } from '../bytes/address.ts';
import type { Module } from '../process/modules.ts';
import type { ResidentRun } from '../process/resident.ts';
import type { Target } from '../process/target.ts';
import { vmFlagsAt } from '../process/vm-flags.ts';
import type { MappingView, ProcessView } from './view.ts';

export class Snapshot implements ProcessView {
  readonly pid: number;
  readonly arch: Target['arch'];
  readonly memory: ProcessView['memory'];
  readonly #maps: ReturnType<Target['maps']>;
  readonly #target: Target;
  #modules: readonly Module[] | undefined;

  constructor(target: Target) {
    this.#target = target;
    this.pid = target.pid;
    this.arch = target.arch;
    this.memory = {
      read: (at, size) => target.memory.read(at, size),
      tryRead: (at, size) => target.memory.tryRead(at, size),
    };
    this.#maps = target.maps();
  }

  maps(): readonly MappingView[] {
    return this.#maps;
  }

  /** Parts of [start, end) that hold anything, as it is when asked. */
  residentRuns(start: Remote, end: Remote): readonly ResidentRun[] {
    return this.#target.residency.runs(start, end);
  }

  vmFlags(at: Remote): readonly string[] {
    return vmFlagsAt(this.pid, at);
  }

  modules(): readonly Module[] {
    this.#modules ??= this.#target.modules(this.#maps);
    return this.#modules;
  }
}
