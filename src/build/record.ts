/**
 * The record of a base build: every command that compiled, archived or linked something, in the order in which they
 * ran, and the build ids of what was linked. Stored as DIR/.suture/record.json.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import * as v from 'valibot';
import { SutureError } from '../base/errors.ts';
import { writeAtomically } from './atomic-file.ts';

export const STATE_FOLDER = '.suture';
const FORMAT = 1;

const CommandSchema = v.object({
  /** Absolute folder in which it ran. */
  directory: v.string(),
  /** As executed, response files expanded; the program first. */
  arguments: v.pipe(v.array(v.string()), v.minLength(1)),
  /** Index into `environments`. */
  environment: v.pipe(v.number(), v.integer(), v.minValue(0)),
});

const RecordSchema = v.object({
  format: v.literal(FORMAT),
  /** Absolute folder of the source tree when it was recorded. */
  root: v.string(),
  environments: v.array(v.record(v.string(), v.string())),
  commands: v.array(CommandSchema),
  /** Build id by absolute path of each linked file; null: it has none. */
  linked: v.record(v.string(), v.nullable(v.string())),
});

/** The part of a process's environment that a compiler listens to. */
export type Environment = Readonly<Record<string, string>>;

/** Variables that change what a compiler driver does. GCC manual, "Environment Variables Affecting GCC". */
export const COMPILER_VARIABLES =
  /^(?:PATH|CPATH|C_INCLUDE_PATH|CPLUS_INCLUDE_PATH|OBJC_INCLUDE_PATH|LIBRARY_PATH|LD_LIBRARY_PATH|COMPILER_PATH|GCC_EXEC_PREFIX|SOURCE_DATE_EPOCH|CCC_OVERRIDE_OPTIONS|REALGCC|LANG|LANGUAGE|LC_[A-Z]+|TZ)$/;

export interface RecordedCommand {
  readonly directory: string;
  readonly arguments: readonly string[];
  readonly environment: Environment;
}

export interface BuildRecord {
  readonly root: string;
  readonly commands: readonly RecordedCommand[];
  readonly linked: ReadonlyMap<string, string | null>;
}

export function recordPath(directory: string): string {
  return path.join(directory, STATE_FOLDER, 'record.json');
}

/**
 * Reads the record of the tree at `directory`; undefined if there is none.
 * @throws SutureError NO_RECORD if it cannot be understood
 */
export function loadRecord(directory: string): BuildRecord | undefined {
  const file = recordPath(directory);
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new SutureError('IO', `cannot read ${file}: ${(error as Error).message}`, { cause: error });
  }
  return parseRecord(text, file);
}

function parseRecord(text: string, file: string): BuildRecord {
  const remedy = `delete ${file} and record the build again: suture record -- COMMAND`;
  let stored: unknown;
  try {
    stored = JSON.parse(text);
  } catch (error) {
    throw new SutureError('NO_RECORD', `${file} is not JSON: ${(error as Error).message}`, {
      remedy,
      cause: error,
    });
  }
  const result = v.safeParse(RecordSchema, stored);
  if (!result.success) {
    const issue = result.issues[0];
    throw new SutureError(
      'NO_RECORD',
      `${file} is not a record: ${v.getDotPath(issue) ?? 'top level'}: ${issue.message}`,
      { remedy },
    );
  }
  const { root, environments, commands, linked } = result.output;
  return {
    root,
    commands: commands.map((command) => {
      const environment = environments[command.environment];
      if (environment === undefined)
        throw new SutureError(
          'NO_RECORD',
          `${file} refers to environment ${command.environment}, which it lacks`,
          { remedy },
        );
      return { directory: command.directory, arguments: command.arguments, environment };
    }),
    linked: new Map(Object.entries(linked)),
  };
}

/** Writes the record; a reader sees the old one or the new one, never a part. */
export function saveRecord(directory: string, record: BuildRecord): void {
  const indexOf = new Map<string, number>();
  const environments: Environment[] = [];
  const commands = record.commands.map((command) => {
    const key = JSON.stringify(Object.entries(command.environment).sort());
    let environment = indexOf.get(key);
    if (environment === undefined) {
      environment = environments.push(command.environment) - 1;
      indexOf.set(key, environment);
    }
    return { directory: command.directory, arguments: [...command.arguments], environment };
  });
  const stored: v.InferOutput<typeof RecordSchema> = {
    format: FORMAT,
    root: record.root,
    environments: environments.map((environment) => ({ ...environment })),
    commands,
    linked: Object.fromEntries(record.linked),
  };
  writeAtomically(recordPath(directory), `${JSON.stringify(stored)}\n`);
}
