/** A Debian source package at a pinned version, fetched through an apt configuration of our own. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must, PrivateApt } from '../debian/private-apt.ts';

export interface SourcePackage {
  readonly name: string;
  readonly version: string;
  /** The base is the package with its patches up to, and without, this one of debian/patches/series. */
  readonly firstPatchLeftOut: string;
  /** Later patches that the base has all the same. */
  readonly laterPatches?: readonly string[];
}

/** Puts the files of the source package into `folder`. */
async function download(apt: PrivateApt, source: SourcePackage, folder: string): Promise<void> {
  await apt.update(folder);
  const pinned = `${source.name}=${source.version}`;
  try {
    await apt.run('apt-get', ['source', '--download-only', '-q', pinned], folder);
  } catch (error) {
    const available = await apt
      .run('apt-cache', ['showsrc', '--only-source', source.name], folder)
      .catch(() => '');
    const versions = [...available.matchAll(/^Version: (.*)$/gm)].map(([, version]) => version);
    throw new Error(
      `the pinned ${pinned} could not be had; served are: ${versions.join(', ') || 'none'}\n${String(error)}`,
    );
  }
}

/**
 * Puts the source of a package, with its patches up to the one named, into `folder`/tree and its patches into
 * `folder`/patches. The archives stay in the cache.
 */
export async function unpack(
  cache: string,
  source: SourcePackage,
  folder: string,
): Promise<{ tree: string; patches: string }> {
  const tree = join(folder, 'tree');
  const patches = join(folder, 'patches');
  const downloads = join(cache, 'downloads');
  mkdirSync(folder, { recursive: true });
  mkdirSync(downloads, { recursive: true });
  const dsc = `${source.name}_${source.version.replace(/^\d+:/, '')}.dsc`;
  if (!existsSync(join(downloads, dsc)))
    await download(new PrivateApt(cache, { type: 'deb-src' }), source, downloads);
  await must('dpkg-source', ['--no-check', '--skip-patches', '-x', join(downloads, dsc), tree], folder);
  // The patches stand outside the tree, as a user's download would.
  renameSync(join(tree, 'debian/patches'), patches);
  const series = readFileSync(join(patches, 'series'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const end = series.indexOf(source.firstPatchLeftOut);
  if (end < 0)
    throw new Error(`${source.firstPatchLeftOut} is not in the series of ${source.name} ${source.version}`);
  for (const name of [...series.slice(0, end), ...(source.laterPatches ?? [])])
    await must('patch', ['-p1', '-s', '-f', '--no-backup-if-mismatch', '-i', join(patches, name)], tree);
  return { tree, patches };
}

/**
 * The unpacked base of a package, with its patches applied up to the one named; the tree is made anew unless `recipe`
 * (whatever else went into it) is what it was. Returns the folder and whether it was there already.
 */
export async function unpackedBase(
  cache: string,
  source: SourcePackage,
  recipe: string,
): Promise<{ tree: string; patches: string; ready: boolean; markReady: () => void }> {
  const folder = join(cache, source.name);
  const tree = join(folder, 'tree');
  const marker = join(folder, 'ready');
  const key = createHash('sha256').update(JSON.stringify(source)).update(recipe).digest('hex');
  const patches = join(folder, 'patches');
  const markReady = (): void => writeFileSync(marker, key);
  if (existsSync(marker) && readFileSync(marker, 'utf8') === key)
    return { tree, patches, ready: true, markReady };

  rmSync(folder, { recursive: true, force: true });
  await unpack(cache, source, folder);
  return { tree, patches, ready: false, markReady };
}
