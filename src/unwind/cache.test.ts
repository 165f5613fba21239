import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnwindCache } from './cache.ts';

test('an entry is made once, and the longest unused one goes first', () => {
  const cache = new UnwindCache<string | undefined>(2);
  const made: string[] = [];
  const get = (key: string) =>
    cache.get(key, () => {
      made.push(key);
      return key === 'none' ? undefined : key;
    });
  get('a');
  get('none');
  get('a');
  get('none');
  assert.deepEqual(made, ['a', 'none'], 'undefined is an answer, too');
  get('b');
  assert.equal(cache.size, 2);
  get('none');
  assert.deepEqual(made, ['a', 'none', 'b']);
  get('a');
  assert.deepEqual(made, ['a', 'none', 'b', 'a']);
});

test('what fails is tried again', () => {
  const cache = new UnwindCache<number>();
  assert.throws(() =>
    cache.get('x', () => {
      throw new Error('no');
    }),
  );
  assert.equal(
    cache.get('x', () => 3),
    3,
  );
});
