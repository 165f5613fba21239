/** Patches for every CPU whose compiler is here are built on this host, whatever CPU it has. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { arches } from '../../src/arch/index.ts';
import { assertExit, type BuildReport, json, suture, Workspace } from '../programs/harness.ts';

/** Statics that gcc would reach from one address, a string, a thread's own variable, a switch, another object's function. */
const SOURCE = `#include <stdio.h>
#include <unistd.h>
static int count, other = 3, table[16];
static __thread long mine = 5;
__attribute__((noinline)) int untouched(int n) { table[n & 15]++; return count += other; }
__attribute__((noinline)) int step(int n) {
  count += n;
  mine++;
  switch (n) {
    case 1: return table[3];
    case 2: return untouched(n);
    case 3: return puts("three");
    case 4: return (int)mine;
    case 5: return other * 7;
    default: return getppid();
  }
}
int main(int argc, char **argv) { (void)argv; return step(argc) + untouched(argc); }
`;
const FIXED = SOURCE.replace(
  '  mine++;\n',
  '  mine += 2;\n  static int calls;\n  if (++calls > 3) puts("often");\n',
);

describe('built for', { concurrency: 1 }, () => {
  for (const { name } of arches) {
    const compiler = `${name}-linux-gnu-gcc`;
    for (const flags of ['-O2', '-O0', '-O2 -fPIE -pie', '-O2 -fno-pie -no-pie']) {
      test(`${name} ${flags}`, async () => {
        const workspace = new Workspace(`cross-${name}`);
        try {
          writeFileSync(join(workspace.tree, 'x.c'), SOURCE);
          const makefile = `prog: x.c\n\t${compiler} ${flags} -g -o $@ $<\n`;
          writeFileSync(join(workspace.tree, 'Makefile'), makefile);
          const diff = await workspace.writeDiff(new Map([['x.c', SOURCE]]), new Map([['x.c', FIXED]]));
          await workspace.record();
          const built = await workspace.build('cross', diff);
          assertExit(built, 0);
          const { patches } = json<BuildReport>(built);
          assert.deepEqual(
            patches.flatMap(({ functions }) => functions.map((changed) => `${changed.kind} ${changed.name}`)),
            ['changed step'],
          );
          const inspected = await suture(['inspect', '--json', workspace.patches]);
          assertExit(inspected, 0);
          assert.match(inspected.stdout, new RegExp(`"cpu": "${name}"`));
        } finally {
          await workspace.close();
        }
      });
    }
  }
});
