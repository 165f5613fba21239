import { SutureError } from '../base/errors.ts';
import { Cursor } from '../bytes/cursor.ts';
import { viewOf } from '../bytes/record.ts';

/** What an expression in call frame information may look at. */
export interface ExpressionContext {
  /** Value of a register by DWARF number; undefined when it is not known. */
  register(number: number): bigint | undefined;
  /** Memory of the target. */
  read(at: bigint, size: number): Uint8Array | undefined;
  /** Added to DW_OP_addr, which holds a link-time address. */
  readonly bias: bigint;
}

/** Real expressions have a handful of operations; DW_OP_bra and DW_OP_skip can loop. */
const MOST_STEPS = 4096;
const DEEPEST_STACK = 256;

const wrap = (value: bigint): bigint => BigInt.asUintN(64, value);
const signed = (value: bigint): bigint => BigInt.asIntN(64, value);

const truth = (condition: boolean): bigint => (condition ? 1n : 0n);

const UNARY = new Map<number, (top: bigint) => bigint>([
  [0x19, (a) => (signed(a) < 0n ? -signed(a) : a)], // DW_OP_abs
  [0x1f, (a) => -a], // DW_OP_neg
  [0x20, (a) => ~a], // DW_OP_not
]);

/** `b` is the top of the stack, `a` the entry below. Comparisons and division are signed, DWARF 5, 2.5.1.4 and 2.5.1.5. */
const BINARY = new Map<number, (a: bigint, b: bigint) => bigint>([
  [0x1a, (a, b) => a & b], // DW_OP_and
  [0x1b, (a, b) => signed(a) / signed(b)], // DW_OP_div
  [0x1c, (a, b) => a - b], // DW_OP_minus
  [0x1d, (a, b) => a % b], // DW_OP_mod
  [0x1e, (a, b) => a * b], // DW_OP_mul
  [0x21, (a, b) => a | b], // DW_OP_or
  [0x22, (a, b) => a + b], // DW_OP_plus
  [0x24, (a, b) => (b > 63n ? 0n : a << b)], // DW_OP_shl
  [0x25, (a, b) => (b > 63n ? 0n : a >> b)], // DW_OP_shr
  [0x26, (a, b) => signed(a) >> (b > 63n ? 63n : b)], // DW_OP_shra
  [0x27, (a, b) => a ^ b], // DW_OP_xor
  [0x29, (a, b) => truth(a === b)], // DW_OP_eq
  [0x2a, (a, b) => truth(signed(a) >= signed(b))], // DW_OP_ge
  [0x2b, (a, b) => truth(signed(a) > signed(b))], // DW_OP_gt
  [0x2c, (a, b) => truth(signed(a) <= signed(b))], // DW_OP_le
  [0x2d, (a, b) => truth(signed(a) < signed(b))], // DW_OP_lt
  [0x2e, (a, b) => truth(a !== b)], // DW_OP_ne
]);

/**
 * The value of a DWARF expression, DWARF 5, 2.5, as far as 6.4.2 allows it in call frame information.
 * `initial` is on the stack at the start. BAD_FORMAT when it cannot be evaluated.
 */
export function evaluate(expression: Uint8Array, context: ExpressionContext, initial?: bigint): bigint {
  const machine = new StackMachine(expression, context);
  if (initial !== undefined) machine.push(initial);
  return machine.run();
}

class StackMachine {
  readonly #stack: bigint[] = [];
  readonly #cursor: Cursor;
  readonly #context: ExpressionContext;

  constructor(expression: Uint8Array, context: ExpressionContext) {
    this.#cursor = new Cursor(expression, 'DWARF expression');
    this.#context = context;
  }

  push(value: bigint): void {
    if (this.#stack.length >= DEEPEST_STACK) throw this.#bad('its stack grows too deep');
    this.#stack.push(wrap(value));
  }

  run(): bigint {
    for (let steps = 0; !this.#cursor.done; steps++) {
      if (steps >= MOST_STEPS) throw this.#bad('it does not come to an end');
      this.#step(this.#cursor.u8());
    }
    return this.#pop();
  }

  #pop(): bigint {
    const value = this.#stack.pop();
    if (value === undefined) throw this.#bad('its stack is empty');
    return value;
  }

  /** DW_OP_pick's view of the stack: 0 is the top. */
  #peek(depth: number): bigint {
    const value = this.#stack[this.#stack.length - 1 - depth];
    if (value === undefined) throw this.#bad(`its stack has no entry ${depth}`);
    return value;
  }

  #step(op: number): void {
    const cursor = this.#cursor;
    if (op >= 0x30 && op <= 0x4f) {
      // DW_OP_lit0-31
      this.push(BigInt(op - 0x30));
      return;
    }
    if (op >= 0x70 && op <= 0x8f) {
      // DW_OP_breg0-31
      this.#pushRegister(op - 0x70, cursor.sleb());
      return;
    }
    switch (op) {
      case 0x03: // DW_OP_addr
        this.push(cursor.u64() + this.#context.bias);
        return;
      case 0x06: // DW_OP_deref
        this.#dereference(8);
        return;
      case 0x08: // DW_OP_const1u
        this.push(BigInt(cursor.u8()));
        return;
      case 0x09: // DW_OP_const1s
        this.push(BigInt(cursor.i8()));
        return;
      case 0x0a: // DW_OP_const2u
        this.push(BigInt(cursor.u16()));
        return;
      case 0x0b: // DW_OP_const2s
        this.push(BigInt(cursor.i16()));
        return;
      case 0x0c: // DW_OP_const4u
        this.push(BigInt(cursor.u32()));
        return;
      case 0x0d: // DW_OP_const4s
        this.push(BigInt(cursor.i32()));
        return;
      case 0x0e: // DW_OP_const8u
        this.push(cursor.u64());
        return;
      case 0x0f: // DW_OP_const8s
        this.push(cursor.i64());
        return;
      case 0x10: // DW_OP_constu
        this.push(cursor.uleb());
        return;
      case 0x11: // DW_OP_consts
        this.push(cursor.sleb());
        return;
      case 0x12: // DW_OP_dup
        this.push(this.#peek(0));
        return;
      case 0x13: // DW_OP_drop
        this.#pop();
        return;
      case 0x14: // DW_OP_over
        this.push(this.#peek(1));
        return;
      case 0x15: // DW_OP_pick
        this.push(this.#peek(cursor.u8()));
        return;
      case 0x16: // DW_OP_swap
        this.#reorder(0, 1);
        return;
      case 0x17: // DW_OP_rot
        this.#reorder(0, 2, 1);
        return;
      case 0x92: // DW_OP_bregx
        this.#pushRegister(cursor.ulebNumber(), cursor.sleb());
        return;
      case 0x94: // DW_OP_deref_size
        this.#dereference(cursor.u8());
        return;
      case 0x96: // DW_OP_nop
        return;
      case 0x23: // DW_OP_plus_uconst
        this.push(this.#pop() + cursor.uleb());
        return;
      case 0x28: {
        // DW_OP_bra
        const distance = cursor.i16();
        if (this.#pop() !== 0n) this.#jump(distance);
        return;
      }
      case 0x2f: // DW_OP_skip
        this.#jump(cursor.i16());
        return;
      default:
        this.#arithmetic(op);
        return;
    }
  }

  #arithmetic(op: number): void {
    const top = this.#pop();
    const unary = UNARY.get(op);
    if (unary !== undefined) {
      this.push(unary(top));
      return;
    }
    const binary = BINARY.get(op);
    if (binary === undefined) {
      throw this.#bad(`operation 0x${op.toString(16)} is not known in call frame information`);
    }
    if (top === 0n && (op === 0x1b || op === 0x1d)) throw this.#bad('it divides by zero');
    this.push(binary(this.#pop(), top));
  }

  #pushRegister(number: number, offset: bigint): void {
    const value = this.#context.register(number);
    if (value === undefined) throw this.#bad(`the value of register ${number} is not known`);
    this.push(value + offset);
  }

  #dereference(size: number): void {
    if (size < 1 || size > 8) throw this.#bad(`it reads ${size} bytes`);
    const at = this.#pop();
    const bytes = this.#context.read(at, size);
    if (bytes === undefined || bytes.length < size) {
      throw this.#bad(`memory at 0x${at.toString(16)} cannot be read`);
    }
    const word = new Uint8Array(8);
    word.set(bytes.subarray(0, size));
    this.push(viewOf(word).getBigUint64(0, true));
  }

  /** Replaces the top entries by themselves in the order of `from`: old depths, the new deepest one first. */
  #reorder(...from: number[]): void {
    const values = from.map((depth) => this.#peek(depth));
    this.#stack.length -= from.length;
    this.#stack.push(...values);
  }

  #jump(distance: number): void {
    const target = this.#cursor.at + distance;
    if (target < 0 || target > this.#cursor.end) throw this.#bad('it jumps out of itself');
    this.#cursor.at = target;
  }

  #bad(why: string): SutureError {
    return new SutureError(
      'BAD_FORMAT',
      `DWARF expression cannot be evaluated at ${this.#cursor.at}: ${why}`,
    );
  }
}
