/** Clients that never pause: each sends a request, checks the answer, sends the next. One failure is one too many. */
import { connect, type Socket } from 'node:net';

export interface LoadResult {
  readonly requests: number;
  readonly failed: number;
  /** The longest wait for one answer, in milliseconds. */
  readonly longestMs: number;
  readonly firstFailure: string | undefined;
}

export interface Load {
  /** Requests answered so far. */
  readonly requests: number;
  stop(): Promise<LoadResult>;
}

/** One exchange of a protocol on a connection that stays open. */
export interface Exchange {
  readonly request: string;
  /** Undefined while the answer is incomplete; otherwise whether it is right. */
  check(answer: string): boolean | undefined;
}

/** `connections` clients on loopback, each going through `exchanges(client, turn)` on one connection. */
export function startLoad(
  port: number,
  connections: number,
  greeting: Exchange | undefined,
  exchange: (client: number, turn: number) => Exchange,
): Load {
  const clients = Array.from(
    { length: connections },
    (_, client) => new Client(port, greeting, (turn) => exchange(client, turn)),
  );
  return {
    get requests() {
      return clients.reduce((sum, { requests }) => sum + requests, 0);
    },
    async stop() {
      const results = await Promise.all(clients.map((client) => client.stop()));
      return {
        requests: results.reduce((sum, { requests }) => sum + requests, 0),
        failed: results.reduce((sum, { failed }) => sum + failed, 0),
        longestMs: Math.max(...results.map(({ longestMs }) => longestMs)),
        firstFailure: results.find(({ firstFailure }) => firstFailure !== undefined)?.firstFailure,
      };
    },
  };
}

class Client {
  requests = 0;
  failed = 0;
  longestMs = 0;
  firstFailure: string | undefined;
  readonly #socket: Socket;
  readonly #ended: Promise<void>;
  #stopping = false;
  #turn = 0;
  #current: Exchange;
  #answer = '';
  #sentAt = 0;

  constructor(
    port: number,
    greeting: Exchange | undefined,
    readonly next: (turn: number) => Exchange,
  ) {
    this.#current = greeting ?? next(0);
    this.#socket = connect(port, '127.0.0.1');
    this.#socket.setNoDelay(true).setEncoding('latin1');
    // An answer that never comes is a failure too.
    this.#socket.setTimeout(30_000, () => this.#socket.destroy(new Error('no answer for 30 s')));
    this.#socket.on('connect', () => this.#send());
    this.#socket.on('data', (text: string) => this.#receive(text));
    this.#socket.on('error', (error) => this.#fail(error.message));
    this.#ended = new Promise((resolve) => {
      this.#socket.on('close', () => {
        if (!this.#stopping && this.firstFailure === undefined)
          this.#fail('the server closed the connection');
        resolve();
      });
    });
  }

  #send(): void {
    this.#answer = '';
    this.#sentAt = performance.now();
    this.#socket.write(this.#current.request, 'latin1');
  }

  #receive(text: string): void {
    this.#answer += text;
    const right = this.#current.check(this.#answer);
    if (right === undefined) return;
    this.requests++;
    this.longestMs = Math.max(this.longestMs, performance.now() - this.#sentAt);
    if (!right)
      this.#fail(`wrong answer to ${JSON.stringify(this.#current.request)}: ${JSON.stringify(this.#answer)}`);
    if (this.#stopping) return void this.#socket.end();
    this.#current = this.next(++this.#turn);
    this.#send();
  }

  #fail(why: string): void {
    this.failed++;
    this.firstFailure ??= why;
  }

  async stop(): Promise<Client> {
    this.#stopping = true; // the answer under way is still waited for and counted
    await this.#ended;
    return this;
  }
}

/** What a server answers until it closes the connection. @throws if it says nothing for so long */
export function ask(port: number, request: string, seconds = 30): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(request, 'latin1'));
    socket.setEncoding('latin1').setTimeout(seconds * 1000, () => {
      reject(new Error(`port ${port} neither answered nor closed the connection for ${seconds} s`));
      socket.destroy();
    });
    socket.on('data', (text: string) => {
      answer += text;
    });
    socket.on('error', () => {}); // a reset ends the answer like a close does
    socket.on('close', () => resolve(answer));
  });
}

/** A port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const { createServer } = await import('node:net');
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** Resolves when something listens on the port; throws when nothing does within `seconds`. */
export async function listening(port: number, seconds = 15): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true));
      socket.on('error', () => resolve(false)).on('connect', () => socket.destroy());
    });
    if (open) return;
    if (performance.now() > deadline) throw new Error(`nothing listens on port ${port}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
