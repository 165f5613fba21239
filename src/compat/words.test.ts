import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeWords, encodeWords, MAX_WORDS } from './words.ts';

test('each word ends in a zero, and an empty word ends them', () => {
  assert.equal(encodeWords(['info', '-p', '12']).toString('latin1'), 'info\0-p\u000012\0\0');
  assert.deepEqual(decodeWords(encodeWords(['info', '-p', 'ä'])), ['info', '-p', 'ä']);
});

test('what came so far is incomplete until the empty word', () => {
  const whole = encodeWords(['patch', '-p', '7']);
  for (let size = 0; size < whole.length; size++)
    assert.equal(decodeWords(whole.subarray(0, size)), 'incomplete');
  assert.deepEqual(decodeWords(Buffer.concat([whole, Buffer.from('more')])), ['patch', '-p', '7']);
});

test('31 words and fewer than 4096 bytes are taken', () => {
  const words = Array.from({ length: MAX_WORDS }, () => 'w');
  assert.deepEqual(decodeWords(encodeWords(words)), words);
  assert.equal(decodeWords(encodeWords([...words, 'w'])), 'too-long');
  assert.equal(decodeWords(Buffer.alloc(4096, 'x')), 'too-long');
});
