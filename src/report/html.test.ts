import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { archNamed } from '../arch/index.ts';
import type { Review } from '../build/review.ts';
import { vaddr } from '../bytes/address.ts';
import type { Manifest } from '../patch/manifest.ts';
import { reviewPage } from './html.ts';

const EVIL = '<script>alert("&")</script>';

const manifest: Manifest = {
  format: 1,
  id: 'fix-1',
  description: EVIL,
  cpu: 'x86_64',
  target: { buildId: 'abcdef0123', file: 'server', type: 'executable' },
  functions: [
    {
      name: 'serve',
      kind: 'changed',
      unit: 'server.c',
      reason: `its code differs ${EVIL}`,
      original: { address: '0x1120', size: 8, entryBytes: '', redirectOffset: 0, parts: [] },
      replacement: { offset: 0, size: 12 },
      replacementParts: [],
    },
  ],
  variables: [{ name: 'served', kind: 'new', unit: 'server.c', size: 4 }],
  imports: [{ name: 'puts', type: 'function', weak: false }],
  requires: [],
  compiler: 'gcc 12',
  warnings: [`take care ${EVIL}`],
};

const arch = archNamed('x86_64');
assert.ok(arch !== undefined);

const review: Review = {
  id: 'fix-1',
  description: EVIL,
  diffs: [{ name: 'fix.patch', text: `--- a/server.c\n+++ b/server.c\n@@ -1 +1 @@\n-old\n+${EVIL}\n` }],
  refused: [],
  patches: [
    {
      built: {
        file: 'patches/abcdef0123.kpatch',
        buildId: 'abcdef0123',
        object: 'server',
        functions: [],
        variables: [],
        warnings: [],
        units: 1,
      },
      patch: {
        manifest,
        arch,
        sections: [],
        symbols: [{ kind: 'base', name: 'limit<T>', address: vaddr(0x4000n), symbolType: 'object' }],
        baseSections: [],
        origin: 'suture',
        bytes: new Uint8Array(99),
      },
      functions: [
        {
          listed: manifest.functions[0]!,
          parts: [
            {
              before: [
                { offset: 0, text: 'cmp <limit>', key: 'cmp <limit>' },
                { offset: 4, text: 'jmp <+0x0>', key: 'jmp', jump: 0 },
              ],
              after: [
                { offset: 0, text: 'cmp <limit>', key: 'cmp <limit>' },
                { offset: 4, text: 'nop', key: 'nop' },
                { offset: 5, text: 'jmp <+0x0>', key: 'jmp', jump: 0 },
              ],
            },
          ],
        },
      ],
    },
  ],
};

describe('report', () => {
  const page = reviewPage(review, '1.2.3');

  test('says what is patched, and why', () => {
    for (const text of [
      'Patch fix-1',
      'server (executable)',
      'abcdef0123',
      'gcc 12',
      'its code differs',
      'served',
      'puts',
    ])
      assert.ok(page.includes(text), text);
  });

  test('lets nothing through as markup', () => {
    assert.ok(!page.includes('<script'));
    assert.ok(page.includes('&#60;script&#62;alert(&#34;&#38;&#34;)&#60;/script&#62;'));
    assert.ok(page.includes('cmp &#60;limit&#62;'));
    assert.ok(page.includes('limit&#60;T&#62;'));
  });

  test('fetches and runs nothing', () => {
    assert.doesNotMatch(page, /\b(src|href)="(?!#)/);
    assert.doesNotMatch(page, /@import|url\(|<link|<img|<script| on\w+=/);
    assert.match(page, /Content-Security-Policy/);
  });

  test('every element that is opened is closed, in order', () => {
    const open: string[] = [];
    for (const [, end, name = ''] of page.matchAll(/<(\/?)([a-z][a-z0-9]*)[^>]*>/g)) {
      if (name === 'meta') continue;
      if (end === '') open.push(name);
      else assert.equal(open.pop(), name);
    }
    assert.deepEqual(open, []);
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    assert.equal(new Set(ids).size, ids.length);
    for (const [, to] of page.matchAll(/href="#([^"]+)"/g)) assert.ok(ids.includes(to), to);
  });

  test('marks the lines that differ, and only these', () => {
    const rows = [...page.matchAll(/<tr class="differs">(.*?)<\/tr>/g)].map(([, row = '']) => row);
    assert.equal(rows.length, 1);
    assert.match(rows[0]!, /nop/);
  });

  test('names what to think of: the loop, the new data, the symbol that has to be found', () => {
    assert.match(page, /There is a loop in serve/);
    assert.match(page, /New data: served/);
    assert.match(page, /To be found when the patch is applied: puts/);
  });

  test('of a refused build says what was refused', () => {
    const refused = { unit: 'a.c', what: 'a constructor <b>', where: 'a.c:3', remedy: 'leave it out' };
    const text = reviewPage({ ...review, patches: [], refused: [refused] }, '1');
    assert.match(text, /Refused: a constructor &#60;b&#62;/);
    assert.match(text, /leave it out/);
  });
});
