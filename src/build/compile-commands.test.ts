import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { test } from 'node:test';
import { findCompileCommands, readCompileCommands } from './compile-commands.ts';
import { projectOf } from './project.ts';
import { splitShellWords } from './shell-words.ts';

test('a compilation database stands in for a record', (t) => {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'suture-database-'));
  t.after(() => fs.rmSync(root, { recursive: true }));
  assert.equal(findCompileCommands(root), undefined);
  const build = path.join(root, 'build');
  fs.mkdirSync(build);
  const file = path.join(build, 'compile_commands.json');
  fs.writeFileSync(
    file,
    JSON.stringify([
      { directory: build, file: '../a.c', command: `gcc -DX='"a b"' -c ../a.c -o a.o` },
      { directory: '.', file: '../b.c', arguments: ['clang', '-c', '../b.c'] },
    ]),
  );
  assert.equal(findCompileCommands(root), file);
  const { units } = projectOf(readCompileCommands(file, root));
  assert.deepEqual(
    units.map((unit) => unit.key),
    [path.join(build, 'a.o'), path.join(build, 'b.o')],
  );
  assert.deepEqual(units[0]?.command.options, ['-DX="a b"']);
  for (const text of ['{', '{}', '[{"file":1}]']) {
    fs.writeFileSync(file, text);
    assert.throws(() => readCompileCommands(file, root), { code: 'NO_RECORD' });
  }
});

test('words are split as the shell does', () => {
  assert.deepEqual(splitShellWords(`a  'b c'd "e \\"f\\" \\n" g\\ h '' \\\n i`), [
    'a',
    'b cd',
    'e "f" \\n',
    'g h',
    '',
    'i',
  ]);
});
