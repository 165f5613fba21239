/** As much of the remote framebuffer protocol (RFC 6143) as a client needs to be one, and to misbehave. */
import { connect, type Socket } from 'node:net';

/** Message types of the client. RFC 6143, 7.5; pseudo-encodings are left out. */
const FRAMEBUFFER_UPDATE_REQUEST = 3;
const CLIENT_CUT_TEXT = 6;
const SECURITY_NONE = 1;

export class Rfb {
  readonly #socket: Socket;
  #bytes = Buffer.alloc(0);
  #wake: () => void = () => {};
  isClosed = false;
  /** Bytes that the server has sent. */
  received = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => {
      this.received += chunk.length;
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#wake();
    });
    const closed = () => {
      this.isClosed = true;
      this.#wake();
    };
    socket.on('close', closed).on('error', closed);
  }

  /** Connects and goes through the handshake without a password. */
  static async open(path: string): Promise<Rfb> {
    const socket = connect(path);
    const rfb = new Rfb(socket);
    const version = await rfb.#take(12);
    socket.write(version);
    const [count] = await rfb.#take(1);
    const offered = await rfb.#take(count!);
    if (!offered.includes(SECURITY_NONE)) throw new Error('VNC: the server wants a password');
    socket.write(Buffer.from([SECURITY_NONE]));
    const result = await rfb.#take(4);
    if (result.readUInt32BE() !== 0) throw new Error('VNC: the server refused the client');
    socket.write(Buffer.from([1])); // shared
    const screen = await rfb.#take(24);
    await rfb.#take(screen.readUInt32BE(20));
    return rfb;
  }

  /** Asks for one pixel, as it is; true when an answer came, false when the server has closed the connection. */
  async isServed(): Promise<boolean> {
    const before = this.received;
    const request = Buffer.from([FRAMEBUFFER_UPDATE_REQUEST, 0, 0, 0, 0, 0, 0, 1, 0, 1]);
    this.#socket.write(request);
    const deadline = performance.now() + 5000;
    while (!this.isClosed && this.received === before) {
      if (performance.now() > deadline) throw new Error('VNC: no answer within 5 s');
      await this.#more();
    }
    this.#bytes = Buffer.alloc(0);
    return !this.isClosed;
  }

  /** The message of the extended clipboard (a negative length), which this client has never offered to speak. */
  sendUnofferedClipboard(): void {
    const message = Buffer.alloc(12);
    message.writeUInt8(CLIENT_CUT_TEXT, 0);
    message.writeInt32BE(-4, 4);
    this.#socket.write(message);
  }

  close(): void {
    this.#socket.destroy();
  }

  async #take(size: number): Promise<Buffer> {
    while (this.#bytes.length < size) {
      if (this.isClosed) throw new Error('VNC: the connection has ended');
      await this.#more();
    }
    const taken = this.#bytes.subarray(0, size);
    this.#bytes = this.#bytes.subarray(size);
    return taken;
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, 250);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
