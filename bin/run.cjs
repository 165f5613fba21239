/**
 * Runs a command out of the bundle, dist/commands.cjs, with the bytecode that V8 made of it when it was bundled:
 * compiling it anew takes longer than all that a short command does. Without that file, or under another V8, it is
 * compiled as usual.
 */
const { readFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { dirname, join } = require('node:path');
const { Script } = require('node:vm');

const file = join(dirname(__dirname), 'dist', 'commands.cjs');
/** The bundle's last line; V8 itself would take bytecode of any text of the same length. */
const DIGEST = /\n\/\/ sha256 ([0-9a-f]{64})\n$/;

/** @returns the script, a function of what a CommonJS module sees */
function scriptOf(text, cachedData) {
  return new Script(`(function (exports, require, module, __filename, __dirname) {${text}\n})`, {
    filename: file,
    cachedData,
  });
}

/** Where the bytecode of this text lies, for this V8. */
function bytecodeFile(text) {
  const digest = DIGEST.exec(text.slice(-100))?.[1];
  return join(dirname(file), `commands-${process.arch}-${process.versions.v8}-${digest}.bytecode`);
}

function read(path, encoding) {
  try {
    return readFileSync(path, encoding);
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Loaded once: whoever runs one command after the other finds it warm. */
let commands;

function load() {
  const text = read(file, 'latin1');
  if (text === undefined) return undefined;
  const module = { exports: {} };
  const body = scriptOf(text, read(bytecodeFile(text))).runInThisContext();
  body(module.exports, createRequire(file), module, file, dirname(file));
  return module.exports.commands;
}

/** @returns a promise of the command's end; its exit code is process.exitCode then */
module.exports = async function run(name) {
  commands ??= load();
  if (commands !== undefined) return commands[name]();
  console.error(`${name}: this checkout has not been built yet\n  try: npm ci`);
  process.exitCode = 1;
};
module.exports.scriptOf = scriptOf;
module.exports.bytecodeFile = bytecodeFile;
