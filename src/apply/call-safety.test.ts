import assert from 'node:assert/strict';
import { test } from 'node:test';
import { archNamed } from '../arch/index.ts';
import { remote } from '../bytes/address.ts';
import { RegisterFile } from '../unwind/frame.ts';
import { LOCKING, objectionToUnwinderCalls } from './call-safety.ts';

const ARCH = archNamed('x86_64');

test('functions that hold locks of the allocator or the unwinder are known by name', () => {
  const held = [
    'malloc',
    '__libc_malloc',
    'free',
    '_int_free',
    '_int_malloc',
    'sysmalloc',
    'malloc_consolidate',
  ];
  const more = ['fork', '__libc_fork', 'dl_iterate_phdr', '_Unwind_RaiseException', '_Unwind_Find_FDE'];
  const cxx = [
    '_Znwm',
    '_ZdlPv',
    '__register_frame_info',
    '__deregister_frame_info_bases',
    '_int_free.isra.0',
  ];
  for (const name of [...held, ...more, ...cxx]) assert.match(name, LOCKING);
});

test('functions of a program that only sound like these are not', () => {
  for (const name of [
    'free_list_serve',
    'read',
    'poll',
    'serve_malloc_page',
    'forked',
    '_ZN4Node5allocEv',
    'main',
  ])
    assert.doesNotMatch(name, LOCKING);
});

test('a thread whose stack cannot be followed may not make the call', () => {
  assert.ok(ARCH !== undefined);
  const objection = objectionToUnwinderCalls(ARCH, [], [], () => undefined);
  const registers = new RegisterFile(ARCH.registers.dwarf.length, remote(0x1234n));
  registers.set(ARCH.registers.dwarfSp, 0x7000n);
  assert.match(objection(registers) ?? '', /cannot be followed/);
});
