/**
 * A Debian source package at a pinned version, fetched through an apt configuration of our own: the machine's
 * sources, asked for source packages (or for packages), in folders of the cache. Nothing below /etc/apt changes.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../programs/harness.ts';

export interface SourcePackage {
  readonly name: string;
  readonly version: string;
  /** The base is the package with its patches up to, and without, this one of debian/patches/series. */
  readonly firstPatchLeftOut: string;
  /** Later patches that the base has all the same. */
  readonly laterPatches?: readonly string[];
}

/** What a command prints; its failure is an error with its last words. */
export async function must(
  command: string,
  args: readonly string[],
  cwd: string,
  environment: Record<string, string> = {},
): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, { cwd, environment, seconds: 1800 });
  if (code !== 0)
    throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${(stdout + stderr).slice(-3000)}`);
  return stdout;
}

/** Where apt's configuration, lists and downloads of this cache are. */
export class PrivateApt {
  readonly #environment: Record<string, string>;
  readonly #folder: string;

  constructor(cache: string, type: 'deb' | 'deb-src') {
    this.#folder = join(cache, type === 'deb' ? 'apt-binary' : 'apt');
    for (const name of [
      'etc/sources.list.d',
      'etc/apt.conf.d',
      'etc/preferences.d',
      'lists/partial',
      'cache/archives/partial',
    ])
      mkdirSync(join(this.#folder, name), { recursive: true });
    const configuration = [
      'APT::Sandbox::User "root";',
      'Acquire::Languages "none";',
      `Dir::Etc "${this.#folder}/etc";`,
      'Dir::Etc::SourceList "-";',
      `Dir::Etc::SourceParts "${this.#folder}/etc/sources.list.d";`,
      `Dir::State::Lists "${this.#folder}/lists";`,
      `Dir::Cache "${this.#folder}/cache";`,
      '',
    ];
    writeFileSync(join(this.#folder, 'apt.conf'), configuration.join('\n'));
    const sources = hostSources(type);
    if (sources.size === 0)
      throw new Error('no Debian sources in /etc/apt: add one, e.g. /etc/apt/sources.list.d/debian.sources');
    for (const [name, text] of sources) writeFileSync(join(this.#folder, 'etc/sources.list.d', name), text);
    this.#environment = { APT_CONFIG: join(this.#folder, 'apt.conf') };
  }

  async update(folder: string): Promise<void> {
    await this.run('apt-get', ['update', '-q'], folder);
  }

  /** A command of apt's under this configuration. */
  run(command: 'apt-get' | 'apt-cache', args: readonly string[], folder: string): Promise<string> {
    return must(command, args, folder, this.#environment);
  }

  /** Puts the files of the source package into `folder`. */
  async download(source: SourcePackage, folder: string): Promise<void> {
    await this.update(folder);
    const pinned = `${source.name}=${source.version}`;
    try {
      await this.run('apt-get', ['source', '--download-only', '-q', pinned], folder);
    } catch (error) {
      const available = await run('apt-cache', ['showsrc', '--only-source', source.name], {
        environment: this.#environment,
      });
      const versions = [...available.stdout.matchAll(/^Version: (.*)$/gm)].map(([, version]) => version);
      throw new Error(
        `the pinned ${pinned} could not be had; served are: ${versions.join(', ') || 'none'}\n${String(error)}`,
      );
    }
  }
}

/** The machine's sources of Debian's main archive, asked for `type`, by file name. */
function hostSources(type: 'deb' | 'deb-src'): Map<string, string> {
  const found = new Map<string, string>();
  const parts = '/etc/apt/sources.list.d';
  for (const name of existsSync(parts) ? readdirSync(parts) : []) {
    const text = readFileSync(join(parts, name), 'utf8');
    if (name.endsWith('.sources') && /^Suites:.*bookworm/m.test(text))
      found.set(name, text.replaceAll(/^Types:.*/gm, `Types: ${type}`));
  }
  const list = existsSync('/etc/apt/sources.list') ? readFileSync('/etc/apt/sources.list', 'utf8') : '';
  const lines = list.split('\n').filter((line) => /^deb\s.*\bbookworm/.test(line));
  if (lines.length > 0)
    found.set('host.list', `${lines.map((line) => line.replace(/^deb\s/, `${type} `)).join('\n')}\n`);
  return found;
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
  if (!existsSync(join(downloads, dsc))) await new PrivateApt(cache, 'deb-src').download(source, downloads);
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
