/**
 * A limit for calls that block. waitpid has none of its own, asking again and again with a raised priority keeps a
 * tracee that waits for the same processor from ever stopping (measured: 90 ms), and sleeping between is slow.
 * A timer signal to this very thread, whose handler is a harmless C function, ends the call with EINTR.
 */
import { SystemError } from './errno.ts';
import { type CValue, cFunction, errno, NativeMemory } from './library.ts';

const dlsym = cFunction('dlsym', 'uintptr_t', ['uintptr_t', 'const char *']);
const sigaction = cFunction('sigaction', 'int', ['int', 'uintptr_t', 'uintptr_t']);
const gettid = cFunction('gettid', 'int', []);
const mmap = cFunction('mmap', 'long', ['uintptr_t', 'size_t', 'int', 'int', 'int', 'long']);
const mprotect = cFunction('mprotect', 'int', ['uintptr_t', 'size_t', 'int']);
const memcpy = cFunction('memcpy', 'uintptr_t', ['uintptr_t', 'uintptr_t', 'size_t']);
const timerCreate = cFunction('timer_create', 'int', ['int', 'uintptr_t', 'uintptr_t']);
const timerSettime = cFunction('timer_settime', 'int', ['uintptr_t', 'int', 'uintptr_t', 'uintptr_t']);

const CLOCK_MONOTONIC = 1;
const TIMER_ABSTIME = 1;
const SIGEV_THREAD_ID = 4;
/** A real-time signal that neither libc (32, 33) nor node uses. */
const SIGNAL = 51;
/** After the limit the signal comes again: the first may fall between two calls. */
const REPEAT_NS = 500_000n;

// struct sigaction: handler, 128 bytes of mask, flags, restorer: 152 bytes; no SA_RESTART, which would repeat the call.
// struct sigevent: value, signo, notify, tid: 64 bytes. struct itimerspec: interval and value, seconds and nanoseconds.
const ACTION = 0;
const HANDLER_PAGE = 4096;
const EVENT = 160;
const TIMER = 224;
const TIME = 232;
const memory = NativeMemory.lazily(264);

/** timer_t of this thread: each worker has its own copy of this module. */
let timer: number | undefined;

/**
 * From `deadlineNs` (process.hrtime) on, blocking calls of this thread end with EINTR, until the result is disposed.
 * One at a time.
 */
export function interruptAfter(deadlineNs: bigint): Disposable {
  timer ??= createTimer();
  setTimer(timer, deadlineNs, REPEAT_NS);
  return DISARM;
}

const DISARM: Disposable = {
  [Symbol.dispose]() {
    if (timer !== undefined) setTimer(timer, 0n, 0n);
  },
};

/**
 * Makes `code` what the signal calls, instead of the harmless function: position-independent, and as cautious as a signal
 * handler must be. It stays for the life of the process.
 */
export function handleAlarmWith(code: Uint8Array): void {
  const source = new NativeMemory(HANDLER_PAGE);
  source.bytes.set(code);
  // PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS; then PROT_READ | PROT_EXEC: never both.
  const page = mmap(0, HANDLER_PAGE, 3, 0x22, -1, 0);
  if (page < 0) throw new SystemError('mmap', errno());
  memcpy(page, source.address, code.length);
  must('mprotect', mprotect, page, HANDLER_PAGE, 5);
  timer ??= createTimer();
  handleWith(BigInt(page));
}

function handleWith(handler: bigint): void {
  const { bytes, view, address } = memory();
  bytes.fill(0, ACTION, EVENT);
  view.setBigUint64(ACTION, handler, true);
  must('sigaction', sigaction, SIGNAL, address + ACTION, 0);
}

function createTimer(): number {
  const { bytes, view, address } = memory();
  bytes.fill(0, EVENT);
  handleWith(BigInt(dlsym(0, 'abs')));
  view.setInt32(EVENT + 8, SIGNAL, true);
  view.setInt32(EVENT + 12, SIGEV_THREAD_ID, true);
  view.setInt32(EVENT + 16, gettid(), true);
  must('timer_create', timerCreate, CLOCK_MONOTONIC, address + EVENT, address + TIMER);
  return Number(view.getBigUint64(TIMER, true));
}

function setTimer(id: number, valueNs: bigint, intervalNs: bigint): void {
  const { view, address } = memory();
  view.setBigInt64(TIME, intervalNs / 1_000_000_000n, true);
  view.setBigInt64(TIME + 8, intervalNs % 1_000_000_000n, true);
  view.setBigInt64(TIME + 16, valueNs / 1_000_000_000n, true);
  view.setBigInt64(TIME + 24, valueNs % 1_000_000_000n, true);
  must('timer_settime', timerSettime, id, TIMER_ABSTIME, address + TIME, 0);
}

function must(name: string, call: (...values: CValue[]) => number, ...values: CValue[]): void {
  if (call(...values) < 0) throw new SystemError(name, errno());
}
