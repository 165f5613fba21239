import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { remote } from '../bytes/address.ts';
import { vmFlagsAt, vmFlagsIn } from './vm-flags.ts';

const SMAPS = `00400000-00401000 r-xp 00000000 00:1f 42    /lib/libpads.so
Size:                  4 kB
VmFlags: rd ex mr mw me bt 
00401000-00402000 rw-p 00000000 00:00 0
Size:                  4 kB
VmFlags: rd wr mr mw me ac 
`;

test('the flags are those of the mapping that holds the address', () => {
  assert.deepEqual(vmFlagsIn(SMAPS, remote(0x400fffn)), ['rd', 'ex', 'mr', 'mw', 'me', 'bt']);
  assert.ok(!vmFlagsIn(SMAPS, remote(0x401000n)).includes('bt'));
  assert.deepEqual(vmFlagsIn(SMAPS, remote(0x402000n)), []);
});

test('our own stack can be read and written', () => {
  const [, start] = /^([0-9a-f]+)-\S+ .*\[stack\]$/m.exec(readFileSync('/proc/self/maps', 'latin1')) ?? [];
  const flags = vmFlagsAt(process.pid, remote(BigInt(`0x${start}`)));
  assert.ok(flags.includes('rd') && flags.includes('wr') && !flags.includes('ex'), flags.join(' '));
});
