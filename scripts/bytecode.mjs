// One CommonJS file of an entry and all that it imports, and V8's bytecode of it, for bin/run.cjs.
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { setFlagsFromString } from 'node:v8';
import { build } from 'esbuild';

const { scriptOf } = createRequire(import.meta.url)('../bin/run.cjs');

/** @returns the bundle, its own digest in its last line, and the bytecode of all its functions */
export async function commonJs(entry, settings) {
  const { outputFiles } = await build({
    ...settings,
    entryPoints: [entry],
    format: 'cjs',
    write: false,
    define: { 'import.meta.url': '__filename' },
  });
  const code = outputFiles[0].text.replaceAll(/[^\0-\x7f]/g, '?'); // esbuild leaves such characters in comments only
  const text = `${code}// sha256 ${createHash('sha256').update(code).digest('hex')}\n`;
  // By default V8 compiles a function when it is first called: here it is to compile all of them.
  setFlagsFromString('--no-lazy');
  const script = scriptOf(text);
  setFlagsFromString('--lazy');
  return { text, bytecode: script.createCachedData() };
}
