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
  /** Runs a command of suture in the process that has run the ones before. */
  suture({ args, cwd = '/tmp' }) {
    return new Promise((resolve, reject) => {
      commandLine ??= startCommandLine();
      commands.push({ resolve, reject });
      commandLine.send({ args, cwd });
    });
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
