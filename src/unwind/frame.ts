import type { Arch } from '../arch/arch.ts';
import { SutureError } from '../base/errors.ts';
import { type LoadBias, type Remote, remote } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import type { EhFrame } from '../dwarf/eh-frame.ts';

/** Registers of one frame by DWARF number, of which some are not known. */
export class RegisterFile {
  readonly #values: BigUint64Array;
  readonly #known: Uint8Array;

  constructor(
    count: number,
    public pc: Remote,
  ) {
    this.#values = new BigUint64Array(count);
    this.#known = new Uint8Array(count);
  }

  get length(): number {
    return this.#values.length;
  }

  /** undefined: the register's value in this frame is not known. */
  get(number: number): bigint | undefined {
    return this.#known[number] === 1 ? this.#values[number] : undefined;
  }

  /** Numbers that the CPU's table does not have (vector registers) are not kept. */
  set(number: number, value: bigint | undefined): void {
    if (number >= this.#values.length) return;
    this.#known[number] = value === undefined ? 0 : 1;
    this.#values[number] = value ?? 0n;
  }

  /** Bits that are no part of the return addresses among these registers and on the thread's stack. */
  authenticationMask = 0n;

  copy(): RegisterFile {
    const other = new RegisterFile(this.length, this.pc);
    other.authenticationMask = this.authenticationMask;
    other.#values.set(this.#values);
    other.#known.set(this.#known);
    return other;
  }
}

/** The registers of a stopped thread from its NT_PRSTATUS regset and what the CPU's facts say is appended to it. */
export function registersFromPrstatus(arch: Arch, prstatus: Uint8Array): RegisterFile {
  const { registers } = arch;
  if (prstatus.length < registers.prstatusSize) {
    throw new SutureError(
      'BAD_FORMAT',
      `NT_PRSTATUS has ${prstatus.length} bytes; ${arch.name} needs ${registers.prstatusSize}`,
    );
  }
  const view = viewOf(prstatus);
  const file = new RegisterFile(registers.dwarf.length, remote(view.getBigUint64(registers.pc, true)));
  const { authenticationMask } = registers;
  if (authenticationMask !== undefined && view.byteLength >= authenticationMask + 8)
    file.authenticationMask = view.getBigUint64(authenticationMask, true);
  registers.dwarf.forEach((offset, number) => {
    if (offset !== undefined) file.set(number, view.getBigUint64(offset, true));
  });
  return file;
}

/** What the unwinder knows of one mapped object (or of a patch region). Addresses are the target's. */
export interface UnwindModule {
  readonly name: string;
  readonly bias: LoadBias;
  readonly start: Remote;
  readonly end: Remote;
  readonly frames: EhFrame | undefined;
  /** The function at an address, for reports. */
  symbol?(pc: Remote): { readonly name: string; readonly offset: number } | undefined;
  /** True in code that the linker made: PLT entries. Only there may a missing FDE be stood in for. */
  isLinkerMade?(pc: Remote): boolean;
}

export interface Frame {
  readonly pc: Remote;
  /** Where the frame's code was looked up: pc, or pc - 1 in a caller, whose return address may belong to what follows. */
  readonly lookupPc: Remote;
  /** The caller's stack pointer before its call; in a signal frame, the interrupted stack pointer. */
  readonly cfa: Remote;
  /** 'signal': a trampoline that returns from a handler; the next frame is what was interrupted. */
  readonly kind: 'normal' | 'signal';
  readonly module?: UnwindModule;
}

export type WalkEnd =
  | { readonly kind: 'bottom' }
  /** `at`: stack pointer from which a scan of the stack's words has to go on; `pc`: where the walk got stuck. */
  | { readonly kind: 'lost'; readonly at: Remote; readonly pc: Remote; readonly reason: string };
