// Bundles the command line into dist/suture.mjs and the library into dist/index.mjs, with its types in dist/types.
// A cold start must not walk node_modules: dist/suture.mjs holds the commands' flags only, and each command loads the
// chunk that it needs. koffi stays outside (native code). With --no-types the types stay as they are.
import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** LibcarePlus's commands; libcare-cc is a shell script. */
const compat = ['libcare-ctl', 'libcare-patch-make', 'libcare-dump', 'libcare-client', 'libcare-server'];
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: {
    suture: 'src/cli/main.ts',
    index: 'src/index.ts',
    ...Object.fromEntries(compat.map((name) => [name, `src/compat/${name}.ts`])),
  },
  outdir: 'dist',
  outExtension: { '.js': '.mjs' },
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  metafile: true,
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
});
for (const name of readdirSync(join(root, 'dist/chunks'))) {
  if (!(`dist/chunks/${name}` in metafile.outputs)) rmSync(join(root, 'dist/chunks', name));
}

if (!process.argv.includes('--no-types')) {
  rmSync(join(root, 'dist/types'), { recursive: true, force: true });
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const types = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.types.json'], {
    cwd: root,
    stdio: 'inherit',
  });
  process.exitCode = types.status ?? 1;
}
