/** Help, version, usage errors, start-up time: what the command line does before any engine is loaded. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { repository, suture } from '../programs/harness.ts';

const VERBS = [
  'record',
  'build',
  'inspect',
  'check',
  'apply',
  'revert',
  'status',
  'verify',
  'repair',
  'symbols',
];

test('the version is the package’s', async () => {
  const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
  const { code, stdout } = await suture(['--version']);
  assert.deepEqual({ code, stdout }, { code: 0, stdout: `${version}\n` });
});

test('without a command the help goes to standard error', async () => {
  const { code, stdout, stderr } = await suture([]);
  assert.equal(code, 2);
  assert.equal(stdout, '');
  for (const verb of VERBS) assert.match(stderr, new RegExp(`^  ${verb} `, 'm'));
});

for (const verb of VERBS) {
  test(`${verb}: short and long help`, async () => {
    const short = await suture([verb, '-h']);
    const long = await suture([verb, '--help']);
    assert.equal(short.code, 0);
    assert.equal(long.code, 0);
    assert.match(short.stdout, new RegExp(`^Usage: suture ${verb} `));
    assert.doesNotMatch(short.stdout, /Exit codes/);
    assert.match(long.stdout, /^Examples:\n {2}suture /m);
    assert.match(long.stdout, /^Exit codes:\n {2}0 {2}done/m);
    assert.match(long.stdout, /--json/);
    assert.equal(long.stderr, '');
  });
}

test('a wrong command line is one error in both forms, with a remedy', async () => {
  const { code, stdout, stderr } = await suture(['aply', '--json']);
  assert.equal(code, 2);
  const { error } = JSON.parse(stdout);
  assert.equal(error.code, 'USAGE');
  assert.match(error.message, /aply/);
  assert.match(stderr, /^suture: .*aply.* \[USAGE\]\n {2}try: suture --help\n$/s);
});

test('a command without processes says how to choose some', async () => {
  const { code, stderr } = await suture(['status', '--pid', 'x']);
  assert.equal(code, 2);
  assert.match(stderr, /--pid/);
});

test('colours stay out of pipes', async () => {
  const { stderr } = await suture(['inspect', '/nonexistent/fix.kpatch']);
  assert.match(stderr, /^suture: cannot read \/nonexistent\/fix\.kpatch/);
  assert.doesNotMatch(stderr, /\x1b/);
});

test('a reader that goes away early is no error', () => {
  const ended = spawnSync('sh', ['-c', '"$0" --help | head -1; exit 0', join(repository, 'bin/suture')], {
    encoding: 'utf8',
  });
  assert.equal(ended.stderr, '');
});

/** CPU seconds that the children of this process have used. proc(5), stat fields 16 and 17, in ticks of 10 ms. */
function childSeconds(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

test('start-up costs little more than node itself', () => {
  const cost = (...args: string[]) => {
    const before = childSeconds();
    for (let i = 0; i < 20; i++) assert.equal(spawnSync(process.execPath, args).status, 0);
    return childSeconds() - before;
  };
  const bare = cost('-e', '0');
  const ours = cost(join(repository, 'bin/suture'), '--version');
  assert.ok(bare > 0);
  const ms = (seconds: number) => `${(seconds * 50).toFixed(0)} ms of CPU`;
  assert.ok(ours < bare * 1.6, `${ms(ours)} a start, node alone ${ms(bare)}`);
});
