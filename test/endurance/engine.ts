/** Starts engine processes and talks to them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Answer, Request } from './engine-process.ts';

/** Bundles a script, named from this folder, into one file, so that it starts fast; koffi is found from here. */
export async function bundled(script: string, folder: string): Promise<string> {
  const outfile = join(folder, basename(script).replace(/\.ts$/, '.mjs'));
  // Not needed where the scripts have been bundled before.
  const { build } = await import('esbuild');
  await build({
    entryPoints: [fileURLToPath(new URL(script, import.meta.url))],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    external: ['koffi', 'esbuild'],
    logLevel: 'silent',
    define: { 'import.meta.url': JSON.stringify(import.meta.url) },
  });
  return outfile;
}

/** One engine process. It ends with its input, or when it is killed. */
export class Engine implements Disposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #files: readonly string[];
  readonly ended: Promise<NodeJS.Signals | number | null>;

  constructor(script: string, files: readonly string[], environment: NodeJS.ProcessEnv = {}) {
    const env = { ...process.env, ...environment };
    this.#child = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'], env });
    this.ended = new Promise((resolve) =>
      this.#child.once('exit', (code, signal) => resolve(signal ?? code)),
    );
    // What is written to an engine that has died is lost, as it should be.
    this.#child.stdin!.on('error', () => {});
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
    this.#files = files;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resolves when its code is loaded and it waits for requests. */
  async ready(): Promise<void> {
    await this.#expect('ready');
  }

  /** Sends a request; resolves when its command begins. */
  async begin(request: Request): Promise<void> {
    this.#child.stdin!.write(`${JSON.stringify({ request, files: this.#files })}\n`);
    await this.#expect('begin');
  }

  /** Of the request that was begun; undefined if the engine died before it was done. */
  async answer(): Promise<Answer | undefined> {
    const { value, done } = await this.#lines.next();
    return done === true ? undefined : (JSON.parse(String(value)) as Answer);
  }

  async ask(request: Request): Promise<Answer> {
    await this.begin(request);
    const answer = await this.answer();
    if (answer === undefined) throw new Error(`the engine died while it did ${JSON.stringify(request)}`);
    return answer;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  [Symbol.dispose](): void {
    this.kill();
  }

  async #expect(word: string): Promise<void> {
    const { value } = await this.#lines.next();
    if (value !== JSON.stringify(word)) throw new Error(`an engine process said ${value} instead of ${word}`);
  }
}
