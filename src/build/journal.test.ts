import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { ChangedTree, type FileChange, recoverTree } from './journal.ts';

const fail = (text: string): void => assert.fail(text);

/** A tree with awkward files: old times, odd modes, any bytes. */
function makeTree(t: TestContext): string {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'suture-journal-'));
  t.after(() => fs.rmSync(root, { recursive: true }));
  fs.mkdirSync(path.join(root, 'src'));
  fs.writeFileSync(path.join(root, 'src/a.c'), Buffer.from([0x61, 0xff, 0x0d, 0x0a, 0x00]));
  fs.writeFileSync(path.join(root, 'src/b.h'), 'int b;');
  fs.chmodSync(path.join(root, 'src/b.h'), 0o640);
  fs.utimesSync(path.join(root, 'src/a.c'), 1e9 + 0.25, 1e9 + 0.75);
  return root;
}

function changesIn(root: string): FileChange[] {
  return [
    { path: path.join(root, 'src/a.c'), content: Buffer.from('patched a') },
    { path: path.join(root, 'src/b.h'), content: undefined },
    { path: path.join(root, 'new/deep/c.c'), content: Buffer.from('new c') },
  ];
}

/** Everything that a user or make(1) could notice, but for the state folder. */
function snapshot(root: string): string {
  const names = fs
    .readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => !name.startsWith('.suture'));
  return names
    .sort()
    .map((name) => {
      const stat = fs.lstatSync(path.join(root, name), { bigint: true });
      const isFile = stat.isFile();
      const content = isFile ? fs.readFileSync(path.join(root, name)).toString('hex') : '';
      return [name, stat.mode, isFile ? stat.mtimeNs : '', isFile ? stat.ino : '', content].join(' ');
    })
    .join('\n');
}

test('files change, and are back byte for byte with mode, time and inode', (t) => {
  const root = makeTree(t);
  const before = snapshot(root);
  {
    using tree = ChangedTree.change(root, changesIn(root), fail);
    assert.equal(fs.readFileSync(path.join(root, 'src/a.c'), 'utf8'), 'patched a');
    assert.equal(fs.statSync(path.join(root, 'src/a.c')).mtimeMs, (1e9 + 0.75) * 1000);
    assert.equal(fs.existsSync(path.join(root, 'src/b.h')), false);
    assert.equal(fs.readFileSync(path.join(root, 'new/deep/c.c'), 'utf8'), 'new c');
    tree.putBack(fail);
    assert.equal(snapshot(root), before);
  }
  assert.equal(snapshot(root), before);
  assert.deepEqual(fs.readdirSync(path.join(root, '.suture')), []);
});

test('a change that cannot be made leaves everything as it was', (t) => {
  const root = makeTree(t);
  const before = snapshot(root);
  const impossible = { path: path.join(root, 'src/a.c/under-a-file.c'), content: Buffer.from('x') };
  assert.throws(() => ChangedTree.change(root, [...changesIn(root), impossible], fail), { code: 'IO' });
  recoverTree(root, fail);
  assert.equal(snapshot(root), before);
});

test('a hard link elsewhere never sees the change', (t) => {
  const root = makeTree(t);
  fs.linkSync(path.join(root, 'src/a.c'), path.join(root, 'twin'));
  const before = snapshot(root);
  using tree = ChangedTree.change(root, changesIn(root), fail);
  assert.equal(fs.readFileSync(path.join(root, 'twin'))[1], 0xff);
  tree.putBack(fail);
  assert.equal(snapshot(root), before);
});

test('an edit made meanwhile is kept aside and told', (t) => {
  const root = makeTree(t);
  const warnings: string[] = [];
  const tree = ChangedTree.change(root, changesIn(root), fail);
  fs.writeFileSync(path.join(root, 'src/a.c'), 'typed by a person');
  tree.putBack((text) => warnings.push(text));
  assert.equal(fs.readFileSync(path.join(root, 'src/a.c'))[1], 0xff);
  assert.equal(fs.readFileSync(path.join(root, 'src/a.c.edited-during-build'), 'utf8'), 'typed by a person');
  assert.match(warnings.join(), /edited while/);
});

test('killed with SIGKILL at any moment, the next command puts everything back', async (t) => {
  const root = makeTree(t);
  const before = snapshot(root);
  const script = `
    import { ChangedTree, recoverTree } from ${JSON.stringify(pathToFileURL(path.join(import.meta.dirname, 'journal.ts')).href)};
    const changes = ${JSON.stringify(changesIn(root).map(({ path: file, content }) => ({ path: file, text: content?.toString() })))}
      .map(({ path, text }) => ({ path, content: text === undefined ? undefined : Buffer.from(text) }));
    process.stdout.write('ready');
    for (;;) { const tree = ChangedTree.change(${JSON.stringify(root)}, changes, () => {}); tree.putBack(() => {}); }`;
  for (let run = 0; run < KILLS; run++) {
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
      cwd: import.meta.dirname,
    });
    await once(child.stdout, 'data');
    await new Promise((resolve) => setTimeout(resolve, 5 + ((run * 7.3) % 40)));
    child.kill('SIGKILL');
    await once(child, 'exit');
    recoverTree(root, fail);
    assert.equal(snapshot(root), before, `run ${run}`);
  }
});

const KILLS = Number(process.env.SUTURE_KILLS ?? 6);
