/**
 * Which bytes a linker may replace around a relocated field, because it knows the final address: the load from the GOT
 * becomes the address itself, a thread-local access gets a cheaper model. Lengths never change.
 * psABI x86-64 1.0, appendix B "Linker Optimization"; ELF Handling For Thread-Local Storage, 5.5.
 */
import type { RelocationFacts } from '../arch.ts';

type Window = NonNullable<RelocationFacts['rewritten']>;

const around =
  (before: number, after: number): Window =>
  (_, at) => ({ start: Math.max(0, at - before), end: at + after });

/** Bytes of `call __tls_get_addr@PLT`; through the GOT (-fno-plt) the call is FF 15 and one byte longer. */
const CALL = 5;
const CALL_THROUGH_GOT = 6;

export const rewritten: Readonly<Record<string, Window>> = {
  // mov name@GOTPCREL(%rip), %reg -> lea name(%rip), %reg: opcode and ModRM
  R_X86_64_GOTPCREL: around(2, 4),
  // The same; call *…/jmp * -> call/jmp and a nop; test, add, cmp … -> the form with an immediate
  R_X86_64_GOTPCRELX: around(2, 4),
  // With a REX prefix before opcode and ModRM
  R_X86_64_REX_GOTPCRELX: around(3, 4),
  // 66 lea x@tlsgd(%rip), %rdi; 66 66 rex.W call __tls_get_addr: 16 bytes, the field is the fifth
  R_X86_64_TLSGD: around(4, 12),
  // lea x@tlsld(%rip), %rdi; call __tls_get_addr
  R_X86_64_TLSLD: (code, at) => ({
    start: Math.max(0, at - 3),
    end: at + 4 + (code[at + 4] === 0xe8 ? CALL : CALL_THROUGH_GOT),
  }),
  // mov/add x@gottpoff(%rip), %reg -> the form with an immediate, or lea
  R_X86_64_GOTTPOFF: around(3, 4),
  // lea x@tlsdesc(%rip), %reg -> mov
  R_X86_64_GOTPC32_TLSDESC: around(3, 4),
  // call *(%rax) -> xchg %ax, %ax
  R_X86_64_TLSDESC_CALL: around(0, 2),
};
