/** A process that patches are tried on and that nothing may change. */
import { createHash } from 'node:crypto';
import { checkPatches } from '../../src/apply/engine.ts';
import type { Patch } from '../../src/patch/patch.ts';
import { Target } from '../../src/process/target.ts';
import { type Program, patchOf, type Workshop } from '../apply/fixture.ts';

export interface LiveTarget extends Disposable {
  readonly patch: Patch;
  /** Asks what applying the patch would do. */
  tryOn(patch: Patch): void;
  /** Digest of all that the process has mapped and may execute or write. */
  fingerprint(): string;
  readonly target: Target;
  readonly program: Program;
}

export async function liveTarget(shop: Workshop): Promise<LiveTarget> {
  const base = shop.compile(
    'tried',
    '#include <stdio.h>\n#include <string.h>\n#include <unistd.h>\nint n = 3; __thread int t;\n' +
      '__attribute__((noinline)) int part(int x) { char b[32]; snprintf(b, sizeof b, "%d", x * n); return (int)strlen(b) + ++t; }\n' +
      '__attribute__((noinline)) int other(int x) { return part(x) * 3 + n; }\n' +
      'int main(void) { printf("%d\\n", other(7)); fflush(stdout); for (;;) pause(); }',
    ['-O1', '-fno-inline'],
  );
  const object = shop.compileObject(
    'fix',
    '#include <string.h>\nextern int n; int fresh = 4; int helper(int x) { return x + fresh; }\n' +
      'int part(int x) { return helper(x) * n + (int)strlen("text"); } int other(int x) { return part(x) + 2; }',
  );
  const patch = patchOf({ id: 'tried', base, object, changed: ['part', 'other'] });
  const program = shop.start(base);
  await program.line();
  const target = Target.open(program.pid);
  return {
    patch,
    target,
    program,
    tryOn(tried) {
      checkPatches(target, [tried]);
    },
    fingerprint() {
      const hash = createHash('sha256');
      for (const { start, end, write, execute, read, path } of target.maps()) {
        hash.update(`${start} ${end} ${write} ${execute} ${path}\n`);
        if (read && (write || execute))
          hash.update(target.memory.tryRead(start, Number(end - start)) ?? 'unreadable');
      }
      return hash.digest('hex');
    },
    [Symbol.dispose]() {
      target.close();
    },
  };
}
