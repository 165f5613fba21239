// A client of the example server: one line out, one line in.
import { connect } from 'node:net';

export class Client {
  #socket;
  #buffered = '';
  #waiting = [];
  #ended;

  constructor(socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setEncoding('latin1');
    socket.on('data', (text) => this.#take(text));
    socket.on('error', (error) => this.#end(error));
    socket.on('close', () => this.#end(new Error('the server closed the connection')));
  }

  /** Connects to the server on this port of the loopback address. */
  static connect(port) {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1' }, () => resolve(new Client(socket)));
      socket.once('error', reject);
    });
  }

  /** Sends a line and gives the answer; fails if none comes within five seconds. */
  ask(line) {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer to ${line}`)), 5000);
      this.#waiting.push((error, answer) => {
        clearTimeout(timer);
        if (error === undefined) resolve(answer);
        else reject(error);
      });
      this.#socket.write(`${line}\n`);
    });
  }

  /** Says goodbye and waits until the connection is closed. */
  async leave() {
    const closed = new Promise((resolve) => this.#socket.once('close', resolve));
    this.#socket.end('QUIT\n');
    await closed;
  }

  #take(text) {
    this.#buffered += text;
    const lines = this.#buffered.split('\n');
    this.#buffered = lines.pop();
    for (const line of lines) this.#waiting.shift()?.(undefined, line);
  }

  #end(error) {
    this.#ended ??= error;
    for (const tell of this.#waiting.splice(0)) tell(this.#ended);
  }
}
