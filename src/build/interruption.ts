/** Cleans up when a signal ends the process in the middle of something, then lets the signal do its work. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/**
 * Until disposed, SIGINT, SIGTERM, SIGHUP, SIGQUIT and process.exit run `cleanUp` first. A host program with handlers
 * of its own for the signal decides itself what happens then.
 */
export class CleanUpOnExit implements Disposable {
  readonly #cleanUp: () => void;
  readonly #handlers: (readonly [NodeJS.Signals, () => void])[];

  constructor(cleanUp: () => void) {
    this.#cleanUp = cleanUp;
    this.#handlers = SIGNALS.map((signal) => [signal, () => this.#interrupted(signal)] as const);
    for (const [signal, handler] of this.#handlers) process.on(signal, handler);
    process.on('exit', this.#cleanUp);
  }

  [Symbol.dispose](): void {
    for (const [signal, handler] of this.#handlers) process.off(signal, handler);
    process.off('exit', this.#cleanUp);
  }

  #interrupted(signal: NodeJS.Signals): void {
    this.#cleanUp();
    this[Symbol.dispose]();
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
  }
}
