import type { Arch } from '../arch/arch.ts';
import { SutureError } from '../base/errors.ts';
import { EACCES, ENOENT, EPERM, ESRCH, errnoOf } from '../sys/errno.ts';
import { type ProcessStatus, readProc, readProcLink, threadIds } from '../sys/procfs.ts';
import { archOf, noPermission, requireFit, requireOwnMemory, vitalsOf } from './fitness.ts';
import { type Mapping, mappingsByLine } from './maps.ts';
import { MapsWatch } from './maps-watch.ts';
import { TargetMemory } from './memory.ts';
import { type Module, modulesOf } from './modules.ts';
import { Residency } from './resident.ts';

/** A running process. Nothing here stops it. */
export class Target {
  readonly arch: Arch;
  readonly memory: TargetMemory;
  /** Which pages hold anything. */
  readonly residency: Residency;
  /** Path of the program, as the target sees it. */
  readonly exe: string;
  readonly comm: string;
  /** Clock ticks after boot: with the pid it names the process for ever. */
  readonly startTime: bigint;

  /** What was last read, and its meaning: most of the time nothing has changed. */
  #maps:
    | {
        readonly text: string;
        readonly byLine: ReadonlyMap<string, Mapping>;
        readonly mappings: readonly Mapping[];
      }
    | undefined;
  #modules: { readonly mappings: readonly Mapping[]; readonly modules: readonly Module[] } | undefined;

  private constructor(readonly pid: number) {
    const vitals = requireFit(pid);
    this.arch = archOf(pid, vitals);
    requireOwnMemory(pid, this.arch, vitals);
    this.memory = new TargetMemory(pid);
    this.residency = new Residency(pid, this.arch.pageSize);
    this.comm = vitals.stat.comm;
    this.startTime = vitals.stat.startTime;
    this.exe = (readProcLink(`${pid}/exe`) ?? '').replace(/ \(deleted\)$/, '');
  }

  /**
   * Opens a process without touching it. NO_PROCESS, NO_PERMISSION, or PROCESS_UNFIT: ended, stopped, traced by
   * another (who is named), 32-bit, of the kernel, or ourselves.
   */
  static open(pid: number): Target {
    return new Target(pid);
  }

  /** The mappings now, in ascending order. PROCESS_GONE. */
  maps(): readonly Mapping[] {
    let text: string | undefined;
    try {
      text = readProc(`${this.pid}/maps`);
    } catch (cause) {
      throw noPermission(this.pid, cause);
    }
    if (text === undefined || text === '') throw this.gone();
    return this.#parsed(text);
  }

  /** The mappings now, and with them a way to see soon whether they are still so. PROCESS_GONE. */
  watchMaps(): { readonly mappings: readonly Mapping[]; readonly watch: MapsWatch } {
    try {
      const watch = new MapsWatch(this.pid);
      if (watch.text !== '') return { mappings: this.#parsed(watch.text), watch };
      watch[Symbol.dispose]();
    } catch (cause) {
      const errno = errnoOf(cause);
      if (errno === EACCES || errno === EPERM) throw noPermission(this.pid, cause);
      if (errno !== ENOENT && errno !== ESRCH) throw cause;
    }
    throw this.gone();
  }

  #parsed(text: string): readonly Mapping[] {
    if (this.#maps?.text !== text) {
      const byLine = mappingsByLine(text, this.#maps?.byLine);
      this.#maps = { text, byLine, mappings: [...byLine.values()] };
    }
    return this.#maps.mappings;
  }

  /** Every ELF object of which code is mapped now, or was when the mappings were read, in ascending order. PROCESS_GONE. */
  modules(mappings = this.maps()): readonly Module[] {
    if (this.#modules?.mappings !== mappings) {
      const before = this.#modules?.modules ?? [];
      const modules = modulesOf(this.pid, this.memory, mappings, this.arch.pageSize, before);
      this.#modules = { mappings, modules };
    }
    return this.#modules.modules;
  }

  /** Thread ids now. PROCESS_GONE. */
  threads(): number[] {
    const tids = threadIds(this.pid);
    if (tids.length === 0) throw this.gone();
    return tids;
  }

  /** True while this very process (not a later one with its pid) runs the program that it ran when it was opened. */
  alive(): boolean {
    return this.#runs() && this.memory.inUse();
  }

  #runs(): boolean {
    const stat = vitalsOf(this.pid)?.stat;
    return (
      stat !== undefined && stat.startTime === this.startTime && stat.state !== 'Z' && stat.state !== 'X'
    );
  }

  /** /proc/PID/status now. PROCESS_GONE. */
  status(): ProcessStatus {
    const vitals = vitalsOf(this.pid);
    if (vitals === undefined) throw this.gone();
    return vitals.status;
  }

  gone(): SutureError {
    const what = this.#runs() ? 'began to execute another program, or is ending' : 'ended';
    return new SutureError('PROCESS_GONE', `process ${this.pid} (${this.comm}) ${what}`);
  }

  close(): void {
    this.memory.close();
    this.residency.close();
  }
}
