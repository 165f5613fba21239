/** What a long operation tells while it goes on. The command line draws it; the library's default says nothing. */
export interface Progress {
  /** A named step has begun, or is `done` of `total` through. */
  step(name: string, done?: number, total?: number): void;
  /** Something worth a line in a verbose log. */
  note(text: string): void;
  /** Something the user must be told although the operation goes on. */
  warn(text: string): void;
}

export const silent: Progress = { step() {}, note() {}, warn() {} };
