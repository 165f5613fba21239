/** The record of a tree's base build: the one that was made, or what can stand in for it. */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { SutureError } from '../base/errors.ts';
import type { Progress } from '../base/progress.ts';
import { findCompileCommands, readCompileCommands } from './compile-commands.ts';
import { takeNoted } from './noted.ts';
import { type Project, projectOf } from './project.ts';
import { loadRecord } from './record.ts';
import { record } from './recorder.ts';

/**
 * The record if there is one, else compile_commands.json, else a record made by running ninja or make here.
 * @param root absolute real path of the tree
 * @throws SutureError NO_RECORD with the remedy
 */
export async function obtainProject(root: string, progress: Progress): Promise<Project> {
  takeNoted(root);
  const stored = loadRecord(root);
  if (stored !== undefined) {
    if (stored.root !== root) {
      throw new SutureError(
        'NO_RECORD',
        `${root} was recorded as ${stored.root}: the paths in its record lead elsewhere`,
        {
          remedy: 'record the build again where the tree is now: suture record -- COMMAND',
        },
      );
    }
    return projectOf(stored);
  }
  const database = findCompileCommands(root);
  if (database !== undefined) {
    progress.note(`no record here; using ${path.relative(root, database)}`);
    return projectOf(readCompileCommands(database, root));
  }
  const command = buildCommand(root);
  if (command === undefined) throw noRecord(root);
  progress.note(`no record here; running ${command.join(' ')} to make one`);
  const { exitCode, units } = await record(command, root, progress);
  if (exitCode !== 0) {
    throw new SutureError('NO_RECORD', `${command.join(' ')} ended with exit code ${exitCode}`, {
      remedy: 'build the base yourself under the recorder: suture record -- COMMAND',
    });
  }
  if (units === 0) {
    throw new SutureError(
      'NO_RECORD',
      `${root} was built before, and ${command.join(' ')} had nothing left to compile`,
      {
        remedy: 'clean the tree and record the build: make clean; suture record -- make',
      },
    );
  }
  return projectOf(loadRecord(root)!);
}

function buildCommand(root: string): string[] | undefined {
  const has = (name: string): boolean => fs.existsSync(path.join(root, name));
  if (has('build.ninja')) return ['ninja'];
  if (has('Makefile') || has('makefile') || has('GNUmakefile')) return ['make'];
  return undefined;
}

function noRecord(root: string): SutureError {
  return new SutureError(
    'NO_RECORD',
    `${root} was not recorded, and holds neither compile_commands.json nor a Makefile nor build.ninja`,
    {
      remedy: 'run the base build under the recorder: suture record -- COMMAND',
    },
  );
}
