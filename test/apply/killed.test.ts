/**
 * A command that is killed at any instruction: the program goes on, with all of the old functions or all of the new,
 * and the next command cleans up. SUTURE_KILLS sets the number of kills.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  applyPatches,
  repairProcess,
  revertPatches,
  statusOf,
  verifyProcess,
} from '../../src/apply/engine.ts';
import type { Patch } from '../../src/patch/patch.ts';
import { Target } from '../../src/process/target.ts';
import { patchOf, Workshop } from './fixture.ts';

const KILLS = Number(process.env.SUTURE_KILLS ?? 3);
const COMMAND = fileURLToPath(new URL('killed-command.ts', import.meta.url));

const SOURCE = `
#include <stdio.h>
#include <stdlib.h>
#include <pthread.h>
#include <unistd.h>
ALIGNED __attribute__((noinline)) int f(int x) { return x + 1; }
ALIGNED __attribute__((noinline)) int g(int x) { return x + 2; }
static void *spin(void *arg) { (void)arg; for (volatile int sum = 0;; sum += f(1) + g(1)) usleep(200); return NULL; }
int main(void) {
  char line[64];
  pthread_t t;
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int i = 0; i < 3; i++) pthread_create(&t, NULL, spin, NULL);
  while (fgets(line, sizeof line, stdin)) printf("%d %d\\n", f(atoi(line)), g(atoi(line)));
}`;

/** A program with f and g, and the patches that change both. */
interface Victim {
  readonly program: string;
  readonly patches: readonly Patch[];
}

function oneObject(shop: Workshop, aligned: string): Victim {
  const program = shop.compile('victim', SOURCE, ['-O0', '-pthread', `-DALIGNED=${aligned}`]);
  const object = shop.compileObject('fix', 'int f(int x) { return x + 10; } int g(int x) { return x + 20; }');
  return { program, patches: [patchOf({ id: 'killed', base: program, object, changed: ['f', 'g'] })] };
}

function twoObjects(shop: Workshop): Victim {
  const library = shop.compile('libg.so', 'int g(int x) { return x + 2; }', ['-shared', '-fPIC', '-O0']);
  const source = SOURCE.replace(/ALIGNED.*int g.*/, 'int g(int);');
  const flags = ['-O0', '-pthread', '-DALIGNED=', library, `-Wl,-rpath,${shop.directory}`];
  const program = shop.compile('victim', source, flags);
  const f = shop.compileObject('fixf', 'int f(int x) { return x + 10; }');
  const g = shop.compileObject('fixg', 'int g(int x) { return x + 20; }');
  return {
    program,
    patches: [
      patchOf({ id: 'killed', base: program, object: f, changed: ['f'] }),
      patchOf({ id: 'killed', base: library, object: g, changed: ['g'] }),
    ],
  };
}

const CASES: readonly [string, (shop: Workshop) => Victim][] = [
  ['one page', (shop) => oneObject(shop, '')],
  ['several pages', (shop) => oneObject(shop, '__attribute__((aligned(4096)))')],
  ['two objects', twoObjects],
];

for (const [where, make] of CASES) {
  test(`killed while changing functions in ${where}`, async () => {
    using shop = new Workshop();
    const { program: base, patches } = make(shop);
    const files = patches.map(({ bytes }, i) => {
      const file = join(shop.directory, `killed-${i}.kpatch`);
      writeFileSync(file, bytes);
      return file;
    });
    const program = shop.start(base);
    assert.equal(await program.ask('1'), '2 3');
    const target = Target.open(program.pid);
    let mappings = 0;
    try {
      for (let kill = 0; kill < KILLS; kill++) {
        await killSoon(program.pid, files);
        assert.equal(program.child.exitCode, null, 'the program lives');
        assert.match(await program.ask('1'), /^(2 3|11 21)$/, 'no mixture of old and new');

        const repaired = repairProcess(target);
        assert.ok(['applied', 'already'].includes(repaired.outcome), JSON.stringify(repaired));
        const sound = verifyProcess(target).every(({ severity }) => severity === 'ok');
        assert.ok(sound, JSON.stringify(verifyProcess(target)));
        const applied = applyPatches([target], patches)[0]!;
        assert.ok(['applied', 'already'].includes(applied.outcome), JSON.stringify(applied));
        assert.equal(await program.ask('1'), '11 21');
        const reverted = revertPatches([target], ['killed'])[0]!;
        assert.equal(reverted.outcome, 'reverted', JSON.stringify(reverted));
        assert.equal(await program.ask('1'), '2 3');
        assert.deepEqual(statusOf(target), []);
        mappings ||= target.maps().length;
        assert.equal(target.maps().length, mappings, 'nothing is left mapped');
      }
    } finally {
      target.close();
    }
  });
}

function killSoon(pid: number, files: readonly string[]): Promise<void> {
  const command = spawn(process.execPath, ['--import', 'tsx', COMMAND, String(pid), ...files], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      command.kill('SIGKILL');
      reject(new Error('the command did not begin'));
    }, 20_000);
    let killed = false;
    command.stdout.once('data', () => {
      setTimeout(() => {
        killed = true;
        command.kill('SIGKILL');
      }, Math.random() * 120);
    });
    command.once('exit', (code) => {
      clearTimeout(timer);
      if (killed) resolve();
      else reject(new Error(`the command ended by itself: ${code}`));
    });
  });
}
