// What recording adds to a build: CPU time of `make -j2`, with and without the recorder, of a project of many small
// units (the worst case: most processes per second of compiling). Alternates, and compares medians.
// Usage: node scripts/bench-record.mjs [UNITS] [ROUNDS]
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const units = Number(process.argv[2] ?? 50);
const rounds = Number(process.argv[3] ?? 5);
const suture = join(dirname(dirname(fileURLToPath(import.meta.url))), 'bin/suture');
const folder = mkdtempSync(join(tmpdir(), 'suture-bench-'));

try {
  generate();
  const plain = [];
  const recorded = [];
  for (let round = 0; round < rounds; round++) {
    plain.push(cpuSeconds('make -s -j2'));
    recorded.push(cpuSeconds(`${suture} record -- make -s -j2`));
  }
  const start = median(Array.from({ length: rounds }, () => cpuSeconds(`${suture} record -- true`)));
  const [before, after] = [median(plain), median(recorded)];
  const percent = (seconds) => `${((100 * seconds) / before).toFixed(1)} %`;
  console.log(
    `${units} units, median of ${rounds}: make ${before.toFixed(2)} s of CPU, recorded ${after.toFixed(2)} s`,
  );
  console.log(
    `recording adds ${percent(after - before)}; of that, starting and writing the record ${percent(start)}`,
  );
} finally {
  rmSync(folder, { recursive: true });
}

function generate() {
  for (let unit = 0; unit < units; unit++) {
    const functions = Array.from(
      { length: 40 },
      (_, i) => `int f${unit}_${i}(int *a, int n) {
  int sum = ${i};
  for (int k = 0; k < n; k++) sum += a[k] % ${i + 2} == ${unit % 7} ? a[k] * ${i + 3} : a[k] >> ${i % 13};
  printf("%d\\n", sum);
  return sum;
}
`,
    );
    const text = `#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n${functions.join('')}`;
    writeFileSync(join(folder, `unit${unit}.c`), text);
  }
  writeFileSync(join(folder, 'main.c'), 'int main(void) { return 0; }\n');
  const makefile =
    'CFLAGS = -O2 -g\nprog: $(patsubst %.c,%.o,$(wildcard *.c))\n\t$(CC) -o $@ $^\nclean:\n\trm -f *.o prog\n';
  writeFileSync(join(folder, 'Makefile'), makefile);
}

/** User and system time of a command and everything it started. */
function cpuSeconds(command) {
  spawnSync('make', ['-s', 'clean'], { cwd: folder });
  // The second line of `times` is what the children of the shell took. POSIX shell, "times".
  const shell = spawnSync('bash', ['-c', `${command} >&2 || exit 1; times`], {
    cwd: folder,
    encoding: 'utf8',
  });
  if (shell.status !== 0) throw new Error(`${command} failed:\n${shell.stderr}`);
  const seconds = [
    ...shell.stdout
      .trim()
      .split('\n')
      .at(-1)
      .matchAll(/(\d+)m([\d.]+)s/g),
  ];
  return seconds.reduce((sum, [, minutes, rest]) => sum + 60 * Number(minutes) + Number(rest), 0);
}

function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
}
