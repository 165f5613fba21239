/** Redis: 138,000 lines in src alone, one main thread, background threads and I/O threads. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ask, type Exchange, freePort, listening, startLoad } from './load.ts';
import type { RealServer, RunningServer } from './server.ts';

const PASSWORD = 'loopback-only';

const command = (...words: string[]): string =>
  `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;

/** True when the whole expected answer is there, false as soon as it differs. */
const answers =
  (expected: string) =>
  (answer: string): boolean | undefined =>
    answer === expected ? true : expected.startsWith(answer) ? undefined : false;

const signIn: Exchange = { request: command('AUTH', PASSWORD), check: answers('+OK\r\n') };

/** Every client keeps a counter and a value of its own, so that a lost or repeated write would show. */
function exchange(client: number, turn: number): Exchange {
  const value = `value-${client}-${turn >> 1}`;
  if (turn % 4 === 1)
    return { request: command('INCR', `counter-${client}`), check: answers(`:${((turn - 1) >> 2) + 1}\r\n`) };
  return turn % 2 === 0
    ? { request: command('SET', `key-${client}`, value), check: answers('+OK\r\n') }
    : { request: command('GET', `key-${client}`), check: answers(`$${value.length}\r\n${value}\r\n`) };
}

export const redis: RealServer = {
  name: 'redis',
  source: {
    name: 'redis',
    version: '5:7.0.15-1~deb12u7',
    firstPatchLeftOut: '0002-Fix-Read-Write-key-pattern-selector-CVE-2024-51741-1.patch',
  },
  parallelism: 'multi-threaded',
  sources: ['src', 'deps/lua/src', 'deps/hiredis', 'deps/hdr_histogram', 'deps/linenoise'],
  configure: [],
  build: [
    'make',
    '-j2',
    'MALLOC=libc',
    'CFLAGS=-g -O2 -fstack-protector-strong -Wformat -Werror=format-security',
    'LDFLAGS=-Wl,-z,relro,-z,now',
  ],
  fixes: [
    {
      id: 'CVE-2024-51741',
      about: 'a malformed key pattern is accepted into the access rules (and crashes the server later)',
      patches: ['0002-Fix-Read-Write-key-pattern-selector-CVE-2024-51741-1.patch'],
      functions: ['ACLSetSelector'],
      async probe({ port }) {
        const said = await ask(
          port,
          signIn.request +
            command('ACL', 'SETUSER', 'probe', '%') +
            command('ACL', 'DELUSER', 'probe') +
            command('QUIT'),
        );
        if (/^\+OK\r\n\+OK\r\n:1\r\n/.test(said)) return 'open';
        if (/^\+OK\r\n-ERR Error in ACL SETUSER modifier '%': Syntax error\r\n/.test(said)) return 'closed';
        throw new Error(`unexpected answer: ${JSON.stringify(said)}`);
      },
    },
    {
      id: 'CVE-2025-21605',
      about: 'a client that did not sign in makes the server buffer answers without limit',
      patches: ['0001-Limiting-output-buffer-for-unauthenticated-client-CV.patch'],
      functions: ['checkClientOutputBufferLimits'],
      async probe({ port }) {
        const count = 20_000;
        const said = await ask(port, `${'SET x 5\r\n'.repeat(count)}QUIT\r\n`);
        const refusals = said.split('-NOAUTH Authentication required.\r\n').length - 1;
        if (refusals === count) return 'open';
        if (refusals < count) return 'closed';
        throw new Error(`${refusals} answers to ${count} requests`);
      },
    },
  ],
  async start(tree, folder): Promise<RunningServer> {
    const port = await freePort();
    const executable = join(tree, 'src/redis-server');
    const options = {
      port,
      bind: '127.0.0.1',
      dir: folder,
      requirepass: PASSWORD,
      save: '',
      'io-threads': 2,
      'io-threads-do-reads': 'yes',
      daemonize: 'no',
    };
    const child = spawn(
      executable,
      Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]),
      { stdio: 'ignore' },
    );
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    const stop = async (): Promise<void> => {
      child.kill('SIGKILL');
      await gone;
    };
    try {
      await Promise.race([
        listening(port),
        gone.then(() => Promise.reject(new Error('redis-server ended at once'))),
      ]);
    } catch (error) {
      await stop();
      throw error;
    }
    return { port, pids: [child.pid ?? 0], executable, stop };
  },
  load: ({ port }) => startLoad(port, 24, signIn, (client, turn) => exchange(client, turn)),
};
