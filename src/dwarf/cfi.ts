/**
 * The instructions that build the unwind table of one function, DWARF 5, 6.4.2: for each address, how to compute the
 * CFA (the stack pointer of the caller before its call) and where the caller's registers are.
 */
import { SutureError } from '../base/errors.ts';
import { Cursor } from '../bytes/cursor.ts';
import type { Cie } from './cie.ts';
import { type PointerBases, readEncodedPointer } from './pointer-encoding.ts';

export type CfaRule =
  | { readonly kind: 'register'; readonly register: number; readonly offset: number }
  | { readonly kind: 'expression'; readonly expression: Uint8Array };

/** Where the caller's register is. DWARF 5, 6.4.1. */
export type RegisterRule =
  | { readonly kind: 'undefined' }
  | { readonly kind: 'same' }
  /** Saved at CFA + offset. */
  | { readonly kind: 'offset'; readonly offset: number }
  /** It is CFA + offset. */
  | { readonly kind: 'val_offset'; readonly offset: number }
  | { readonly kind: 'register'; readonly register: number }
  /** Saved at the address that the expression yields, which starts with the CFA on its stack. */
  | { readonly kind: 'expression'; readonly expression: Uint8Array }
  /** It is what the expression yields. */
  | { readonly kind: 'val_expression'; readonly expression: Uint8Array };

/** One row of the unwind table. */
export interface UnwindRow {
  readonly cfa: CfaRule | undefined;
  /** By DWARF number; a register not in it follows the ABI. */
  readonly registers: ReadonlyMap<number, RegisterRule>;
  /** DWARF number of the return address's column. */
  readonly returnAddress: number;
  readonly isSignalFrame: boolean;
  /** aarch64: the return address carries an authentication code here. */
  readonly returnAddressSigned: boolean;
  /** DW_CFA_GNU_args_size, in bytes. */
  readonly argsSize: number;
}

/** No CPU has that many columns; a bound keeps a hostile program from filling memory. */
const MOST_COLUMNS = 1024;
const MOST_REMEMBERED = 64;

/** The row under construction. */
export class RowBuilder {
  cfa: CfaRule | undefined;
  registers = new Map<number, RegisterRule>();
  returnAddressSigned = false;
  argsSize = 0;

  constructor(readonly cie: Cie) {}

  snapshot(): UnwindRow {
    return {
      cfa: this.cfa,
      registers: new Map(this.registers),
      returnAddress: this.cie.returnAddress,
      isSignalFrame: this.cie.isSignalFrame,
      returnAddressSigned: this.returnAddressSigned,
      argsSize: this.argsSize,
    };
  }
}

/** Told of each row with the addresses [start, end) it holds for; false ends the execution. */
export type RowVisitor = (row: RowBuilder, start: bigint, end: bigint) => boolean;

/** What of an FDE the execution needs. */
export interface CfiProgram {
  readonly cie: Cie;
  readonly start: bigint;
  readonly end: bigint;
  readonly instructions: number;
  readonly instructionsEnd: number;
}

/** Executes the instructions of a CIE and its FDE, both in `section`, and visits the rows in ascending order. */
export function executeCfi(
  section: Uint8Array,
  what: string,
  program: CfiProgram,
  bases: PointerBases,
  visit: RowVisitor,
): void {
  const { cie } = program;
  const machine = new Machine(cie, bases, program, visit);
  machine.run(new Cursor(section, what, cie.instructions, cie.end));
  machine.beginFunction();
  machine.run(new Cursor(section, what, program.instructions, program.instructionsEnd));
  machine.finish();
}

class Machine {
  readonly #row: RowBuilder;
  readonly #bases: PointerBases;
  readonly #visit: RowVisitor;
  readonly #end: bigint;
  readonly #remembered: {
    cfa: CfaRule | undefined;
    registers: Map<number, RegisterRule>;
    signed: boolean;
  }[] = [];
  #initial: ReadonlyMap<number, RegisterRule> | undefined;
  #location: bigint;
  #stopped = false;

  constructor(cie: Cie, bases: PointerBases, program: CfiProgram, visit: RowVisitor) {
    this.#row = new RowBuilder(cie);
    this.#bases = bases;
    this.#visit = visit;
    this.#location = program.start;
    this.#end = program.end;
  }

  beginFunction(): void {
    this.#initial = new Map(this.#row.registers);
  }

  finish(): void {
    if (!this.#stopped && this.#location < this.#end) this.#visit(this.#row, this.#location, this.#end);
  }

  run(cursor: Cursor): void {
    while (!cursor.done && !this.#stopped) this.#step(cursor);
  }

  #step(cursor: Cursor): void {
    const at = cursor.at;
    const byte = cursor.u8();
    const low = byte & 0x3f;
    const { codeAlign, dataAlign } = this.#row.cie;
    const factored = (value: bigint): number => this.#number(cursor, value * BigInt(dataAlign));
    switch (byte >> 6) {
      case 1: // DW_CFA_advance_loc
        this.#advance(cursor, BigInt(low * codeAlign));
        return;
      case 2: // DW_CFA_offset
        this.#set(cursor, low, { kind: 'offset', offset: factored(cursor.uleb()) });
        return;
      case 3: // DW_CFA_restore
        this.#restore(cursor, low);
        return;
    }
    switch (byte) {
      case 0x00: // DW_CFA_nop
        return;
      case 0x01: {
        // DW_CFA_set_loc
        const target = readEncodedPointer(cursor, this.#row.cie.fdeEncoding, this.#bases);
        if (target === undefined || target.indirect) throw this.#bad(cursor, at, byte);
        this.#moveTo(cursor, target.value);
        return;
      }
      case 0x02: // DW_CFA_advance_loc1
        this.#advance(cursor, BigInt(cursor.u8() * codeAlign));
        return;
      case 0x03: // DW_CFA_advance_loc2
        this.#advance(cursor, BigInt(cursor.u16() * codeAlign));
        return;
      case 0x04: // DW_CFA_advance_loc4
        this.#advance(cursor, BigInt(cursor.u32()) * BigInt(codeAlign));
        return;
      case 0x05: // DW_CFA_offset_extended
        this.#set(cursor, cursor.ulebNumber(), { kind: 'offset', offset: factored(cursor.uleb()) });
        return;
      case 0x06: // DW_CFA_restore_extended
        this.#restore(cursor, cursor.ulebNumber());
        return;
      case 0x07: // DW_CFA_undefined
        this.#set(cursor, cursor.ulebNumber(), { kind: 'undefined' });
        return;
      case 0x08: // DW_CFA_same_value
        this.#set(cursor, cursor.ulebNumber(), { kind: 'same' });
        return;
      case 0x09: // DW_CFA_register
        this.#set(cursor, cursor.ulebNumber(), { kind: 'register', register: cursor.ulebNumber() });
        return;
      case 0x0a: // DW_CFA_remember_state
        this.#remember(cursor);
        return;
      case 0x0b: // DW_CFA_restore_state
        this.#recall(cursor);
        return;
      case 0x0c: {
        // DW_CFA_def_cfa
        const register = cursor.ulebNumber();
        this.#row.cfa = { kind: 'register', register, offset: this.#number(cursor, cursor.uleb()) };
        return;
      }
      case 0x0d: {
        // DW_CFA_def_cfa_register
        const { offset } = this.#registerCfa(cursor);
        this.#row.cfa = { kind: 'register', register: cursor.ulebNumber(), offset };
        return;
      }
      case 0x0e: {
        // DW_CFA_def_cfa_offset
        const { register } = this.#registerCfa(cursor);
        this.#row.cfa = { kind: 'register', register, offset: this.#number(cursor, cursor.uleb()) };
        return;
      }
      case 0x0f: // DW_CFA_def_cfa_expression
        this.#row.cfa = { kind: 'expression', expression: cursor.bytes(cursor.ulebNumber()) };
        return;
      case 0x10: // DW_CFA_expression
        this.#set(cursor, cursor.ulebNumber(), {
          kind: 'expression',
          expression: cursor.bytes(cursor.ulebNumber()),
        });
        return;
      case 0x11: // DW_CFA_offset_extended_sf
        this.#set(cursor, cursor.ulebNumber(), { kind: 'offset', offset: factored(cursor.sleb()) });
        return;
      case 0x12: {
        // DW_CFA_def_cfa_sf
        const register = cursor.ulebNumber();
        this.#row.cfa = { kind: 'register', register, offset: factored(cursor.sleb()) };
        return;
      }
      case 0x13: {
        // DW_CFA_def_cfa_offset_sf
        const { register } = this.#registerCfa(cursor);
        this.#row.cfa = { kind: 'register', register, offset: factored(cursor.sleb()) };
        return;
      }
      case 0x14: // DW_CFA_val_offset
        this.#set(cursor, cursor.ulebNumber(), {
          kind: 'val_offset',
          offset: factored(cursor.uleb()),
        });
        return;
      case 0x15: // DW_CFA_val_offset_sf
        this.#set(cursor, cursor.ulebNumber(), {
          kind: 'val_offset',
          offset: factored(cursor.sleb()),
        });
        return;
      case 0x16: // DW_CFA_val_expression
        this.#set(cursor, cursor.ulebNumber(), {
          kind: 'val_expression',
          expression: cursor.bytes(cursor.ulebNumber()),
        });
        return;
      case 0x1d: // DW_CFA_MIPS_advance_loc8
        this.#advance(cursor, cursor.u64() * BigInt(codeAlign));
        return;
      case 0x2d: // DW_CFA_AARCH64_negate_ra_state (AADWARF64, 4.4.2)
        this.#row.returnAddressSigned = !this.#row.returnAddressSigned;
        return;
      case 0x2e: // DW_CFA_GNU_args_size
        this.#row.argsSize = cursor.ulebNumber();
        return;
      case 0x2f: {
        // DW_CFA_GNU_negative_offset_extended
        const register = cursor.ulebNumber();
        this.#set(cursor, register, { kind: 'offset', offset: -factored(cursor.uleb()) });
        return;
      }
      default:
        throw this.#bad(cursor, at, byte);
    }
  }

  #advance(cursor: Cursor, delta: bigint): void {
    this.#moveTo(cursor, this.#location + delta);
  }

  #moveTo(cursor: Cursor, target: bigint): void {
    if (this.#initial === undefined) {
      throw new SutureError('BAD_FORMAT', `${cursor.what}: a CIE moves the location at offset ${cursor.at}`);
    }
    if (target < this.#location) {
      throw new SutureError('BAD_FORMAT', `${cursor.what}: the location goes back at offset ${cursor.at}`);
    }
    const end = target < this.#end ? target : this.#end;
    if (this.#location < end && !this.#visit(this.#row, this.#location, end)) this.#stopped = true;
    this.#location = target;
    if (target >= this.#end) this.#stopped = true;
  }

  #set(cursor: Cursor, register: number, rule: RegisterRule): void {
    if (register >= MOST_COLUMNS) {
      throw new SutureError('BAD_FORMAT', `${cursor.what}: column ${register} at offset ${cursor.at}`);
    }
    this.#row.registers.set(register, rule);
  }

  #restore(cursor: Cursor, register: number): void {
    if (this.#initial === undefined) {
      throw new SutureError('BAD_FORMAT', `${cursor.what}: a CIE restores a register at offset ${cursor.at}`);
    }
    const rule = this.#initial.get(register);
    if (rule === undefined) this.#row.registers.delete(register);
    else this.#row.registers.set(register, rule);
  }

  #remember(cursor: Cursor): void {
    if (this.#remembered.length >= MOST_REMEMBERED) {
      throw new SutureError('BAD_FORMAT', `${cursor.what}: too many remembered rows at offset ${cursor.at}`);
    }
    const { cfa, registers, returnAddressSigned: signed } = this.#row;
    this.#remembered.push({ cfa, registers: new Map(registers), signed });
  }

  #recall(cursor: Cursor): void {
    const saved = this.#remembered.pop();
    if (saved === undefined) {
      throw new SutureError('BAD_FORMAT', `${cursor.what}: no remembered row at offset ${cursor.at}`);
    }
    this.#row.cfa = saved.cfa;
    this.#row.registers = saved.registers;
    this.#row.returnAddressSigned = saved.signed;
  }

  #registerCfa(cursor: Cursor): { register: number; offset: number } {
    const { cfa } = this.#row;
    if (cfa?.kind !== 'register') {
      throw new SutureError(
        'BAD_FORMAT',
        `${cursor.what}: changes a CFA that is no register at ${cursor.at}`,
      );
    }
    return cfa;
  }

  #number(cursor: Cursor, value: bigint): number {
    const number = Number(value);
    if (!Number.isSafeInteger(number)) {
      throw new SutureError(
        'BAD_FORMAT',
        `${cursor.what}: offset ${value} at ${cursor.at} is no stack offset`,
      );
    }
    return number;
  }

  #bad(cursor: Cursor, at: number, opcode: number): SutureError {
    return new SutureError(
      'BAD_FORMAT',
      `${cursor.what}: unknown call frame instruction 0x${opcode.toString(16)} at offset ${at}`,
    );
  }
}
