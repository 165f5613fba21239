import type { Arch } from '../arch/arch.ts';
import { hex, type LoadBias, type Remote, remote } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import type { CfaRule, RegisterRule, UnwindRow } from '../dwarf/cfi.ts';
import { type ExpressionContext, evaluate } from '../dwarf/expression.ts';
import { RegisterFile } from './frame.ts';

export type ReadMemory = (at: Remote, size: number) => Uint8Array | undefined;

/** The frame above, or why there is none. */
export type StepResult =
  | { readonly kind: 'caller'; readonly cfa: Remote; readonly registers: RegisterFile }
  | { readonly kind: 'bottom'; readonly cfa: Remote }
  | { readonly kind: 'lost'; readonly reason: string };

const lost = (reason: string): StepResult => ({ kind: 'lost', reason });

export function readWord(read: ReadMemory, at: bigint): bigint | undefined {
  const bytes = read(remote(at), 8);
  return bytes === undefined || bytes.length < 8 ? undefined : viewOf(bytes).getBigUint64(0, true);
}

/** Goes one frame up by a row of call frame information. Expressions that cannot be evaluated throw BAD_FORMAT. */
export function stepByRow(
  arch: Arch,
  row: UnwindRow,
  registers: RegisterFile,
  read: ReadMemory,
  bias: LoadBias,
  authenticationMask = 0n,
): StepResult {
  const context: ExpressionContext = {
    register: (number) => registers.get(number),
    read: (at, size) => read(remote(at), size),
    bias,
  };
  const cfa = cfaOf(row.cfa, context);
  if (typeof cfa === 'string') return lost(cfa);
  const returnRule = row.registers.get(row.returnAddress);
  if (returnRule?.kind === 'undefined') return { kind: 'bottom', cfa };

  const caller = new RegisterFile(registers.length, remote(0n));
  // What a call preserves and no rule mentions is unchanged; of the rest nothing is known.
  for (const number of arch.registers.calleeSaved) caller.set(number, registers.get(number));
  for (const [number, rule] of row.registers) {
    if (number < registers.length) caller.set(number, recover(rule, number, cfa, registers, context));
  }
  if (!row.registers.has(arch.registers.dwarfSp)) caller.set(arch.registers.dwarfSp, cfa);

  // Where a call leaves the return address in a register, it stays there until a rule says otherwise.
  const isInRegister = arch.unwind.leafFrame.returnAddressOffset === undefined;
  if (!isInRegister && (returnRule === undefined || returnRule.kind === 'same')) {
    return lost('its call frame information does not say where the return address is');
  }
  const signed = returnRule
    ? recover(returnRule, row.returnAddress, cfa, registers, context)
    : registers.get(row.returnAddress);
  if (signed === undefined) return lost('the return address cannot be read');
  const saved = arch.unwind.stripReturnAddress?.(signed, authenticationMask) ?? signed;
  if (saved === 0n) return { kind: 'bottom', cfa };
  caller.pc = remote(saved);
  caller.set(arch.registers.dwarfReturnAddress, saved);
  return { kind: 'caller', cfa, registers: caller };
}

function cfaOf(rule: CfaRule | undefined, context: ExpressionContext): Remote | string {
  if (rule === undefined) return 'its call frame information defines no CFA';
  if (rule.kind === 'expression') return remote(evaluate(rule.expression, context));
  const base = context.register(rule.register);
  if (base === undefined) return `its CFA depends on register ${rule.register}, whose value is not known`;
  return remote(base + BigInt(rule.offset));
}

function recover(
  rule: RegisterRule,
  number: number,
  cfa: Remote,
  registers: RegisterFile,
  context: ExpressionContext,
): bigint | undefined {
  const load = (at: bigint): bigint | undefined => readWord(context.read, at);
  switch (rule.kind) {
    case 'undefined':
      return undefined;
    case 'same':
      return registers.get(number);
    case 'offset':
      return load(cfa + BigInt(rule.offset));
    case 'val_offset':
      return BigInt.asUintN(64, cfa + BigInt(rule.offset));
    case 'register':
      return registers.get(rule.register);
    case 'expression':
      return load(evaluate(rule.expression, context, cfa));
    case 'val_expression':
      return evaluate(rule.expression, context, cfa);
    default:
      return rule satisfies never;
  }
}

/** Goes up from a signal trampoline without call frame information, by the kernel's layout of the signal frame. */
export function stepOverSignalFrame(arch: Arch, registers: RegisterFile, read: ReadMemory): StepResult {
  const sp = registers.get(arch.registers.dwarfSp);
  if (sp === undefined) return lost('the stack pointer of a signal frame is not known');
  const interrupted = new RegisterFile(registers.length, remote(0n));
  for (const [number, offset] of arch.unwind.signalFrame.entries()) {
    if (offset === undefined) continue;
    const value = readWord(read, sp + BigInt(offset));
    if (value === undefined) return lost(`the signal frame at ${hex(sp)} cannot be read`);
    interrupted.set(number, value);
  }
  const pc = readWord(read, sp + BigInt(arch.unwind.signalFramePc));
  const cfa = interrupted.get(arch.registers.dwarfSp);
  if (pc === undefined || cfa === undefined) return lost('the signal frame lacks pc or stack pointer');
  interrupted.pc = remote(pc);
  return { kind: 'caller', cfa: remote(cfa), registers: interrupted };
}

/** Goes up from a PLT entry, in which nothing is on the stack yet but what the call put there. */
export function stepFromLeaf(arch: Arch, registers: RegisterFile, read: ReadMemory): StepResult {
  const { cfaOffset, returnAddressOffset } = arch.unwind.leafFrame;
  const sp = registers.get(arch.registers.dwarfSp);
  if (sp === undefined) return lost('the stack pointer is not known');
  const cfa = remote(sp + BigInt(cfaOffset));
  const saved =
    returnAddressOffset === undefined
      ? registers.get(arch.registers.dwarfReturnAddress)
      : readWord(read, cfa + BigInt(returnAddressOffset));
  if (saved === undefined) return lost('the return address cannot be read');
  const caller = registers.copy();
  caller.pc = remote(saved);
  caller.set(arch.registers.dwarfSp, cfa);
  caller.set(arch.registers.dwarfReturnAddress, saved);
  return { kind: 'caller', cfa, registers: caller };
}
