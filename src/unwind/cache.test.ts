import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnwindCache } from './cache.ts';

test('an entry is made once, and the longest unused one goes first', () => {
  const cache = new UnwindCache<string>(2);
  const made: string[] = [];
  const get = (key: string) =>
    cache.get(key, () => {
      made.push(key);
      return key;
    });
  get('a');
  get('b');
  get('a');
  get('b');
  assert.deepEqual(made, ['a', 'b']);
  get('c');
  assert.equal(cache.size, 2);
  get('b');
  assert.deepEqual(made, ['a', 'b', 'c']);
  get('a');
  assert.deepEqual(made, ['a', 'b', 'c', 'a']);
});

test('what one process could not tell is asked of the next', () => {
  const cache = new UnwindCache<string | undefined>();
  const answers = [undefined, 'told', 'too late'];
  const get = () => cache.get('x', () => answers.shift());
  assert.deepEqual([get(), get(), get()], [undefined, 'told', 'told']);
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
