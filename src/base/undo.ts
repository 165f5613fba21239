/**
 * A list of how to take back what has been done, noted before it is done. Leaving the scope takes everything back,
 * last first, unless `keep` was called.
 */
export class UndoList implements Disposable {
  readonly #steps: { readonly what: string; readonly undo: () => void }[] = [];
  readonly #failures: { readonly what: string; readonly error: unknown }[] = [];

  /** Notes how to take back what the caller is about to do. */
  note(what: string, undo: () => void): void {
    this.#steps.push({ what, undo });
  }

  /** Everything done so far stays done. */
  keep(): void {
    this.#steps.length = 0;
  }

  /** Takes everything back, last first. A step that fails does not stop the others; see `failures`. */
  rollBack(): void {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        step.undo();
      } catch (error) {
        this.#failures.push({ what: step.what, error });
      }
    }
  }

  get failures(): readonly { readonly what: string; readonly error: unknown }[] {
    return this.#failures;
  }

  [Symbol.dispose](): void {
    this.rollBack();
  }
}
