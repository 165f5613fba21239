import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wantsColour } from './terminal.ts';

test('colours on a terminal only, and never against the wish of the user', () => {
  assert.equal(wantsColour(true, { TERM: 'xterm' }), true);
  assert.equal(wantsColour(false, { TERM: 'xterm' }), false);
  assert.equal(wantsColour(true, { TERM: 'dumb' }), false);
  assert.equal(wantsColour(true, { NO_COLOR: '1' }), false);
  assert.equal(wantsColour(true, { NO_COLOR: '' }), true, 'an empty NO_COLOR says nothing');
});
