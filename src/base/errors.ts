/**
 * An error that ends a user's search: what is wrong, where, while doing what, and what to do about it.
 *
 *     no free 2 MiB within 2 GiB of 0x7f21a000 [NO_ROOM]
 *       while placing the patch near /usr/lib/libssl.so.3
 *       while applying CVE-2024-1 to pid 4242
 */

/** Exit codes of the command line. Source: README.md, "Exit codes". */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  nothing: 3,
  busy: 4,
  invalidPatch: 5,
  refusedToBuild: 6,
  partial: 7,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Stable codes, printed in brackets after the message. Scripts may match on them; never reuse or rename one. */
export const ERROR_EXIT = {
  USAGE: EXIT.usage,
  INTERNAL: EXIT.failed,
  IO: EXIT.failed,
  SYSCALL: EXIT.failed,
  NO_PROCESS: EXIT.failed,
  NO_PERMISSION: EXIT.failed,
  PROCESS_GONE: EXIT.failed,
  PROCESS_UNFIT: EXIT.busy,
  NOT_ELF: EXIT.failed,
  BAD_FORMAT: EXIT.failed,
  BAD_PATCH: EXIT.invalidPatch,
  FOREIGN_PATCH: EXIT.invalidPatch,
  NO_BUILD_ID: EXIT.refusedToBuild,
  NO_ROOM: EXIT.busy,
  BUSY: EXIT.busy,
  UNSAFE: EXIT.busy,
  NOT_APPLIED: EXIT.nothing,
  ALREADY_APPLIED: EXIT.nothing,
  NOT_APPLICABLE: EXIT.nothing,
  NO_CHANGE: EXIT.nothing,
  MISSING_SYMBOL: EXIT.busy,
  RELOCATION: EXIT.failed,
  NO_RECORD: EXIT.failed,
  DIFF: EXIT.failed,
  COMPILE: EXIT.failed,
  TOOLCHAIN: EXIT.failed,
  REFUSED: EXIT.refusedToBuild,
  UNSUPPORTED: EXIT.failed,
} as const satisfies Record<string, ExitCode>;
export type ErrorCode = keyof typeof ERROR_EXIT;

/** What helps when whoever raises the error knows nothing better. */
const USUAL_REMEDY: Partial<Record<ErrorCode, string>> = {
  BAD_PATCH: 'copy the patch again, or build it again with `suture build`',
  BAD_FORMAT: 'get the file again; if it is as its maker left it, report this',
  NOT_ELF: 'name an executable or a shared library',
  NO_PROCESS: 'name a process that runs',
  PROCESS_GONE: 'run the command again for the processes that run now',
};

export interface ErrorDetails {
  /** What the user can do, one sentence; shown after "try:" by the command line. */
  readonly remedy?: string;
  readonly cause?: unknown;
}

export class SutureError extends Error {
  readonly code: ErrorCode;
  readonly remedy: string | undefined;
  /** What was being done, innermost first. */
  readonly context: string[] = [];

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'SutureError';
    this.code = code;
    this.remedy = details.remedy ?? USUAL_REMEDY[code];
  }

  get exitCode(): ExitCode {
    return ERROR_EXIT[this.code];
  }

  /** The whole story on as many lines as it needs, without colours. */
  explain(): string {
    // A compiler's or linker's own words may follow the first line.
    const [first = '', ...words] = this.message.split('\n');
    const lines = [`${first} [${this.code}]`, ...words, ...this.context.map((doing) => `  while ${doing}`)];
    if (this.remedy !== undefined) lines.push(`  try: ${this.remedy}`);
    return lines.join('\n');
  }
}

/**
 * Runs `work`; an error that leaves it gains a line "while <doing>". Errors that are not SutureErrors are defects:
 * they pass unchanged.
 */
export function during<T>(doing: string, work: () => T): T {
  try {
    const result = work();
    if (result instanceof Promise) return result.catch((error: unknown) => rethrow(error, doing)) as T;
    return result;
  } catch (error) {
    return rethrow(error, doing);
  }
}

function rethrow(error: unknown, doing: string): never {
  if (error instanceof SutureError) error.context.push(doing);
  throw error;
}

/** For a `default` branch that the type checker proves unreachable. */
export function unreachable(value: never): never {
  throw new SutureError('INTERNAL', `impossible value ${JSON.stringify(value)}`);
}
