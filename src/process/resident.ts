/** Which pages of a target hold anything: /proc/PID/pagemap, see the kernel's Documentation/admin-guide/mm/pagemap.rst. */
import { closeSync, openSync, readSync } from 'node:fs';
import { plus, type Remote } from '../bytes/address.ts';

export interface ResidentRun {
  readonly start: Remote;
  readonly end: Remote;
}

/** Each page has a 64-bit entry; bit 63: in memory, bit 62: swapped out. Both are in its last byte. */
const ENTRY = 8;
const TOUCHED = 0xc0;
/** Entries read at once. */
const BATCH = 8192;

/** Asks for the pages of one process, again and again. */
export class Residency {
  /** Opened when it is first asked; undefined where the kernel does not tell. */
  #descriptor: number | undefined;
  #isOpened = false;

  constructor(
    readonly pid: number,
    readonly pageSize: number,
  ) {}

  /**
   * Runs of pages in [start, end) that were ever written to or read, for memory of which most was only reserved. Where
   * the kernel does not tell, all of it.
   */
  runs(start: Remote, end: Remote): ResidentRun[] {
    if (!this.#isOpened) this.#open();
    return this.#descriptor === undefined
      ? [{ start, end }]
      : runs(this.#descriptor, start, end, this.pageSize);
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
    this.#isOpened = true;
  }

  #open(): void {
    this.#isOpened = true;
    try {
      this.#descriptor = openSync(`/proc/${this.pid}/pagemap`, 'r');
    } catch {
      this.#descriptor = undefined;
    }
  }
}

function runs(descriptor: number, start: Remote, end: Remote, pageSize: number): ResidentRun[] {
  const found: ResidentRun[] = [];
  const count = Number(end - start) / pageSize;
  const first = Number(start / BigInt(pageSize));
  const entries = new Uint8Array(Math.min(count, BATCH) * ENTRY);
  let open: number | undefined;
  const close = (page: number): void => {
    if (open !== undefined)
      found.push({ start: plus(start, open * pageSize), end: plus(start, page * pageSize) });
    open = undefined;
  };
  for (let page = 0; page < count; page += BATCH) {
    const wanted = Math.min(count - page, BATCH) * ENTRY;
    const got = readSync(descriptor, entries, 0, wanted, (first + page) * ENTRY);
    if (got < wanted) return [{ start, end }];
    for (let i = 0; i * ENTRY < got; i++) {
      const touched = (entries[i * ENTRY + ENTRY - 1]! & TOUCHED) !== 0;
      if (touched) open ??= page + i;
      else close(page + i);
    }
  }
  close(count);
  return found;
}
