/**
 * A folder of patches as LibcarePlus lays it out: one patch for each build id, found without reading the others.
 *
 *     BUILDID/latest -> LEVEL     the level in force
 *     BUILDID/LEVEL/kpatch.bin    the patch of a level; BUILDID/LEVEL/description
 *     BUILDID.kpatch              where there are no levels
 *     before, after               executables, called with the process id
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { SutureError } from '../base/errors.ts';
import type { Patch } from '../patch/patch.ts';
import { loadPatches } from '../store/catalogue.ts';

export interface PatchStore {
  readonly path: string;
  /** The patches for these build ids. */
  patchesFor(buildIds: readonly string[]): Patch[];
  /** Runs a script of the store, if it has one. IO if it fails. */
  runScript(name: 'before' | 'after', pid: number): void;
}

/** A patch file, or a folder. IO if it is neither. */
export function openStore(path: string): PatchStore {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) {
    throw new SutureError('IO', `there is no ${path}`, { remedy: 'name a .kpatch file or a folder of them' });
  }
  if (stat.isDirectory()) return folderStore(path);
  const { patch } = loadPatches([path])[0]!;
  return {
    path,
    patchesFor: (buildIds) => (buildIds.includes(patch.manifest.target.buildId) ? [patch] : []),
    runScript() {},
  };
}

function folderStore(path: string): PatchStore {
  const known = new Map<string, Patch | undefined>();
  return {
    path,
    patchesFor: (buildIds) =>
      [...new Set(buildIds)].flatMap((buildId) => {
        const found = known.has(buildId) ? known.get(buildId) : patchIn(path, buildId);
        known.set(buildId, found);
        return found ?? [];
      }),
    runScript(name, pid) {
      const script = join(path, name);
      if (!isExecutable(script)) return;
      const { status, signal, error } = spawnSync(script, [String(pid)], {
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      if (status === 0) return;
      const how = error?.message ?? (signal === null ? `exit code ${status}` : `signal ${signal}`);
      throw new SutureError('IO', `the script ${script} ${pid} failed: ${how}`, {
        remedy: 'mend the script, or take it out of the folder',
      });
    },
  };
}

function patchIn(folder: string, buildId: string): Patch | undefined {
  const leveled = join(folder, buildId, 'latest', 'kpatch.bin');
  const flat = join(folder, `${buildId}.kpatch`);
  const file = existsSync(leveled) ? leveled : existsSync(flat) ? flat : undefined;
  if (file === undefined) return undefined;
  const { patch } = loadPatches([file])[0]!;
  if (patch.manifest.target.buildId !== buildId) {
    throw new SutureError('BAD_PATCH', `${file} is for ${patch.manifest.target.buildId}, not ${buildId}`, {
      remedy: 'put it into the folder under the build id that it is for',
    });
  }
  const level = file === leveled ? levelOf(join(folder, buildId, 'latest')) : undefined;
  return level === undefined ? patch : { ...patch, level };
}

/** The number that the link leads to. */
function levelOf(latest: string): number | undefined {
  try {
    const level = basename(readlinkSync(latest));
    return /^\d{1,9}$/.test(level) ? Number(level) : undefined;
  } catch {
    return undefined;
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** What the level's author wrote about it; undefined if nothing. */
export function descriptionOf(folder: string, buildId: string, level: number): string | undefined {
  try {
    return readFileSync(join(folder, buildId, String(level), 'description'), 'utf8').trim();
  } catch {
    return undefined;
  }
}
