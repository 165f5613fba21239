/**
 * The one door to the C library. Calls are synchronous: ptrace must come from one OS thread, and an asynchronous call
 * would lose errno. Pointers travel as numbers: user addresses of both CPUs fit 2^53, and numbers cost koffi least.
 */
import { createRequire } from 'node:module';
import { SutureError } from '../base/errors.ts';

type Koffi = typeof import('koffi');
type CType = 'int' | 'long' | 'uint' | 'size_t' | 'uintptr_t' | 'const char *' | 'const char **';
export type CValue = number | bigint | string | null | readonly (string | null)[];

let koffi: Koffi | undefined;
let library: ReturnType<Koffi['load']> | undefined;

/** Loads koffi when the first call is made: it costs 12 to 14 ms, which `suture build` and `--help` do not pay. */
function load(): Koffi {
  if (koffi !== undefined) return koffi;
  try {
    koffi = createRequire(import.meta.url)('koffi') as Koffi;
  } catch (cause) {
    throw new SutureError('INTERNAL', 'the native call library koffi cannot be loaded', {
      remedy: 'run npm ci in the folder of suture, on the machine where it is to run',
      cause,
    });
  }
  return koffi;
}

/**
 * A C function whose result is an integer. The symbol is looked up at the first call; use `errno()` directly after a
 * call that failed.
 */
export function cFunction(name: string, result: CType, parameters: readonly CType[]): Native {
  let bound: Native | undefined;
  const bind = (): Native => {
    const loaded = load();
    library ??= loaded.load(null);
    return library.func(name, result, [...parameters]) as Native;
  };
  // What is called for each thread of a stop passes its values on as they are: a list of them costs as much as the call.
  switch (parameters.length) {
    case 3:
      return (a, b, c) => {
        bound ??= bind();
        return bound(a!, b!, c!);
      };
    case 4:
      return (a, b, c, d) => {
        bound ??= bind();
        return bound(a!, b!, c!, d!);
      };
    default:
      return (...values) => {
        bound ??= bind();
        return bound(...values);
      };
  }
}

type Native = (...values: CValue[]) => number;

/** errno of the last call. Any call in between changes it. */
export const errno = (): number => load().errno();

/** Memory that C code can read and write: it neither moves nor is freed while the object lives. */
export class NativeMemory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Address in our own process. */
  readonly address: number;

  constructor(size: number) {
    // The store of an ArrayBuffer is outside the collected heap; that of a small typed array is not.
    const store = new ArrayBuffer(size);
    this.bytes = new Uint8Array(store);
    this.view = new DataView(store);
    this.address = Number(load().address(store));
  }

  /** A getter that allocates at the first use, so that importing a module does not load koffi. */
  static lazily(size: number): () => NativeMemory {
    let memory: NativeMemory | undefined;
    return () => {
      memory ??= new NativeMemory(size);
      return memory;
    };
  }
}
