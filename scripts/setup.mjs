// What a fresh clone lacks: npm packages, Debian packages, the bundle. Node's own modules only.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensurePackages } from './packages.mjs';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const modified = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);

/** Time of the newest file below `folder`, in milliseconds. */
function newestBelow(folder) {
  let newest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) newest = Math.max(newest, modified(join(entry.path, entry.name)));
  }
  return newest;
}

/** Runs a command in the project's folder with its output shown; true if it ended well. */
export function run(command, args, options = {}) {
  return spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options }).status === 0;
}

/** `npm ci` if the installed packages are missing or older than the lock file. */
export function ensureModules() {
  const installed = modified(join(root, 'node_modules/.package-lock.json'));
  if (installed > 0 && installed >= modified(join(root, 'package-lock.json'))) return true;
  console.log('installing npm packages (npm ci)');
  return run('npm', ['ci', '--no-audit', '--no-fund']);
}

/** Bundles again if a source is newer than the bundle. */
export function ensureBundle() {
  const sources = Math.max(newestBelow(join(root, 'src')), modified(join(root, 'package.json')));
  if (modified(join(root, 'dist/commands.cjs')) > sources) return true;
  return run(process.execPath, ['scripts/bundle.mjs', '--no-types']);
}

/** Everything for 'demo' or 'test'; exits with 1 and the reason already shown if something cannot be had. */
export function setUp(purpose) {
  if (!ensurePackages(purpose) || !ensureModules()) process.exit(1);
}
