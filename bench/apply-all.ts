/**
 * One command on many processes that have loaded one patched library. Argument: the number of processes (200). Prints
 * the time of opening and patching all, as the middle of several rounds, and the longest that one was held.
 */
import { applyPatches, revertPatches } from '../src/apply/engine.ts';
import { Target } from '../src/process/target.ts';
import { patchOf, Workshop } from '../test/apply/fixture.ts';

const ROUNDS = 5;
const count = Number(process.argv[2] ?? 200);
using shop = new Workshop();
const library = shop.compile('libpart.so', 'int part(int x) { return x + 1; }', ['-shared', '-fPIC', '-O0']);
const program = shop.compile(
  'whole',
  '#include <unistd.h>\nint part(int x);\nint main(void) { part(1); write(1, "x\\n", 2); for (;;) pause(); }',
  ['-O0', library, `-Wl,-rpath,${shop.directory}`],
);
const object = shop.compileObject('fix', 'int part(int x) { return x + 2; }');
const patch = patchOf({ id: 'all', base: library, object, changed: ['part'] });
const programs = Array.from({ length: count }, () => shop.start(program));
for (const one of programs) await one.line();

const times: number[] = [];
let held = 0;
for (let round = 0; round < ROUNDS; round++) {
  const started = performance.now();
  const targets = programs.map(({ pid }) => Target.open(pid));
  const outcomes = applyPatches(targets, [patch]);
  times.push(performance.now() - started);
  held = Math.max(held, ...outcomes.map(({ stopMicroseconds }) => stopMicroseconds));
  const failed = outcomes.find(({ outcome }) => outcome !== 'applied');
  if (failed !== undefined) throw new Error(JSON.stringify(failed));
  revertPatches(targets, ['all']);
  for (const target of targets) target.close();
}
const sorted = [...times].sort((a, b) => a - b);
const ms = (time: number | undefined): string => `${Math.round(time ?? 0)} ms`;
console.log(
  `${count} processes: first ${ms(times[0])}, middle ${ms(sorted[ROUNDS >> 1])}, best ${ms(sorted[0])}; longest stop ${held} µs`,
);
