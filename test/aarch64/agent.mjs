// Runs inside of the emulated machine: does what the host asks for over the virtual serial port, a line of JSON each way.
// Node's own modules only.
import { fork, spawn } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  createReadStream,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';

const port = openSync(`/dev/${readdirSync('/dev').find((name) => /^vport\d+p\d+$/.test(name))}`, 'r+');
const say = (message) => writeSync(port, `${JSON.stringify(message)}\n`);

/** The process that runs commands of suture, and those who wait for it, in order. */
let commandLine;
const commands = [];

function startCommandLine() {
  // Into files: what a command has printed is there when it says that it has ended.
  const outputs = ['stdout', 'stderr'].map((name) => openSync(`/tmp/suture-${name}`, 'w+'));
  const child = fork('/project/test/aarch64/command-line.mjs', ['/tmp/suture/bin/run.cjs'], {
    cwd: '/tmp',
    stdio: ['ignore', ...outputs, 'ipc'],
  });
  const seen = [0, 0];
  const newIn = (which) => {
    const bytes = Buffer.alloc(fstatSync(outputs[which]).size - seen[which]);
    seen[which] += readSync(outputs[which], bytes, 0, bytes.length, seen[which]);
    return bytes.toString('utf8');
  };
  child.on('message', ({ code }) => commands.shift()?.resolve({ code, stdout: newIn(0), stderr: newIn(1) }));
  child.on('exit', (code, signal) => {
    if (commandLine === child) commandLine = undefined;
    for (const { reject } of commands.splice(0)) reject(new Error(`suture ended by ${signal ?? code}`));
  });
  return child;
}

/** Programs that the host talks to, by pid. */
const programs = new Map();

/** Runs a command of suture in the process that has run the ones before. */
function suture(args, cwd = '/tmp') {
  return new Promise((resolve, reject) => {
    commandLine ??= startCommandLine();
    commands.push({ resolve, reject });
    commandLine.send({ args, cwd });
  });
}

/** A program that is asked here, as `Program` of the host's harness asks: a line makes a call, `.` ends its answer. */
class AskedProgram {
  #waiting;
  #ended;
  #answer = [];

  constructor(path, environment) {
    this.child = spawn(path, [], {
      stdio: ['pipe', 'pipe', 'ignore'],
      cwd: dirname(path),
      env: { ...process.env, ...environment },
    });
    const end = (how) => {
      this.#ended = `the program ended: ${how}`;
      this.#waiting?.reject(new Error(this.#ended));
    };
    this.child.on('error', end);
    this.child.on('exit', (code, signal) => end(signal ?? `exit ${code}`));
    this.child.stdin.on('error', () => {});
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      if (line !== '.') this.#answer.push(line);
      else this.#waiting?.resolve(this.#answer.splice(0).join(' '));
    });
  }

  /** Calls with 1, 2, … and gives the answers. */
  async calls(count) {
    const answers = [];
    for (let n = 1; n <= count; n++) {
      const answer = await new Promise((resolve, reject) => {
        this.#waiting = { resolve, reject };
        if (this.#ended !== undefined) reject(new Error(this.#ended));
        else this.child.stdin.write(`${n}\n`);
      });
      answers.push(answer);
    }
    return answers;
  }

  async stop() {
    if (this.#ended !== undefined) return;
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await gone;
  }
}

const operations = {
  /** Copies a folder of the host into memory here. */
  copy({ from, to }) {
    cpSync(from, to, { recursive: true, preserveTimestamps: true });
  },
  remove({ path }) {
    rmSync(path, { recursive: true, force: true });
  },
  /** Runs a command to its end. */
  run({ argv, cwd, seconds = 120, environment = {} }) {
    return new Promise((resolve, reject) => {
      const child = spawn(argv[0], argv.slice(1), {
        cwd,
        env: { ...process.env, ...environment },
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: seconds * 1000,
        killSignal: 'SIGKILL',
      });
      let stdout = '';
      let stderr = '';
      child.stdout.setEncoding('utf8').on('data', (text) => {
        stdout += text;
      });
      child.stderr.setEncoding('utf8').on('data', (text) => {
        stderr += text;
      });
      child.on('error', reject);
      child.on('close', (code) => resolve({ code: code ?? -1, stdout, stderr }));
    });
  },
  suture({ args, cwd }) {
    return suture(args, cwd);
  },
  /**
   * Starts tree/prog of `folder`, asks it, applies the patches, asks, verifies, takes back, asks: one message each way.
   * Whatever cannot be done ends it; the answer holds what was said until then.
   */
  async patchProgram({ folder, patch, patience, counts }) {
    const path = `/tmp/patched-${patch}`;
    cpSync(folder, path, { recursive: true });
    const program = new AskedProgram(`${path}/tree/prog`, { LD_LIBRARY_PATH: `${path}/tree` });
    const said = {};
    try {
      const target = ['--pid', String(program.child.pid)];
      said.before = await program.calls(counts.before);
      said.applied = await suture(['apply', ...target, ...patience, '--json', `${path}/patches`]);
      said.after = await program.calls(counts.after);
      if (said.applied.code === 0) {
        said.verified = await suture(['verify', ...target]);
        said.taken = await suture(['revert', ...target, ...patience, '--id', patch, '--json']);
      }
      said.reverted = await program.calls(counts.reverted);
    } catch (error) {
      said.error = String(error?.message ?? error);
    } finally {
      await program.stop();
      rmSync(path, { recursive: true, force: true });
    }
    return said;
  },
  /** Starts a program; its standard output goes to the host line by line. */
  start({ path, args, environment = {} }) {
    return new Promise((resolve, reject) => {
      const child = spawn(path, args, {
        stdio: ['pipe', 'pipe', 'ignore'],
        cwd: dirname(path),
        env: { ...process.env, ...environment },
      });
      child.on('error', reject);
      child.on('spawn', () => {
        const { pid } = child;
        programs.set(pid, child);
        child.stdin.on('error', () => {});
        createInterface({ input: child.stdout }).on('line', (line) => say({ pid, line }));
        child.on('exit', (code, signal) => {
          programs.delete(pid);
          say({ pid, ended: signal ?? `exit ${code}` });
        });
        resolve(pid);
      });
    });
  },
  write({ pid, text }) {
    programs.get(pid)?.stdin.write(text);
  },
  kill({ pid, signal }) {
    programs.get(pid)?.kill(signal);
  },
};

// From memory: a folder of the host costs a round trip for every look at it.
mkdirSync('/tmp/suture');
for (const folder of ['bin', 'dist'])
  cpSync(`/project/${folder}`, `/tmp/suture/${folder}`, { recursive: true });
symlinkSync('/node_modules', '/tmp/suture/node_modules');
copyFileSync('/project/package.json', '/tmp/suture/package.json');
say({ ready: process.version });
createInterface({ input: createReadStream('', { fd: port }) }).on('line', async (line) => {
  // A byte from before the port was open is no request.
  if (!line.startsWith('{')) return;
  const { id, operation, ...parameters } = JSON.parse(line);
  try {
    say({ id, result: (await operations[operation](parameters)) ?? null });
  } catch (error) {
    say({ id, error: String(error?.stack ?? error) });
  }
});
