/** Turns assembler text into an object file with the compiler driver that compiled the unit. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SutureError } from '../base/errors.ts';
import { ElfImage } from '../elf/image.ts';

/** What of a recorded compile command matters to the assembler. */
export interface AssemblerCommand {
  /** The driver, e.g. /usr/bin/gcc. */
  readonly driver: string;
  /** Options of the compile command; those that do not concern the assembler are left out here. */
  readonly options: readonly string[];
  /** Folder in which the unit is compiled. */
  readonly directory: string;
  /** Complete environment; undefined: the one of this process. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
}

/** Options that take the next argument along. */
const WITH_VALUE = new Set(['-Xassembler', '-target', '--sysroot', '-B', '-arch']);
/** Options that choose the assembler, its target or what it emits. Everything else shapes only the compiler's work. */
const PASSED =
  /^(-m|-Wa,|-B|--target=|--sysroot=|-fintegrated-as|-fno-integrated-as|-no-integrated-as|-integrated-as|--gcc-toolchain=|-specs=)/;
/** Listings and the like would go to standard output. */
const DROPPED = /^-Wa,-(a[a-z]*|M[DP]?)(=|,|$)/;

function assemblerOptions(options: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < options.length; i++) {
    const option = options[i]!;
    const value = options[i + 1];
    if (WITH_VALUE.has(option) && value !== undefined) {
      kept.push(option, value);
      i++;
    } else if (PASSED.test(option) && !DROPPED.test(option)) {
      kept.push(option);
    }
  }
  return kept;
}

/**
 * Assembles `text` (one character a byte) and returns the object.
 * @param what names the text in messages, e.g. "the patched functions of src/parse.c"
 * @throws SutureError COMPILE with the assembler's words; TOOLCHAIN when the driver cannot be run.
 */
export async function assembleUnit(
  command: AssemblerCommand,
  text: string | Uint8Array,
  what: string,
): Promise<ElfImage> {
  const folder = await mkdtemp(join(tmpdir(), 'suture-as-'));
  try {
    const input = join(folder, 'unit.s');
    const output = join(folder, 'unit.o');
    await writeFile(input, typeof text === 'string' ? Buffer.from(text, 'latin1') : text);
    const argv = [...assemblerOptions(command.options), ...['-c', '-x', 'assembler', input, '-o', output]];
    await run(command, argv, what);
    return ElfImage.parse(await readFile(output), what);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The most of the assembler's messages that is repeated. */
const MESSAGE_LIMIT = 4000;

function run(command: AssemblerCommand, argv: readonly string[], what: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command.driver, argv, {
      cwd: command.directory,
      ...(command.environment === undefined ? {} : { env: command.environment }),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let message = '';
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (piece: string) => {
      if (message.length < MESSAGE_LIMIT) message += piece.slice(0, MESSAGE_LIMIT);
    });
    child.on('error', (cause) => {
      reject(
        new SutureError('TOOLCHAIN', `cannot run ${command.driver}: ${cause.message}`, {
          remedy: 'install the compiler that built the base, or put it on the PATH',
          cause,
        }),
      );
    });
    child.on('close', (status, signal) => {
      if (status === 0) return resolve();
      const how = signal === null ? `exit status ${status}` : `signal ${signal}`;
      reject(
        new SutureError('COMPILE', `cannot assemble ${what} (${how}):\n${message.trim()}`, {
          remedy:
            'this text was made by suture: please report it with the source file and the compiler version',
        }),
      );
    });
  });
}
