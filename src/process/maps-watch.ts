import { closeSync, openSync, readSync } from 'node:fs';

/** So much of the text is asked for at once; the kernel gives about a page. */
const PIECE = 16384;

/**
 * Whether the mappings of a process are what they were. Their text is compared byte by byte: reading its meaning takes
 * far longer than the kernel takes to write it.
 */
export class MapsWatch implements Disposable {
  readonly #descriptor: number;
  /** What was noted. */
  readonly text: string;
  readonly #before: Buffer;
  readonly #now = Buffer.alloc(PIECE);

  /** Notes the mappings as they are. Throws what opening and reading /proc/PID/maps throws. */
  constructor(pid: number) {
    this.#descriptor = openSync(`/proc/${pid}/maps`, 'r');
    try {
      this.#before = this.#read();
    } catch (error) {
      closeSync(this.#descriptor);
      throw error;
    }
    this.text = this.#before.toString('latin1');
  }

  #read(): Buffer {
    const pieces: Buffer[] = [];
    for (let at = 0; ; ) {
      const size = readSync(this.#descriptor, this.#now, 0, PIECE, at);
      if (size === 0) return Buffer.concat(pieces);
      pieces.push(Buffer.from(this.#now.subarray(0, size)));
      at += size;
    }
  }

  /** False also when the process has lost its memory. */
  isUnchanged(): boolean {
    for (let at = 0; ; ) {
      const size = readSync(this.#descriptor, this.#now, 0, PIECE, at);
      if (size === 0) return at > 0 && at === this.#before.length;
      if (at + size > this.#before.length) return false;
      if (this.#before.compare(this.#now, 0, size, at, at + size) !== 0) return false;
      at += size;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }
}
