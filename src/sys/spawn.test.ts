import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  cont,
  contToSyscall,
  detach,
  getEventMessage,
  getRegset,
  interrupt,
  NT_PRSTATUS,
  PTRACE_EVENT_EXEC,
  PTRACE_EVENT_FORK,
  PTRACE_EVENT_STOP,
  PTRACE_EVENT_VFORK,
  PTRACE_O_TRACEEXEC,
  PTRACE_O_TRACEFORK,
  PTRACE_O_TRACESYSGOOD,
  PTRACE_O_TRACEVFORK,
  seize,
} from './ptrace.ts';
import { kill, SIGCONT, SIGKILL } from './signals.ts';
import { pipe, spawn, spawnStopped } from './spawn.ts';
import { __WALL, WNOHANG, waitFor } from './wait.ts';

test('a child gets the descriptors, folder and environment that it was given, and we its exit code', () => {
  const file = join(tmpdir(), `suture-spawn-${process.pid}`);
  const fd = openSync(file, 'w');
  try {
    const pid = spawn({
      file: 'sh',
      argv: ['sh', '-c', 'echo "$(pwd) $WORD" >&7; exit 5'],
      env: { WORD: 'x', PATH: process.env.PATH },
      cwd: '/',
      descriptors: [{ from: fd, to: 7 }],
    });
    const status = waitFor(pid, __WALL);
    assert.deepEqual(status, { kind: 'exited', tid: pid, code: 5 });
    assert.equal(readFileSync(file, 'utf8'), '/ x\n');
  } finally {
    closeSync(fd);
    rmSync(file);
  }
});

test('a program that is not there is one error', () => {
  assert.throws(() => spawn({ file: '/no/such/program', argv: ['x'] }), /no such file.*ENOENT/);
});

test('a child spawned stopped can be seized before its exec, and its children are followed', () => {
  const gate = pipe();
  const pid = spawnStopped({
    file: 'sh',
    argv: ['sh', '-c', '/bin/true; /bin/true; exit 3'],
    descriptors: [],
  });
  const executed: number[] = [];
  const born: number[] = [];
  let code: number | undefined;
  try {
    seize(pid, PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK);
    kill(pid, SIGCONT);
    for (;;) {
      const status = waitFor(-1, __WALL);
      if (status.kind === 'exited' && status.tid === pid) {
        code = status.code;
        break;
      }
      if (status.kind !== 'stopped') continue;
      if (status.event === PTRACE_EVENT_EXEC) executed.push(status.tid);
      if (status.event === PTRACE_EVENT_FORK || status.event === PTRACE_EVENT_VFORK)
        born.push(getEventMessage(status.tid));
      cont(status.tid, status.event === 0 ? status.signal : 0);
    }
  } finally {
    closeSync(gate.reading);
    closeSync(gate.writing);
    kill(pid, SIGKILL);
  }
  assert.equal(code, 3);
  assert.equal(born.length, 2);
  assert.deepEqual(executed, [pid, ...born]);
});

test('interrupt, registers and system call stops of a blocked thread', () => {
  const gate = pipe();
  // cat without a standard output says so and ends, often before it could be seized.
  const out = openSync('/dev/null', 'w');
  const pid = spawn({
    file: 'cat',
    argv: ['cat'],
    descriptors: [
      { from: gate.reading, to: 0 },
      { from: out, to: 1 },
    ],
  });
  try {
    seize(pid, PTRACE_O_TRACESYSGOOD);
    interrupt(pid);
    const stop = waitFor(pid, __WALL);
    assert.ok(stop.kind === 'stopped' && stop.event === PTRACE_EVENT_STOP);
    assert.ok(getRegset(pid, NT_PRSTATUS).length > 100);
    assert.equal(waitFor(pid, __WALL | WNOHANG).kind, 'nothing');
    contToSyscall(pid);
    writeSync(gate.writing, 'x');
    const entry = waitFor(pid, __WALL);
    assert.ok(entry.kind === 'stopped' && entry.syscall);
    assert.ok(detach(pid));
    assert.equal(detach(pid), false, 'not traced any more');
  } finally {
    kill(pid, SIGKILL);
    waitFor(pid, __WALL);
    for (const fd of [gate.reading, gate.writing, out]) closeSync(fd);
  }
});
