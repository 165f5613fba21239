// Bundles the command line into dist/suture.mjs and the library into dist/index.mjs, with its types in dist/types.
// One file each: a cold start must not walk node_modules, and what a command does not use is parsed but never run.
// koffi stays outside (native code), and is loaded when used. With --no-types the types stay as they are.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const shared = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  external: ['koffi'],
  legalComments: 'none',
  logLevel: 'warning',
  // A bundled CommonJS package calls require; an ES module has none of its own.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
};
await build({
  ...shared,
  minifySyntax: true,
  minifyWhitespace: true,
  entryPoints: ['src/cli/main.ts'],
  outfile: 'dist/suture.mjs',
});
await build({ ...shared, entryPoints: ['src/index.ts'], outfile: 'dist/index.mjs' });

if (process.argv.includes('--no-types')) process.exit(0);
rmSync(`${root}/dist/types`, { recursive: true, force: true });
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const types = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.types.json'], {
  cwd: root,
  stdio: 'inherit',
});
process.exitCode = types.status ?? 1;
