import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SutureError } from '../base/errors.ts';
import { applyDiffs } from './diff.ts';
import { parseDiff } from './diff-text.ts';

const tree = (files: Record<string, string>) => (name: string) => files[name];
const numbered = (n: number) => Array.from({ length: n }, (_, i) => `line ${i + 1}\n`).join('');

function apply(files: Record<string, string>, ...texts: string[]) {
  const warnings: string[] = [];
  const changed = applyDiffs(
    texts.map((text, i) => ({ name: `${i + 1}.diff`, text })),
    tree(files),
    (text) => warnings.push(text),
  );
  return { changed, warnings };
}

function refusal(files: Record<string, string>, text: string): SutureError {
  try {
    apply(files, text);
  } catch (error) {
    assert.ok(error instanceof SutureError);
    assert.equal(error.code, 'DIFF');
    return error;
  }
  return assert.fail('the diff was accepted');
}

const HUNK = '@@ -2,3 +2,4 @@\n line 2\n+new\n line 3\n line 4\n';
const RESULT = numbered(6).replace('line 2\n', 'line 2\nnew\n');

test('prefixes of git, of quilt, and none', () => {
  for (const [from, to] of [
    ['a/src/x.c', 'b/src/x.c'],
    ['src/x.c', 'src/x.c'],
    ['redis.orig/src/x.c\t2020-01-01', 'redis/src/x.c\t2021-01-01'],
    ['/build/v1/src/x.c', '/build/v2/src/x.c'],
  ]) {
    const { changed, warnings } = apply({ 'src/x.c': numbered(6) }, `--- ${from}\n+++ ${to}\n${HUNK}`);
    assert.deepEqual(changed, [{ path: 'src/x.c', original: numbered(6), patched: RESULT }]);
    assert.deepEqual(warnings, []);
  }
});

test('a mail with statistics before and a signature after', () => {
  const mail = `From abc\nSubject: fix\n\nText.\n---\n x.c | 1 +\n\ndiff --git a/x.c b/x.c\nindex 1..2 100644\n--- a/x.c\n+++ b/x.c\n${HUNK}-- \n2.39.2\n\n`;
  assert.equal(apply({ 'x.c': numbered(6) }, mail).changed[0]?.patched, RESULT);
});

test('new, deleted and renamed files', () => {
  const text = [
    'diff --git a/new.h b/new.h\nnew file mode 100644\n--- /dev/null\n+++ b/new.h\n@@ -0,0 +1,2 @@\n+one\n+two\n',
    'diff --git a/old.c b/old.c\ndeleted file mode 100644\n--- a/old.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n',
    'diff --git a/from.c b/to.c\nsimilarity index 100%\nrename from from.c\nrename to to.c\n',
  ].join('');
  const { changed } = apply({ 'old.c': 'gone\n', 'from.c': 'x\n' }, text);
  assert.deepEqual(changed, [
    { path: 'from.c', original: 'x\n', patched: undefined },
    { path: 'new.h', original: undefined, patched: 'one\ntwo\n' },
    { path: 'old.c', original: 'gone\n', patched: undefined },
    { path: 'to.c', original: undefined, patched: 'x\n' },
  ]);
});

test('several diffs build on each other', () => {
  const second = '--- a/x.c\n+++ b/x.c\n@@ -2,2 +2,2 @@\n line 2\n-new\n+newer\n';
  const { changed } = apply({ 'x.c': numbered(6) }, `--- a/x.c\n+++ b/x.c\n${HUNK}`, second);
  assert.equal(changed[0]?.patched, RESULT.replace('new\n', 'newer\n'));
});

test('a file with CRLF takes a diff with LF, and keeps its line ends', () => {
  const { changed } = apply({ 'x.c': numbered(6).replaceAll('\n', '\r\n') }, `--- a/x.c\n+++ b/x.c\n${HUNK}`);
  assert.equal(changed[0]?.patched, RESULT.replaceAll('\n', '\r\n'));
});

test('a hunk that moved is applied with a warning', () => {
  const { changed, warnings } = apply(
    { 'x.c': `head\nhead\n${numbered(6)}` },
    `--- a/x.c\n+++ b/x.c\n${HUNK}`,
  );
  assert.equal(changed[0]?.patched, `head\nhead\n${RESULT}`);
  assert.match(warnings[0] ?? '', /hunk 1 .* 2 lines further down/);
});

test('context that changed is accepted with a warning', () => {
  const { warnings } = apply(
    { 'x.c': numbered(6).replace('line 4', 'line four') },
    `--- a/x.c\n+++ b/x.c\n${HUNK}`,
  );
  assert.match(warnings.join('\n'), /context are ignored/);
});

test('hunks that say lines far behind the end of the file do not send the search there', () => {
  const far = HUNK.replace(/@@ -\d+/, '@@ -9007199254740000');
  assert.notEqual(far, HUNK);
  const { changed, warnings } = apply({ 'x.c': numbered(6) }, `--- a/x.c\n+++ b/x.c\n${far}`);
  assert.equal(changed[0]?.patched, RESULT);
  assert.match(warnings[0] ?? '', /further up/);
  // One that fits nowhere exactly, before one that fits: the second is looked for from where the first is.
  const lost =
    '@@ -9007199254740000,3 +1,3 @@\n line 1\n-nothing\n+new\n line 3\n@@ -5,2 +5,2 @@\n line 5\n-line 6\n+end\n';
  assert.match(refusal({ 'x.c': numbered(6) }, `--- a/x.c\n+++ b/x.c\n${lost}`).message, /nothing/);
});

test('a diff that does not fit names file, hunk, and both lines', () => {
  const text =
    '--- a/x.c\n+++ b/x.c\n@@ -1,2 +1,2 @@\n-line 1\n+first\n line 2\n@@ -4,2 +4,2 @@\n line 4\n-line five\n+five\n';
  const error = refusal({ 'x.c': numbered(6) }, text);
  assert.equal(
    error.message,
    '1.diff does not apply to x.c: hunk 2 (line 7 of the diff): at line 5 expected "line five", found "line 5"',
  );
});

test('bad diffs are refused with the line', () => {
  assert.match(refusal({}, 'hello\n').message, /holds no unified diff/);
  assert.match(
    refusal({}, '--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n a\n').message,
    /line 3: a hunk that ends too early/,
  );
  assert.match(
    refusal({}, '--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n a\nbroken\n').message,
    /line 5: a line that is not part of a hunk/,
  );
  assert.match(
    refusal({}, '--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n').message,
    /a\/x, which is not in the source tree/,
  );
  assert.match(
    refusal({}, '--- ../../etc/x\n+++ ../../etc/x\n@@ -1 +1 @@\n-a\n+b\n').message,
    /not in the source tree/,
  );
});

test('names with unusual bytes', () => {
  const files = parseDiff('--- "a/caf\\303\\251.c"\n+++ "b/caf\\303\\251.c"\n@@ -1 +1 @@\n-a\n+b\n', 'x');
  assert.equal(files[0]?.newName, 'b/café.c');
});
