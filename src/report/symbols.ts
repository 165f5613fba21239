/** What `suture symbols` wrote. */
import type { PatchCode } from '../apply/code-names.ts';
import { hex } from '../bytes/address.ts';

export interface WrittenSymbols {
  readonly pid: number;
  readonly format: 'elf' | 'perf';
  /** undefined: the process has no patches. */
  readonly file: string | undefined;
  readonly patches: readonly PatchCode[];
}

/** The document of `suture symbols --json`. Addresses are hexadecimal strings, sizes bytes. */
export function symbolsDocument({ pid, format, file, patches }: WrittenSymbols) {
  return {
    pid,
    format,
    ...(file === undefined ? {} : { file }),
    symbols: patches.flatMap(({ id, code }) =>
      code.map(({ name, start, size }) => ({ name, address: hex(start), size, id })),
    ),
  };
}

export function symbolsText({ pid, format, file, patches }: WrittenSymbols): string {
  if (file === undefined) return `process ${pid} has no patches\n`;
  const count = patches.reduce((sum, { code }) => sum + code.length, 0);
  const next = format === 'elf' ? `in gdb: add-symbol-file ${file}` : 'perf reads it as /tmp/perf-PID.map';
  return `${file}: ${count} names; ${next}\n`;
}
