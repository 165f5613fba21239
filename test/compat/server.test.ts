/** The server: its socket, its store, and programs that are patched before their main function runs. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Workshop } from '../apply/fixture.ts';
import { repository, run } from '../programs/harness.ts';
import { type ForeignBuild, foreignPatch } from './foreign-file.ts';
import { ANSWERS, FIRST, SECOND } from './sources.ts';

/**
 * Prints what f and g give before anything could patch them from outside. `update` looks at every process of the
 * machine: no other run of this test has this build id.
 */
const GREETER = `${ANSWERS.replace(
  'char line[64];',
  'char line[64]; printf("start %d %d\\n", f(1), g(1)); fflush(stdout);',
)}
const char this_run[] = "${randomUUID()}";
`;

/** What LibcarePlus's preloaded hook does in the place of execve, as a program of its own. */
const HOOK = `
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>
int main(int argc, char **argv) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strcpy(address.sun_path, argv[1]);
  int s = socket(AF_UNIX, SOCK_STREAM, 0);
  if (connect(s, (void *)&address, sizeof address) != 0) abort();
  char message[64];
  int size = sprintf(message, "execve%c%d%c", 0, (int)syscall(SYS_gettid), 0) + 1;
  if (write(s, message, size) != size) abort();
  char answer[4];
  for (int got = 0; got < 4;) {
    int n = read(s, answer + got, 4 - got);
    if (n <= 0) abort();
    got += n;
  }
  close(s);
  __asm__ volatile("int3");
  execv(argv[2], argv + 2);
  return 3;
}`;

let shop: Workshop;
let first: ForeignBuild;
let second: ForeignBuild;
let hook: string;
let socket: string;
let store: string;
let server: ChildProcess;
let said = '';

before(async () => {
  shop = new Workshop();
  const at = (name: string): string => join(shop.directory, name);
  first = foreignPatch(shop.directory, 'greeter', { id: '0001', base: GREETER, ...FIRST });
  second = foreignPatch(shop.directory, 'greeter', { id: '0002', base: GREETER, ...SECOND });
  hook = shop.compile('hook', HOOK);
  socket = at('socket');
  store = at('store');
  execFileSync('mkdir', [store]);
  cpSync(first.file, join(store, `${first.buildId}.kpatch`));
  server = await startServer(socket, store);
});
after(() => {
  server.kill('SIGKILL');
  shop[Symbol.dispose]();
});

async function startServer(...words: string[]): Promise<ChildProcess> {
  const started = spawn(join(repository, 'bin/libcare-server'), words, { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [started.stdout, started.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  for (let i = 0; i < 200; i++) {
    const isThere = await new Promise<boolean>((resolve) => {
      const probe = connect(words[0]!.replace(/^@/, '\0'));
      probe.on('connect', () => probe.end(() => resolve(true)));
      probe.on('error', () => resolve(false));
    });
    if (isThere) return started;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`no server: ${said}`);
}

/** Waits until the servers have said this: their words and the program's come through different pipes, in any order. */
async function told(words: RegExp): Promise<void> {
  for (let i = 0; i < 500 && !words.test(said); i++) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.match(said, words);
}

const client = async (...words: string[]): Promise<string> => {
  const { code, stdout, stderr } = await run(join(repository, 'bin/libcare-client'), [socket, ...words]);
  assert.equal(code, 0, stderr);
  return stdout;
};

test('a program is patched before its main function runs', async () => {
  const program = shop.start(hook, [socket, first.original]);
  assert.equal(await program.line(), 'start 4107 2', said);
  assert.equal(await program.ask('1'), '1: 4208 4');
  await told(new RegExp(`1 patch hunk\\(s\\) have been successfully applied to PID '${program.pid}'`));
  const reply = await client('info', '-p', String(program.pid));
  assert.match(reply, /^Patch id: +0001$/m);
  assert.match(await client('unpatch', '-p', String(program.pid), '-i', '0001'), /successfully cancelled/);
  assert.equal(await program.ask('1'), '1: 6 5');
  const status = readFileSync(`/proc/${program.pid}/status`, 'latin1');
  assert.match(status, /^TracerPid:\t0$/m);
});

test('one of which the store knows nothing starts as it is', async () => {
  const program = shop.start(hook, [socket, '/bin/echo', 'hello']);
  assert.equal(await program.line(), 'hello');
  assert.equal(await program.ended, 0);
});

test('one that cannot be executed goes on', async () => {
  const program = shop.start(hook, [socket, '/nonexistent/program']);
  assert.equal(await program.ended, 3);
  assert.match(await client('info', '-p', String(process.pid)), /^$/);
});

test('startup, storage and update work on programs that run', async () => {
  const program = shop.start(first.original);
  assert.equal(await program.line(), 'start 6 2');
  const pid = String(program.pid);
  assert.match(await client('startup', pid), new RegExp(`applied to PID '${pid}'`));
  assert.equal(await program.ask('1'), '1: 4107 4');
  const other = join(shop.directory, 'other');
  execFileSync('mkdir', [other]);
  cpSync(second.file, join(other, `${second.buildId}.kpatch`));
  assert.equal(await client('storage', other), '');
  assert.match(await client('patch', '-p', pid, other), new RegExp(`applied to PID '${pid}'`));
  assert.equal(await program.ask('1'), '1: 4208 1003');
  assert.match(await client('storage', '/nonexistent'), /there is no \/nonexistent/);
  assert.equal(await client('storage', store), '');
});

test('update patches the programs that run, and those only that the store is for', async () => {
  const program = shop.start(first.original);
  assert.equal(await program.line(), 'start 6 2');
  const bystander = shop.start('/bin/cat');
  const reply = await client('update');
  assert.match(reply, new RegExp(`applied to PID '${program.pid}'`));
  assert.doesNotMatch(reply, new RegExp(`applied to PID '${bystander.pid}'`));
  assert.equal(await program.ask('1'), '1: 4107 4');
  assert.equal(await bystander.ask('still here'), 'still here');
});

test('run starts one child, kill ends no other', async () => {
  const pid = Number(await client('run', 'exec sleep 600'));
  assert.ok(pid > 0);
  assert.match(await client('run', 'true'), new RegExp(`process ${pid} still runs`));
  assert.match(await client('kill', String(process.pid)), /was not started by run/);
  assert.equal(await client('kill', String(pid)), `${pid}\n`);
  for (let i = 0; i < 100 && existsSync(`/proc/${pid}`); i++) await new Promise((r) => setTimeout(r, 20));
  assert.ok(!existsSync(`/proc/${pid}`));
});

test('what is no command, and what is too long', async () => {
  assert.match(await client('dance'), /dance is no command/);
  assert.match(await client('patch'), /-p is missing|one file or folder/);
  const raw = await new Promise<string>((resolve, reject) => {
    let answer = '';
    const connection = connect(socket);
    connection.on('data', (bytes) => {
      answer += bytes;
    });
    connection.on('end', () => resolve(answer));
    connection.on('error', reject);
    connection.write('x'.repeat(5000));
  });
  assert.match(raw, /more than 31 words or 4096 bytes/);
});

test('without a store programs start as they are', async () => {
  const path = join(shop.directory, 'storeless');
  const storeless = await startServer(path, join(shop.directory, 'nowhere'));
  try {
    const program = shop.start(hook, [path, first.original]);
    assert.equal(await program.line(), 'start 6 2');
    assert.equal(await program.ask('1'), '1: 6 4');
    await told(/there is no .*nowhere/);
  } finally {
    storeless.kill('SIGKILL');
  }
});

test('a server that is killed lets a program go that stands at its entry point', async () => {
  // A store whose script takes a while: the program stands at its entry point meanwhile.
  const slow = join(shop.directory, 'slow');
  execFileSync('mkdir', [slow]);
  cpSync(first.file, join(slow, `${first.buildId}.kpatch`));
  writeFileSync(join(slow, 'before'), '#!/bin/sh\necho waiting\nexec sleep 600\n', { mode: 0o755 });
  const path = join(shop.directory, 'doomed');
  const doomed = await startServer(path, slow);
  const waiting = new Promise<void>((resolve) => {
    doomed.stdout?.on('data', (text: string) => text.includes('waiting') && resolve());
  });
  const program = shop.start(hook, [path, first.original]);
  await waiting;
  const script = childOf(doomed.pid!);
  try {
    doomed.kill('SIGKILL');
    assert.equal(await program.line(), 'start 6 2');
    assert.equal(await program.ask('1'), '1: 6 4');
  } finally {
    if (script !== undefined) process.kill(script, 'SIGKILL');
  }
});

/** The script, which becomes sleep; the guard is another child. */
function childOf(pid: number): number | undefined {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').map(Number);
  return children.find((child) =>
    ['before', 'sleep'].includes(readFileSync(`/proc/${child}/comm`, 'latin1').trim()),
  );
}

test('SIGTERM ends it with its child, and stop without', async () => {
  const path = join(shop.directory, 'short');
  const short = await startServer(path, store);
  const ended = new Promise<number | null>((resolve) => short.on('exit', resolve));
  short.kill('SIGTERM');
  assert.equal(await ended, 0x80 | 15);
  assert.ok(!existsSync(path));

  const abstract = await startServer(`@suture-test-${process.pid}`, store);
  abstract.kill('SIGKILL');

  const done = new Promise<number | null>((resolve) => server.on('exit', resolve));
  await client('stop');
  assert.equal(await done, 0);
});
