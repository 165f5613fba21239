/** The cases as they are built on this host, a few ahead of the emulated machine that patches them. */
import { cpSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Case } from '../programs/case.ts';
import { type Finished, Workspace } from '../programs/harness.ts';
import { aarch64 } from '../programs/toolchain.ts';

export interface BuiltCase {
  readonly built: Finished;
  /** Puts what the program needs, and the patches, into a folder. */
  copyTo(folder: string): void;
  close(): Promise<void>;
}

/** @param more given to every compile */
export async function buildCase(
  one: Case,
  variant: readonly string[],
  more: readonly string[],
): Promise<BuiltCase> {
  const { workspace, diff } = await Workspace.of(one, variant, aarch64(more));
  try {
    const built = await workspace.build(one.name, ...one.options, diff);
    return {
      built,
      copyTo(folder) {
        mkdirSync(join(folder, 'tree'), { recursive: true });
        for (const name of readdirSync(workspace.tree)) {
          const path = join(workspace.tree, name);
          const isProgram = name.endsWith('.so') || (statSync(path).mode & 0o111) !== 0;
          if (isProgram && statSync(path).isFile()) cpSync(path, join(folder, 'tree', name));
        }
        cpSync(workspace.patches, join(folder, 'patches'), { recursive: true });
      },
      close: () => workspace.close(),
    };
  } catch (error) {
    await workspace.close();
    throw error;
  }
}

/** Does the jobs in order, each by the time that it is asked for or before, but no more than `ahead` of that. */
export class Ahead<T> {
  readonly #results: Promise<T>[] = [];
  #taken = 0;
  #isClosed = false;

  constructor(
    readonly jobs: readonly (() => Promise<T>)[],
    readonly ahead: number,
  ) {}

  /** The result of the job with this number; those before it have been asked for. */
  take(index: number): Promise<T> {
    this.#taken = Math.max(this.#taken, index);
    this.#fill();
    return this.#results[index] ?? Promise.reject(new Error(`there is no job ${index}`));
  }

  /** Begins nothing more; gives what was done and not asked for. */
  async close(): Promise<T[]> {
    this.#isClosed = true;
    const left = await Promise.allSettled(this.#results.slice(this.#taken + 1));
    return left.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  }

  #fill(): void {
    while (
      !this.#isClosed &&
      this.#results.length < this.jobs.length &&
      this.#results.length <= this.#taken + this.ahead
    ) {
      const job = this.jobs[this.#results.length]!;
      const before = this.#results.at(-1);
      // One after the other: the emulated machine has the other processor.
      const result = before === undefined ? job() : before.then(job, job);
      result.then(
        () => {},
        () => {}, // told to who asks
      );
      this.#results.push(result);
    }
  }
}
