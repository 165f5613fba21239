// npm run demo: builds the example server, patches a leak out of it while a client keeps using it, and takes the
// patch back. Exits with 1 if anything is not as it says. Node's own modules only: it must run before npm ci.
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from './demo-client.mjs';
import { ensureBundle, root, setUp } from './setup.mjs';

const PASSWORD = 'correct-horse-battery-staple';
const suture = join(root, 'bin/suture');

let failures = 0;

const bold =
  process.stdout.isTTY && !process.env.NO_COLOR ? (text) => `\x1b[1m${text}\x1b[22m` : (text) => text;
const say = (text) => console.log(`\n${bold(text)}`);

/** Says whether something is as it should be, and remembers if it is not. */
function expect(what, holds) {
  if (!holds) failures++;
  console.log(`  ${holds ? 'yes' : 'NO '}  ${what}`);
}

/** Runs a command with its output shown, and gives its exit code. */
function show(folder, command, ...args) {
  const shown = [command === suture ? 'suture' : command, ...args].join(' ');
  console.log(`  $ ${shown}`);
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text) => process.stdout.write(text.replace(/^(?=.)/gm, '    ')));
    }
    child.on('error', reject);
    child.on('close', (code) => resolve(code));
  });
}

async function mustShow(folder, command, ...args) {
  const code = await show(folder, command, ...args);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with exit code ${code}`);
}

/** Starts the server on a free port and waits until it says which. */
function startServer(folder) {
  const child = spawn(join(folder, 'noted'), ['0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => reject(new Error(`the server ended: ${code ?? signal}`)));
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (text) => {
      const port = /:(\d+)\n/.exec(text)?.[1];
      if (port !== undefined) resolve({ child, port: Number(port) });
    });
  });
}

/** An operator logs in and leaves; an attacker comes next and asks for more than it sends. */
async function attack(port) {
  const operator = await Client.connect(port);
  await operator.ask(`AUTH operator ${PASSWORD}`);
  await operator.leave();
  const attacker = await Client.connect(port);
  const answer = await attacker.ask('ECHO 64 x');
  await attacker.leave();
  console.log(`  attacker sends   ECHO 64 x`);
  console.log(`  server answers   ${answer}`);
  return answer;
}

/** True if the answer holds the password that another client had sent. */
const leaks = (answer) => answer.includes(PASSWORD);

/** A user's session: notes written and read back on one connection, every few milliseconds. */
async function useServer(port) {
  const client = await Client.connect(port);
  const seen = { requests: 0, wrong: 0, longest: 0, since: 0 };
  let running = true;
  const loop = (async () => {
    for (let n = 1; running; n++) {
      for (const [request, wanted] of [
        [`SET diary page ${n}`, 'OK'],
        ['GET diary', `NOTE page ${n}`],
        ['COUNT', `COUNT ${n * 3}`],
      ]) {
        const start = performance.now();
        const answer = await client.ask(request);
        const took = performance.now() - start;
        seen.requests++;
        if (answer !== wanted) seen.wrong++;
        seen.longest = Math.max(seen.longest, took);
        seen.since = Math.max(seen.since, took);
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  })();
  loop.catch(() => seen.wrong++);
  return {
    seen,
    /** Longest wait for an answer since the last call, in milliseconds. */
    longestSince() {
      const { since } = seen;
      seen.since = 0;
      return since;
    },
    async stop() {
      running = false;
      await loop;
      await client.leave();
    },
  };
}

async function play(folder) {
  say('1. Build the server with its own Makefile, noting how each file is compiled');
  await mustShow(folder, suture, 'record', '--', 'make');

  say('2. Build the patch from the source fix: only the two files that it touches are compiled');
  await mustShow(folder, suture, 'build', '--id', 'echo-leak', 'fix.patch');
  await mustShow(folder, suture, 'inspect', 'patches');

  say('3. Start the server; a user works on one connection all the time');
  const { child, port } = await startServer(folder);
  try {
    const pid = String(child.pid);
    const user = await useServer(port);
    console.log(`  noted runs as pid ${pid} on 127.0.0.1:${port}`);

    say('4. Before: another client reads the operator’s password');
    expect('the hole is open', leaks(await attack(port)));
    await new Promise((resolve) => setTimeout(resolve, 500));
    const untouched = user.longestSince();

    say('5. Apply the patch while the user works');
    await mustShow(folder, suture, 'check', '--pid', pid, 'patches');
    user.longestSince();
    await mustShow(folder, suture, 'apply', '--pid', pid, 'patches');
    const applied = user.longestSince();
    await mustShow(folder, suture, 'status', '--pid', pid);

    say('6. After: the same attack');
    expect('the hole is closed', !leaks(await attack(port)));
    const before = user.seen.requests;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect('the user’s connection and session go on', user.seen.requests > before && user.seen.wrong === 0);

    say('7. Take the patch back');
    user.longestSince();
    await mustShow(folder, suture, 'revert', '--pid', pid, '--id', 'echo-leak');
    const reverted = user.longestSince();
    expect('the server is as before, hole included', leaks(await attack(port)));

    say('8. What the user saw of all this');
    await user.stop();
    const { requests, wrong } = user.seen;
    expect(`${requests} requests on one connection, ${wrong} failed`, requests > 100 && wrong === 0);
    console.log(
      `       longest wait for an answer: ${untouched.toFixed(1)} ms before, ${applied.toFixed(1)} ms during apply, ${reverted.toFixed(1)} ms during revert`,
    );
    expect('none was longer than a second', user.seen.longest < 1000);
    expect('the server is the same process', child.exitCode === null && child.signalCode === null);
  } finally {
    child.removeAllListeners('exit');
    child.kill();
  }
}

setUp('demo');
if (!ensureBundle()) process.exit(1);
const folder = mkdtempSync(join(tmpdir(), 'suture-demo-'));
try {
  cpSync(join(root, 'examples/server'), folder, { recursive: true });
  await play(folder);
} catch (error) {
  failures++;
  console.error(`\nthe demo stopped: ${error.message}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
say(failures === 0 ? 'All as it should be.' : `${failures} not as it should be.`);
process.exitCode = failures === 0 ? 0 : 1;
