import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadCase } from '../case.ts';
import { assertExit, repository, Workspace } from '../harness.ts';

test('suture build --report writes one page that a reviewer can read', async () => {
  const one = loadCase(join(repository, 'test/programs'), 'report');
  const { workspace, diff } = await Workspace.of(one, []);
  try {
    const file = join(workspace.folder, 'review.html');
    assertExit(await workspace.build('reviewed', '--report', file, diff), 0);
    const page = readFileSync(file, 'utf8');
    assert.match(page, /Patch reviewed/);
    assert.match(page, /<code>scaled<\/code>/);
    assert.match(page, /<tr class="differs">.*0x3e7|<tr class="differs">.*1000/);
    assert.match(page, /<td class="code">ret/);
    assert.ok(page.includes('&#60;b&#62; &#38; &#34;quotes&#34;'), 'the diff is shown as text');
    assert.doesNotMatch(page, /<b>|<script/);
    assertExit(await workspace.build('reviewed', '--report', file, diff), 0);
    assert.equal(readFileSync(file, 'utf8'), page, 'the same input gives the same page');

    const nowhere = join(workspace.folder, 'no/such/folder/review.html');
    assertExit(await workspace.build('reviewed', '--report', nowhere, diff), 1);
    assert.ok(!existsSync(nowhere));
  } finally {
    await workspace.close();
  }
});
