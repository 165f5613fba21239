import assert from 'node:assert/strict';
import { test } from 'node:test';
import { remote } from '../bytes/address.ts';
import { CodeWords } from './quiet.ts';

const FUNCTION = { start: remote(0x5555_0000_1000n), end: remote(0x5555_0000_1080n) };
const OTHER = { start: remote(0x7fff_2000_0000n), end: remote(0x7fff_2000_0010n) };
const words = new CodeWords([OTHER, FUNCTION]);

const leads = (ranges: CodeWords, ...values: bigint[]): boolean => {
  const halves = new Uint32Array(BigUint64Array.from(values).buffer);
  return ranges.anyLeadsIn(halves, 0, halves.length);
};

test('a word that leads into a range is found, its bounds included, wherever it stands', () => {
  for (const value of [0x5555_0000_1000n, 0x5555_0000_1001n, 0x5555_0000_1080n, 0x7fff_2000_0008n]) {
    assert.ok(leads(words, value), value.toString(16));
    assert.ok(leads(words, 0n, 1n, value));
  }
});

test('words beside the ranges, between them, and halves of two words do not lead in', () => {
  const harmless = [0n, 0x0fffn, 0x5555_0000_0fffn, 0x5555_0000_1081n, 0x6000_0000_0000n, 0x7fff_2000_0011n];
  for (const value of harmless) assert.ok(!leads(words, value), value.toString(16));
  assert.ok(!leads(words, 0x0000_5555_0000_0000n, 0x0000_1040n));
  assert.ok(!leads(new CodeWords([]), FUNCTION.start), 'no code, nothing in the way');
});

test('bits that authenticate a pointer do not hide it', () => {
  assert.ok(leads(words, 0x003a_0000_0000_0000n | FUNCTION.start));
});

test('only the words that are asked for count', () => {
  const halves = new Uint32Array(BigUint64Array.of(FUNCTION.start, 0n, FUNCTION.end).buffer);
  assert.ok(!words.anyLeadsIn(halves, 2, 4));
  assert.ok(words.anyLeadsIn(halves, 2, 6));
});

test('of code beyond the usual addresses every word may lead there', () => {
  assert.ok(leads(new CodeWords([{ start: remote(1n << 50n), end: remote((1n << 50n) + 8n) }]), 0n));
});
