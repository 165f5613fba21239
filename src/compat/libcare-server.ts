/** `libcare-server`: does on a socket what libcare-ctl does, and patches programs that are just starting. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { patchProcesses } from './control.ts';
import { ctlCommand, runCtl } from './ctl-words.ts';
import { openStore } from './patch-store.ts';
import { Startup } from './startup.ts';
import { ended, FAILED, failureOf, UsageError, type Voice } from './voice.ts';
import { decodeWords } from './words.ts';

const USAGE = `usage: libcare-server [-v] [-h] SOCKET [STORAGE]
  SOCKET   a path, @NAME in the abstract namespace, or &N for the inherited descriptor N
  STORAGE  a patch, or a folder of patches by build id; /var/lib/libcare
`;
const DEFAULT_STORAGE = '/var/lib/libcare';
/** What a process that is about to execute a program waits for. */
const READY = Buffer.from([0, 0, 0, 0]);

class LibcareServer {
  readonly #voice: Voice;
  readonly #isVerbose: boolean;
  #storage: string;
  #child: ChildProcess | undefined;
  /** One after the other. */
  #work: Promise<void> = Promise.resolve();
  readonly #server: Server = createServer({ allowHalfOpen: true }, (socket) => this.#listen(socket));

  constructor(storage: string, isVerbose: boolean, voice: Voice) {
    this.#storage = storage;
    this.#isVerbose = isVerbose;
    this.#voice = voice;
  }

  /** Serves until `stop`, or a signal. */
  async serve(address: string): Promise<number> {
    return await new Promise((resolve, reject) => {
      this.#server.on('error', reject);
      this.#server.on('close', () => resolve(0));
      process.on('SIGTERM', () => {
        this.#child?.kill('SIGKILL');
        if (isPath(address)) rmSync(address, { force: true });
        process.exit(0x80 | 15);
      });
      const inherited = /^&(\d+)$/.exec(address);
      if (inherited !== null) this.#server.listen({ fd: Number(inherited[1]), backlog: 1 });
      else this.#server.listen({ path: address.replace(/^@/, '\0'), backlog: 1 });
    });
  }

  #listen(socket: Socket): void {
    let received = Buffer.alloc(0);
    socket.on('error', () => {});
    const hangUp = (): void => void socket.end();
    socket.on('end', hangUp);
    socket.on('data', (bytes) => {
      received = Buffer.concat([received, bytes]);
      const words = decodeWords(received);
      if (words === 'incomplete') return;
      socket.removeAllListeners('data');
      socket.off('end', hangUp);
      socket.resume();
      if (words === 'too-long') {
        socket.end('more than 31 words or 4096 bytes\n');
        return;
      }
      this.#work = this.#work
        .then(() => this.#answer(words, socket))
        .catch((error) => this.#voice.err(failureOf(error)));
    });
  }

  async #answer(words: readonly string[], socket: Socket): Promise<void> {
    const reply: Voice = { out: (text) => void socket.write(text), err: (text) => void socket.write(text) };
    if (this.#isVerbose) this.#voice.out(`${words.join(' ')}\n`);
    try {
      await this.#carryOut(words, socket, reply);
    } catch (error) {
      const text = error instanceof UsageError ? `${error.message}\n` : failureOf(error);
      this.#voice.err(text);
      if (socket.writable) reply.err(text);
    } finally {
      socket.end();
    }
  }

  async #carryOut([command, ...rest]: readonly string[], socket: Socket, reply: Voice): Promise<void> {
    switch (command) {
      case 'execve':
        return await this.#execve(pidOf(rest[0]), socket);
      case 'startup':
        patchProcesses([pidOf(rest[0])], openStore(this.#storage), reply);
        return;
      case 'update':
        patchProcesses('all', openStore(this.#storage), reply);
        return;
      case 'storage':
        this.#setStorage(rest[0]);
        return;
      case 'stop':
        this.#child?.kill('SIGKILL');
        this.#server.close();
        return;
      case 'run':
        return this.#run(rest, reply);
      case 'kill':
        return this.#kill(pidOf(rest[0]), reply);
      default: {
        const known = ctlCommand(command);
        if (known === undefined) throw new UsageError(`${command} is no command of libcare-server`);
        runCtl(known, rest, false, reply);
      }
    }
  }

  /** The process goes on whatever happens here: it only starts without its patches then. */
  async #execve(pid: number, socket: Socket): Promise<void> {
    const startup = new Startup(pid);
    socket.end(READY);
    await startup.run((started) => patchProcesses([started], openStore(this.#storage), this.#voice));
  }

  #setStorage(path: string | undefined): void {
    if (path === undefined) throw new UsageError('storage wants a folder');
    openStore(path);
    this.#storage = path;
  }

  #run(words: readonly string[], reply: Voice): void {
    if (words.length === 0) throw new UsageError('run wants a command');
    if (this.#child !== undefined) throw new UsageError(`process ${this.#child.pid} still runs`);
    const child = spawn('sh', ['-c', words.join(' ')], { stdio: ['ignore', 'inherit', 'inherit'] });
    this.#child = child;
    const forget = (): void => {
      if (this.#child === child) this.#child = undefined;
    };
    child.on('exit', forget);
    child.on('error', forget);
    reply.out(`${child.pid}\n`);
  }

  /** Its own child only: a socket is no way to end anybody's processes. */
  #kill(pid: number, reply: Voice): void {
    if (this.#child?.pid !== pid) throw new UsageError(`process ${pid} was not started by run`);
    this.#child.kill('SIGTERM');
    reply.out(`${pid}\n`);
  }
}

function pidOf(word: string | undefined): number {
  if (word !== undefined && /^[1-9]\d{0,8}$/.test(word)) return Number(word);
  throw new UsageError(`${word ?? 'nothing'} is no process id`);
}

const isPath = (address: string): boolean => !/^[@&]/.test(address);

/** A socket of a server that was killed is in the way; one that answers is somebody's. */
async function clearSocket(path: string): Promise<void> {
  if (!existsSync(path)) return;
  if (!statSync(path).isSocket()) throw new UsageError(`${path} exists and is no socket`);
  const isServed = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.on('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('error', () => resolve(false));
  });
  if (isServed) throw new UsageError(`another server listens on ${path}`);
  rmSync(path, { force: true });
}

async function main(voice: Voice): Promise<number> {
  const words = process.argv.slice(2);
  let isVerbose = false;
  while (words[0]?.startsWith('-')) {
    const flag = words.shift();
    if (flag === '-h') {
      voice.out(USAGE);
      return 0;
    }
    if (!/^-v+$/.test(flag ?? '')) {
      voice.err(USAGE);
      return FAILED;
    }
    isVerbose = true;
  }
  const [address, storage = DEFAULT_STORAGE, ...more] = words;
  if (address === undefined || more.length > 0) {
    voice.err(USAGE);
    return FAILED;
  }
  try {
    if (isPath(address)) await clearSocket(address);
    return await new LibcareServer(storage, isVerbose, voice).serve(address);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    voice.err(`libcare-server: ${error.message}\n`);
    return FAILED;
  }
}

export const command = (): Promise<void> => ended('libcare-server', main);
