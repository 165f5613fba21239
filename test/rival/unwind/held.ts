/** A process that somebody else holds, seen as the engine sees it: its objects from memory, its tables and files. */
import { readFileSync } from 'node:fs';
import { moduleFinder, unwindModules } from '../../../src/apply/unwind-modules.ts';
import type { Remote } from '../../../src/bytes/address.ts';
import { type Mapping, mappingAt, mappingsByLine } from '../../../src/process/maps.ts';
import { TargetMemory } from '../../../src/process/memory.ts';
import { type Module, modulesOf } from '../../../src/process/modules.ts';
import type { UnwindModule } from '../../../src/unwind/frame.ts';

const PAGE_SIZE = 4096;

export class Held {
  readonly #memory: TargetMemory;
  #text = '';
  #byLine = new Map<string, Mapping>();
  #mappings: readonly Mapping[] = [];
  #modules: readonly Module[] = [];
  #find: (pc: Remote) => UnwindModule | undefined = () => undefined;

  constructor(readonly pid: number) {
    this.#memory = new TargetMemory(pid);
  }

  /** Looks at the mappings again: the process has run meanwhile. */
  refresh(): void {
    const text = readFileSync(`/proc/${this.pid}/maps`, 'latin1');
    if (text === this.#text) return;
    this.#text = text;
    this.#byLine = mappingsByLine(text, this.#byLine);
    this.#mappings = [...this.#byLine.values()];
    this.#modules = modulesOf(this.pid, this.#memory, this.#mappings, PAGE_SIZE, this.#modules);
    this.#find = moduleFinder(unwindModules(this.#modules, [], (at, size) => this.read(at, size)));
  }

  read(at: Remote, size: number): Uint8Array | undefined {
    return this.#memory.tryRead(at, size);
  }

  moduleAt(pc: Remote): UnwindModule | undefined {
    return this.#find(pc);
  }

  /** Whether code is mapped there, of whatever origin. */
  isCode(at: bigint): boolean {
    return mappingAt(this.#mappings, at)?.execute === true;
  }

  mappingEnd(at: bigint): Remote | undefined {
    return mappingAt(this.#mappings, at)?.end;
  }

  close(): void {
    this.#memory.close();
  }
}
