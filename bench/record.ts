/**
 * What recording adds to a build: CPU time of `make -j2` of Redis, with and without the recorder. Each build starts
 * from the unpacked source; plain and recorded builds take turns. The CPU time is that of the command and everything
 * it started, the recorder included; what the recorder itself took stands beside it, because it is free of the noise
 * of the compiler's time. The floor is recording a command that does nothing.
 *
 *   npm run bench -- record [ROUNDS]
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repository } from '../test/programs/harness.ts';
import { unpack } from '../test/real/debian-source.ts';
import { redis } from '../test/real/redis.ts';
import { median, table } from './figures.ts';

const rounds = Number(process.argv[2] ?? 3);
const suture = join(repository, 'bin/suture');
const folder = mkdtempSync(join(tmpdir(), 'suture-bench-'));

interface Cost {
  /** Of the command and its descendants, user and system. */
  readonly total: number;
  /** Of the recorder alone; 0 without one. */
  readonly recorder: number;
}

try {
  const start = median(
    Array.from({ length: 5 }, () => costOf([suture, 'record', '--', 'true'], folder).total),
  );
  const { tree } = await unpack(join(repository, '.cache/real'), redis.source, join(folder, 'source'));
  const plain: Cost[] = [];
  const recorded: Cost[] = [];
  for (let round = 0; round < rounds; round++) {
    plain.push(costOfBuild(tree, redis.build));
    recorded.push(costOfBuild(tree, [suture, 'record', '--', ...redis.build]));
    const [before, after] = [plain.at(-1)!, recorded.at(-1)!];
    console.log(
      `round ${round + 1}: plain ${seconds(before.total)} s, recorded ${seconds(after.total)} s, of which the recorder ${seconds(after.recorder)} s`,
    );
  }
  const before = median(plain.map(({ total }) => total));
  const after = median(recorded.map(({ total }) => total));
  const own = median(recorded.map(({ recorder }) => recorder));
  const percent = (value: number): string => ((100 * value) / before).toFixed(1);
  console.log(`\n${redis.name} ${redis.source.version}, make -j2; medians of ${rounds}`);
  console.log(
    table(
      ['', 'CPU s', '% of plain'],
      [
        ['plain', seconds(before), '100.0'],
        ['recorded', seconds(after), percent(after)],
        ['what recording adds', seconds(after - before), percent(after - before)],
        ['the recorder itself', seconds(own), percent(own)],
        ['floor: recording `true`', seconds(start), percent(start)],
      ],
    ),
  );
} finally {
  rmSync(folder, { recursive: true });
}

function costOfBuild(source: string, command: readonly string[]): Cost {
  const tree = join(folder, 'build');
  rmSync(tree, { recursive: true, force: true });
  cpSync(source, tree, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
  return costOf(command, tree);
}

/** Runs a command to its end. A recorder says at its end what it took itself. */
function costOf(command: readonly string[], cwd: string): Cost {
  const said = join(folder, 'recorder');
  rmSync(said, { force: true });
  const say = `import{writeFileSync}from'node:fs';process.on('exit',()=>{const{user,system}=process.cpuUsage();writeFileSync(${JSON.stringify(said)},String((user+system)/1e6))})`;
  const preload = `data:text/javascript,${encodeURIComponent(say)}`;
  // The second line of `times` is what the children of the shell took. POSIX shell, "times".
  const shell = spawnSync('bash', ['-c', '"$@" >&2 || exit 1; times', 'bash', ...command], {
    cwd,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, NODE_OPTIONS: `--import=${preload}` },
  });
  if (shell.status !== 0) throw new Error(`${command.join(' ')} failed:\n${shell.stderr.slice(-3000)}`);
  const times = [
    ...shell.stdout
      .trim()
      .split('\n')
      .at(-1)!
      .matchAll(/(\d+)m([\d.]+)s/g),
  ];
  const total = times.reduce((sum, [, minutes, rest]) => sum + 60 * Number(minutes) + Number(rest), 0);
  return { total, recorder: command[0] === suture ? Number(readFileSync(said, 'utf8')) : 0 };
}

function seconds(value: number): string {
  return value.toFixed(2);
}
