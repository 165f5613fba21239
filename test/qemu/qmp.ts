/** The QEMU Machine Protocol on a socket: commands in order, one answer each; events are passed over. */
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

export type QmpAnswer =
  | { readonly return: unknown }
  | { readonly error: { readonly class: string; readonly desc: string } };

export class Qmp {
  readonly #socket: Socket;
  readonly #waiting: { resolve: (answer: QmpAnswer) => void; reject: (error: Error) => void }[] = [];
  #pulse: NodeJS.Timeout | undefined;
  /** Since `resetLongest`. */
  #longest = 0;
  /** When the question of the pulse was asked that has no answer yet. */
  #askedAt: number | undefined;
  /** Questions of the pulse that were answered since `resetLongest`. */
  answers = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    createInterface({ input: socket }).on('line', (line) => {
      const message = JSON.parse(line) as object;
      if ('return' in message || 'error' in message) this.#waiting.shift()?.resolve(message as QmpAnswer);
    });
    const lost = () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error('QMP: the connection has ended'));
    };
    socket.on('close', lost).on('error', lost);
  }

  static async open(path: string): Promise<Qmp> {
    const socket = connect(path);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    const qmp = new Qmp(socket);
    await qmp.ask('qmp_capabilities');
    return qmp;
  }

  ask(execute: string, args: Record<string, unknown> = {}): Promise<QmpAnswer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#socket.write(`${JSON.stringify({ execute, arguments: args })}\n`);
    });
  }

  /** The value of a command that must succeed. */
  async must(execute: string, args: Record<string, unknown> = {}): Promise<unknown> {
    const answer = await this.ask(execute, args);
    if ('return' in answer) return answer.return;
    throw new Error(`QMP ${execute}: ${answer.error.desc}`);
  }

  /** A command of the human monitor; its output. */
  human(line: string): Promise<unknown> {
    return this.must('human-monitor-command', { 'command-line': line });
  }

  /**
   * Asks every `everyMs` milliseconds, so that a monitor that does not answer shows. Time in which this process itself
   * did not run is not the monitor's.
   */
  startPulse(everyMs: number): void {
    let lastTurn = performance.now();
    const ownDelay = (now: number) => Math.max(0, now - lastTurn - everyMs);
    let delays = 0;
    this.#pulse = setInterval(() => {
      const now = performance.now();
      delays += ownDelay(now);
      lastTurn = now;
      if (this.#askedAt !== undefined) return;
      const start = now;
      const before = delays;
      this.#askedAt = start;
      const done = () => {
        this.#askedAt = undefined;
      };
      this.must('query-status').then(() => {
        const end = performance.now();
        this.#longest = Math.max(this.#longest, end - start - (delays - before) - ownDelay(end));
        this.answers++;
        done();
      }, done);
    }, everyMs);
  }

  /**
   * Milliseconds between question and answer, the longest since `resetLongest`; a question that is still open counts
   * with the time that it has been.
   */
  get longestMs(): number {
    return this.#askedAt === undefined
      ? this.#longest
      : Math.max(this.#longest, performance.now() - this.#askedAt);
  }

  resetLongest(): void {
    this.#longest = 0;
    this.answers = 0;
  }

  close(): void {
    clearInterval(this.#pulse);
    this.#socket.destroy();
  }
}
