/**
 * Stacks that no thread is on, looked at together: where no word that is in use leads into code that goes away, no
 * context can be in the way, whosever it is. A hypervisor has dozens of such stacks, and reading them one by one
 * would be most of its stop; the few that are left are looked at in detail (suspended.ts).
 */
import { WORD } from '../bytes/words.ts';
import type { BatchReader } from '../sys/memory.ts';
import type { Observer } from './observe.ts';
import { sharedReader } from './own-stacks.ts';
import { CodeWords } from './quiet.ts';
import type { ForbiddenRange } from './safety.ts';
import type { StackOwners } from './stack-owners.ts';
import type { SuspendedInput } from './suspended.ts';
import type { MappingView, TryRead } from './view.ts';

/** More would be no batch: such a mapping is searched piece by piece. */
const DEEPEST = 3 << 20;

export class IdleStacks {
  readonly #owners: StackOwners;
  readonly #residentRuns: SuspendedInput['residentRuns'];
  readonly #words: CodeWords;
  readonly #reader: BatchReader;

  constructor(
    { owners, residentRuns }: Pick<Observer, 'owners' | 'residentRuns'>,
    forbidden: readonly ForbiddenRange[],
  ) {
    this.#owners = owners;
    this.#residentRuns = residentRuns;
    this.#words = new CodeWords(forbidden);
    this.#reader = sharedReader();
  }

  /**
   * Those of the stacks that are not proved to be out of the way; undefined if the time was over before.
   * @param threadPointer of any thread
   */
  loud(
    pid: number,
    stacks: readonly MappingView[],
    threadPointer: bigint | undefined,
    tryRead: TryRead,
    expired: () => boolean,
  ): readonly MappingView[] | undefined {
    const secret = threadPointer === undefined ? undefined : this.#owners.secret(threadPointer, tryRead);
    return this.#loud(pid, stacks, secret, expired);
  }

  /** Does the same on the running process: the result means nothing, but the code has been run. */
  rehearse(pid: number, stacks: readonly MappingView[]): void {
    this.#loud(pid, stacks, 0n, () => false);
  }

  #loud(
    pid: number,
    stacks: readonly MappingView[],
    secret: bigint | undefined,
    expired: () => boolean,
  ): readonly MappingView[] | undefined {
    const reader = this.#reader;
    const { starts, ends } = this.#owners.inUseOfAll(pid, stacks, secret, reader);
    const loud = new Set<MappingView>();
    const stackOf: MappingView[] = [];
    const look = (): void => {
      reader.readEach(pid, (index, from, to, isWhole) => {
        if (!isWhole || this.#words.anyLeadsIn(reader.halves, from, to)) loud.add(stackOf[index]!);
      });
      reader.clear();
      stackOf.length = 0;
    };
    for (let i = 0; i < stacks.length; i++) {
      const stack = stacks[i]!;
      for (const { start, end } of this.#inUse(stack, starts[i]!, ends[i]!)) {
        const size = end - start;
        if (size > DEEPEST) {
          loud.add(stack);
          break;
        }
        if (!reader.add(start, size)) {
          if (expired()) return undefined;
          look();
          reader.add(start, size);
        }
        stackOf.push(stack);
      }
    }
    look();
    return stacks.filter((stack) => loud.has(stack));
  }

  /** The parts of a stack that a context may use: [start, end) if that is known. */
  #inUse(stack: MappingView, start: number, end: number): { start: number; end: number }[] {
    if (start >= 0) return [{ start: start - (start % WORD), end: end - (end % WORD) }];
    // What was reserved and never used is most of a stack.
    const runs = this.#residentRuns(stack.start, stack.end);
    return runs.map((run) => ({ start: Number(run.start), end: Number(run.end) }));
  }
}
