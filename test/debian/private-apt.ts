/**
 * apt under a configuration of our own: the machine's Debian sources, in folders of a cache, for this machine's packages,
 * for source packages or for those of another CPU. Nothing below /etc/apt or in dpkg's records changes.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../programs/harness.ts';

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

export interface AptOptions {
  readonly type: 'deb' | 'deb-src';
  /** Debian's name of another CPU than this machine's. */
  readonly architecture?: string;
}

/** Where apt's configuration, lists and downloads of this cache are. */
export class PrivateApt {
  readonly #environment: Record<string, string>;

  constructor(cache: string, { type, architecture }: AptOptions) {
    const kind = type === 'deb-src' ? 'apt' : `apt-${architecture ?? 'binary'}`;
    const folder = join(cache, kind);
    for (const name of [
      'etc/sources.list.d',
      'etc/apt.conf.d',
      'etc/preferences.d',
      'lists/partial',
      'cache/archives/partial',
    ])
      mkdirSync(join(folder, name), { recursive: true });
    const configuration = [
      'APT::Sandbox::User "root";',
      'Acquire::Languages "none";',
      `Dir::Etc "${folder}/etc";`,
      'Dir::Etc::SourceList "-";',
      `Dir::Etc::SourceParts "${folder}/etc/sources.list.d";`,
      `Dir::State::Lists "${folder}/lists";`,
      `Dir::Cache "${folder}/cache";`,
      ...(architecture === undefined ? [] : foreign(folder, architecture)),
      '',
    ];
    writeFileSync(join(folder, 'apt.conf'), configuration.join('\n'));
    const sources = hostSources(type);
    if (sources.size === 0)
      throw new Error('no Debian sources in /etc/apt: add one, e.g. /etc/apt/sources.list.d/debian.sources');
    for (const [name, text] of sources) writeFileSync(join(folder, 'etc/sources.list.d', name), text);
    this.#environment = { APT_CONFIG: join(folder, 'apt.conf') };
  }

  async update(folder: string): Promise<void> {
    await this.run('apt-get', ['update', '-q'], folder);
  }

  /** A command of apt's under this configuration. */
  run(command: 'apt-get' | 'apt-cache', args: readonly string[], folder: string): Promise<string> {
    return must(command, args, folder, this.#environment);
  }
}

/** What is installed here says nothing of another CPU's packages. */
function foreign(folder: string, architecture: string): string[] {
  writeFileSync(join(folder, 'status'), '');
  return [
    `APT::Architecture "${architecture}";`,
    `APT::Architectures { "${architecture}"; };`,
    `Dir::State::Status "${folder}/status";`,
    'Dir::Cache::pkgcache "";',
    'Dir::Cache::srcpkgcache "";',
  ];
}

/** The machine's sources of Debian's main archive, asked for `type`, by file name, without the word that binds them to its CPU. */
function hostSources(type: AptOptions['type']): Map<string, string> {
  const found = new Map<string, string>();
  const parts = '/etc/apt/sources.list.d';
  const lists = ['/etc/apt/sources.list'];
  for (const name of existsSync(parts) ? readdirSync(parts) : []) {
    if (name.endsWith('.list')) lists.push(join(parts, name));
    if (!name.endsWith('.sources')) continue;
    const text = readFileSync(join(parts, name), 'utf8');
    if (/^Suites:.*bookworm/m.test(text))
      found.set(
        name,
        text.replaceAll(/^Architectures:.*\n/gm, '').replaceAll(/^Types:.*/gm, `Types: ${type}`),
      );
  }
  const lines = lists
    .flatMap((path) => (existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []))
    .filter((line) => /^deb\s.*\bbookworm/.test(line))
    .map((line) => line.replace(/^deb\s/, `${type} `).replace(/\barch=[^\]\s]*\s*/, ''));
  if (lines.length > 0) found.set('host.list', `${lines.join('\n')}\n`);
  return found;
}
