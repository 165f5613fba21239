/**
 * A build without a record: `compile_commands.json`, as cmake, meson, bear and others write it, says how each unit is
 * compiled. Clang documentation, "JSON Compilation Database Format Specification".
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import * as v from 'valibot';
import { SutureError } from '../base/errors.ts';
import type { BuildRecord, Environment, RecordedCommand } from './record.ts';
import { expandResponseFiles } from './response-file.ts';
import { splitShellWords } from './shell-words.ts';

const DatabaseSchema = v.array(
  v.object({
    directory: v.string(),
    file: v.string(),
    output: v.optional(v.string()),
    arguments: v.optional(v.array(v.string())),
    command: v.optional(v.string()),
  }),
);

/** DIR/compile_commands.json, or the one in a folder DIR/build*, DIR/out* or DIR/obj-*; undefined: none. */
export function findCompileCommands(directory: string): string | undefined {
  const below = fs
    .readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && /^(build|out|obj-|cmake-build|_build|debian)/.test(entry.name))
    .map((entry) => path.join(directory, entry.name))
    .sort();
  return [directory, ...below]
    .map((folder) => path.join(folder, 'compile_commands.json'))
    .find((file) => fs.existsSync(file));
}

/**
 * A record made of a compilation database. It knows no links.
 * @throws SutureError NO_RECORD if the file is not a database
 */
export function readCompileCommands(file: string, root: string): BuildRecord {
  const remedy = 'record the build instead: suture record -- COMMAND';
  let parsed: unknown;
  try {
    parsed = JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch (error) {
    throw new SutureError('NO_RECORD', `cannot read ${file}: ${(error as Error).message}`, {
      remedy,
      cause: error,
    });
  }
  const database = v.safeParse(DatabaseSchema, parsed);
  if (!database.success)
    throw new SutureError(
      'NO_RECORD',
      `${file} is not a compilation database: ${database.issues[0].message}`,
      { remedy },
    );
  const commands = database.output.flatMap((entry): RecordedCommand[] => {
    const directory = path.resolve(path.dirname(file), entry.directory);
    const given = entry.arguments ?? splitShellWords(entry.command ?? '');
    if (given.length === 0) return [];
    const argv = expandResponseFiles(given, (name) => readOptional(path.resolve(directory, name)));
    return [{ directory, arguments: argv, environment: ourEnvironment() }];
  });
  return { root, commands, linked: new Map() };
}

/** The database does not say in which environment the compiler ran; ours is the best guess. */
function ourEnvironment(): Environment {
  return { PATH: process.env.PATH ?? '/usr/bin:/bin' };
}

function readOptional(file: string): string | undefined {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
