// Bundles the commands into dist/commands.cjs, with V8's bytecode of them beside it, and the library into
// dist/index.mjs, with its types in dist/types. A cold start must not walk node_modules, and a command that runs for a
// fraction of a second must not compile what it runs. koffi stays outside (native code). With --no-types the types stay
// as they are.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { commonJs } from './bytecode.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const require = createRequire(import.meta.url);
const { bytecodeFile } = require('../bin/run.cjs');
const settings = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20',
  external: ['koffi'],
  legalComments: 'none',
  logLevel: 'warning',
};
mkdirSync(dist, { recursive: true });
await bundleCommands();
await bundleLibrary();

async function bundleCommands() {
  const { text, bytecode } = await commonJs('src/commands.ts', settings);
  for (const name of readdirSync(dist)) if (name.endsWith('.bytecode')) rmSync(join(dist, name));
  // Those that run meanwhile find the old files or the new ones, whole.
  put(bytecodeFile(text), bytecode);
  put(join(dist, 'commands.cjs'), text);
}

async function bundleLibrary() {
  await build({
    ...settings,
    entryPoints: ['src/index.ts'],
    outfile: 'dist/index.mjs',
    format: 'esm',
    // A bundled CommonJS package calls require; an ES module has none of its own.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  });
}

function put(path, content) {
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
}

if (!process.argv.includes('--no-types')) {
  rmSync(join(dist, 'types'), { recursive: true, force: true });
  const tsc = require.resolve('typescript/bin/tsc');
  const types = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.types.json'], {
    cwd: root,
    stdio: 'inherit',
  });
  process.exitCode = types.status ?? 1;
}
