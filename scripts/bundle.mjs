// Bundles the command line into dist/suture.mjs and the library into dist/index.mjs.
// One file each: a cold start must not walk node_modules. koffi stays outside (native code), and is loaded when used.
import { build } from 'esbuild';

const shared = {
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
await build({ ...shared, entryPoints: ['src/cli/main.ts'], outfile: 'dist/suture.mjs' });
await build({ ...shared, entryPoints: ['src/index.ts'], outfile: 'dist/index.mjs' });
