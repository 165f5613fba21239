/**
 * What the engine does to the world, one step after the other: calls of the C library and file operations. Installed
 * before the engine is loaded, so that something can be made to happen before exactly the n-th step of a command.
 */
import fs from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';

/** linux/ptrace.h */
const PTRACE_REQUESTS: Readonly<Record<number, string>> = {
  7: 'cont',
  17: 'detach',
  24: 'cont-to-syscall',
  16896: 'setoptions',
  16897: 'geteventmsg',
  16898: 'getsiginfo',
  16900: 'getregset',
  16901: 'setregset',
  16902: 'seize',
  16903: 'interrupt',
  16911: 'rseq',
  16906: 'getsigmask',
  16907: 'setsigmask',
};
/** File operations that change something, or that read a target. */
const FILE_OPERATIONS = [
  'openSync',
  'readSync',
  'readFileSync',
  'readdirSync',
  'writeSync',
  'renameSync',
  'unlinkSync',
] as const;
/** Steps that only look: an end of ours between them makes no difference to a target. */
const LOOKS: ReadonlySet<string> = new Set([
  'openSync',
  'readSync',
  'readFileSync',
  'readdirSync',
  'process_vm_readv',
]);

export type OnStep = (name: string) => void;

/** True for steps that change a target, or what is known of it. */
export const isAct = (name: string): boolean => !LOOKS.has(name);

type Native = (...values: unknown[]) => unknown;

/** Calls `onStep` before each step, with its name: "seize", "waitpid", "writeSync". */
export function installSteps(onStep: OnStep): void {
  const koffi = createRequire(import.meta.url)('koffi') as {
    load: (path: null) => { func: (...a: unknown[]) => Native };
  };
  const { load } = koffi;
  koffi.load = (path) => {
    const library = load(path);
    return {
      func: (...declaration) => counted(String(declaration[0]), library.func(...declaration), onStep),
    };
  };
  const operations = fs as unknown as Record<string, Native>;
  for (const name of FILE_OPERATIONS) {
    const original = operations[name]!;
    operations[name] = (...values) => {
      onStep(name);
      return original(...values);
    };
  }
  syncBuiltinESMExports();
}

function counted(name: string, native: Native, onStep: OnStep): Native {
  return (...values) => {
    onStep(name === 'ptrace' ? (PTRACE_REQUESTS[Number(values[0])] ?? `ptrace ${values[0]}`) : name);
    return native(...values);
  };
}
