import { EXIT, type ExitCode, SutureError } from '../base/errors.ts';
import type { Paint } from '../report/paint.ts';

/** An error as `--json` shows it. */
export interface FailureDocument {
  readonly error: {
    readonly code: string;
    readonly message: string;
    /** What was being done, innermost first. */
    readonly context: readonly string[];
    readonly remedy?: string;
  };
}

export function failureExit(error: unknown): ExitCode {
  return error instanceof SutureError ? error.exitCode : EXIT.failed;
}

export function failureDocument(error: unknown): FailureDocument {
  if (error instanceof SutureError) {
    const { code, message, context, remedy } = error;
    return { error: { code, message, context: [...context], ...(remedy === undefined ? {} : { remedy }) } };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { error: { code: 'INTERNAL', message, context: [] } };
}

/** The error for a person. A defect of suture shows where it happened, so that it can be reported. */
export function failureText(error: unknown, paint: Paint): string {
  if (error instanceof SutureError && error.code !== 'INTERNAL') {
    return `${paint.red('suture:')} ${error.explain()}\n`;
  }
  const story = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `${paint.red('suture:')} a defect of suture, please report it with these lines:\n${story}\n`;
}
