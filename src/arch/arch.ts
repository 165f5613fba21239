/**
 * What a CPU is to this program: facts, never algorithms. Every algorithm exists once, elsewhere, and asks these
 * tables. A third CPU is one new folder and one line in index.ts.
 */
import type { Remote } from '../bytes/address.ts';

/** Where registers stand in NT_PRSTATUS (struct user_regs_struct / user_pt_regs) and in DWARF's numbering. */
export interface Registers {
  /** Size of the NT_PRSTATUS regset in bytes. */
  readonly prstatusSize: number;
  /** Byte offset in the regset by DWARF register number; undefined where the regset has none. psABI, "DWARF Register Number Mapping". */
  readonly dwarf: readonly (number | undefined)[];
  /** Name by DWARF register number. */
  readonly names: readonly string[];
  /** Byte offsets in the regset. */
  readonly pc: number;
  readonly sp: number;
  /** Register sets that the kernel keeps apart and this program appends to NT_PRSTATUS, in order; zeros where a CPU lacks one. */
  readonly appended: readonly { readonly note: number; readonly size: number }[];
  /** Byte offset of the thread pointer, in the regset or in what is appended. */
  readonly threadPointer: number;
  /** Byte offset of the word whose bits are no part of a return address (NT_ARM_PAC_MASK). */
  readonly authenticationMask?: number;
  /** DWARF numbers. */
  readonly dwarfSp: number;
  readonly dwarfFp: number;
  /** DWARF number of the column that holds the return address (x86_64: 16). */
  readonly dwarfReturnAddress: number;
  /** DWARF numbers of the registers that a call preserves. */
  readonly calleeSaved: readonly number[];
}

/** How to stand in for missing CFI, and what a saved return address looks like. */
export interface UnwindFacts {
  /** True if a frame whose pc is at these bytes is a signal trampoline without the 'S' augmentation. */
  isSignalTrampoline(code: Uint8Array): boolean;
  /** Removes authentication bits from a return address. */
  readonly stripReturnAddress?: (pc: bigint, mask: bigint) => bigint;
  /** Bytes of the shortest and the longest call instruction: a return address follows one. */
  endsWithCall(codeBefore: Uint8Array): boolean;
  /** The unwind row at a PLT entry or other linker-made code without CFI: CFA = sp + this many bytes, return address at CFA - 8; undefined when the return address is in a register. */
  readonly leafFrame: { readonly cfaOffset: number; readonly returnAddressOffset: number | undefined };
  /** Offset from the stack pointer, in a signal trampoline, of the interrupted registers by DWARF number. */
  readonly signalFrame: readonly (number | undefined)[];
  /** Offset, likewise, of the interrupted pc. */
  readonly signalFramePc: number;
  /**
   * What a thread is that stands at `code`, behind the system call of a C library's clone: its call frame information
   * ends there, because the same code goes on in two threads. The caller has its return address as a leaf has it, the
   * child has none. `register` by DWARF number. Undefined for other code.
   */
  readonly afterClone?: (
    code: Uint8Array,
    register: (number: number) => bigint | undefined,
  ) => 'caller' | 'child' | undefined;
  /** How glibc hides the pointers that setjmp saves: with a word at this offset from the thread pointer. */
  readonly pointerGuard?: {
    readonly offset: number;
    unmangle(value: bigint, guard: bigint): bigint;
  };
  /** Where glibc's setjmp puts registers, pc among them, by offset in a jmp_buf; `mangled` ones are hidden by the guard. */
  readonly jumpBuffer?: {
    readonly size: number;
    readonly stackPointer: number;
    readonly saved: Readonly<Record<string, number>>;
    readonly mangled: readonly string[];
  };
  /** Offsets from the thread pointer at which C libraries keep the thread pointer itself; empty if they do not. */
  readonly selfPointers: readonly number[];
}

/** What a relocation refers to, before its formula is computed. */
export type ReferenceKind =
  | 'none'
  | 'address' // S
  | 'call' //    S, or a stub that jumps there when out of reach
  | 'got' //     G: the place of a word that holds S
  | 'size' //    Z
  | 'tls-tpoff' //   offset from the thread pointer
  | 'tls-gottpoff' // place of a word that holds that offset
  | 'tls-gd' //      place of a {module, offset} pair
  | 'tls-ld' //      place of a {module, 0} pair
  | 'tls-dtpoff' //  offset in the module's block
  | 'tls-desc' //    place of a descriptor
  | 'tls-desc-call'; // marker on the call through a descriptor

/** GOT is the start of the patch region's own table of words, where the reference kind 'got' takes its places. */
export type Formula =
  | 'S+A'
  | 'S+A-P'
  | 'S+A-GOT'
  | 'GOT+A-P'
  | 'S+A-Page(GOT)'
  | 'Page(S+A)-Page(P)'
  | 'Page offset(S+A)'
  | 'none';

/** One relocation type. psABI, "Relocation Types". */
export interface RelocationFacts {
  readonly name: string;
  readonly reference: ReferenceKind;
  readonly formula: Formula;
  /** Bytes of the field that is written. */
  readonly size: number;
  /** Writes `value` into the field; false when it does not fit. */
  readonly store: (view: DataView, at: number, value: bigint) => boolean;
  /** The inverse of `store`, where the field holds the whole number. */
  readonly load?: (view: DataView, at: number) => bigint;
  /** The bytes, in a section of an object file, that linkers replace when they rewrite the instruction around the field at `at`. */
  readonly rewritten?: (code: Uint8Array, at: number) => { readonly start: number; readonly end: number };
  /** Whether a linker may turn the load from the GOT into the address itself (x86_64 GOTPCRELX). */
  readonly relaxable?: boolean;
}

/** The redirect written over a function's entry. */
export interface Jump {
  /** Bytes of the longest redirect, and what a patch region keeps for each entry. */
  readonly size: number;
  /** Bytes of the redirect for an entry of which `room` bytes may be written; 0 when none fits. */
  sizeIn(room: number): number;
  /** Largest distance in bytes, either side, that the redirect reaches. */
  readonly reach: bigint;
  /** Machine code of the redirect of `size` bytes, the longest unless said; undefined when `to` is out of reach. */
  encode(from: Remote, to: Remote, size?: number): Uint8Array | undefined;
  /** Where the redirect leads that `code`, as many bytes as it has, is; undefined if it is none. */
  decode(code: Uint8Array, from: Remote): Remote | undefined;
  /** Bytes of a landing pad (endbr64, bti c, paciasp) at the start of `code` that the redirect must leave in place; 0 if none. */
  landingPad(code: Uint8Array): number;
  /**
   * Pages in which an indirect branch must land on a pad, where the CPU has such: the word for them among the VmFlags of
   * /proc/PID/smaps, and what mmap is asked for besides PROT_EXEC.
   */
  readonly guardedPages?: { readonly vmFlag: string; readonly protection: bigint };
  /** True for the filler that compilers and linkers put between functions. */
  isPadding(code: Uint8Array): boolean;
}

/** Code that the patch region holds besides the functions. */
export interface LinkFacts {
  /** Stub that jumps to the address held in the word at `slot` (anywhere within ±2 GiB / adrp reach). */
  readonly stub: { readonly size: number; encode(at: Remote, slot: Remote): Uint8Array | undefined };
  /**
   * Assembler text that does what `statement` does, but reaches `symbol`, a variable that may lie anywhere, through the
   * GOT; undefined when the statement does not name the symbol directly, or cannot be replaced without a free register.
   */
  readonly throughGot?: (statement: string, symbol: string) => string | undefined;
  /** Dynamic relocation types of the base. */
  readonly jumpSlot: number;
  readonly globDat: number;
  readonly relative: number;
  readonly copy: number;
  readonly irelative: number;
  readonly tpoff: number;
  readonly dtpmod: number;
  readonly dtpoff: number;
  readonly tlsdesc: number | undefined;
  /**
   * Function of a TLS descriptor whose second word is an offset from the thread pointer: it returns that word, and
   * leaves every other register alone. "Thread-Local Storage Descriptors", 2.1 and 3.
   */
  readonly descriptorCode: Uint8Array;
  /** Types for 64-bit absolute and 32-bit pc-relative data in patch files. */
  readonly absolute64: number;
  readonly pcRelative32: number;
  /** Offset of a variable in the executable's TLS segment from the thread pointer. psABI / ELF TLS variants I and II. */
  threadPointerOffset(segment: { readonly memSize: bigint; readonly align: bigint }, offset: bigint): bigint;
}

/** What LibcarePlus's loader does with references on the CPU; from its documented behaviour. */
export interface LibcareplusFacts {
  /** Relocation types that it computes rightly for any symbol. */
  readonly relocations: ReadonlySet<number>;
  /** Types that it does not know or computes wrongly: what stands for them without a change of meaning. */
  readonly same: ReadonlyMap<number, number>;
  /** Types that refer to a word with an address or a thread-local offset: the one that refers to a word's own place. */
  readonly ofWord: ReadonlyMap<number, number>;
  /**
   * GOT references to symbols of the patch or the base, which have no word there, are made into references to the
   * symbols themselves: when the patch is built (x86_64) or by the loader (aarch64, where these are undefined).
   */
  readonly directGot?: {
    /** Whether the instruction around the field at `at` takes the address itself. */
    isDirect(code: Uint8Array, at: number): boolean;
    /** The type of the field then. */
    readonly type: number;
  };
}

export interface SystemCall {
  readonly kind: 'syscall';
  readonly number: number;
  readonly args: readonly bigint[];
}

/** What a thread of the target is to execute. */
export type TargetCall =
  | SystemCall
  | { readonly kind: 'function'; readonly address: Remote; readonly args: readonly bigint[] };

/**
 * Executing system calls and functions in a stopped thread. The thread gets a signal frame on its own stack and a
 * return address that leads to rt_sigreturn, so that it restores itself when nobody else does.
 */
export interface SyscallFacts {
  readonly numbers: {
    readonly mmap: number;
    readonly mprotect: number;
    readonly munmap: number;
    readonly mremap: number;
    readonly openat: number;
    readonly close: number;
    readonly getpid: number;
    readonly restartSyscall: number;
    readonly rtSigreturn: number;
    readonly membarrier: number;
    readonly kcmp: number;
  };
  /** Calls in which a blocked thread can be stopped and resumed, or started again, without the program noticing. */
  readonly patientCalls: ReadonlySet<number>;
  /** Calls that fail with EINTR after any stop. */
  readonly fragileCalls: ReadonlySet<number>;
  /** A system call followed by a return, to be found in executable memory of the target. */
  readonly gadget: Uint8Array;
  /** Ways to rt_sigreturn in code that a program may hold, the best first. */
  readonly sigreturnPaths: readonly SigreturnPath[];
  /**
   * Code for an executable page of our own to which a called function returns: moves the result to where `handedOver`
   * finds it and calls rt_sigreturn, again if that was skipped.
   */
  readonly functionReturn: Uint8Array;
  /**
   * Code of a signal handler for our own process that takes the ends, and nothing else, of the threads which the 32-bit
   * ids at `table` name, up to a zero. Without it a stop may wait for ever for a process that begins another program.
   */
  readonly endTaker?: (table: bigint) => Uint8Array;
  /** Bytes below the stack pointer that belong to the running function. */
  readonly redZone: number;
  /** A multiple of this is the address of every instruction. */
  readonly instructionAlignment: number;
  /** NT_* of the register sets that hold the floating point and vector registers; the first that the kernel has counts. */
  readonly extendedStateNotes: readonly number[];
  /** NT_* of a set whose first word is not zero where the CPU checks returns against a second stack. */
  readonly shadowStackNote?: number;
  /** Whether a system call destroys part of this state, so that it has to be put back. */
  isLostInCalls(extendedState: Uint8Array, note: number): boolean;
  /**
   * The frame from which the thread restores itself. Nothing is written. Undefined if the thread is inside of a system
   * call that could not be started again.
   */
  signalFrame(input: SignalFrameInput): SignalFrame | undefined;
  /**
   * Frames below `frame` that make the thread, once it has been led into the first of these calls, execute the others
   * by itself and then restore itself from `frame`: each call's return leads to an rt_sigreturn that enters the next
   * one. `signalMask` is in force between them. The result takes the place of `frame` in `enterCall`.
   */
  chain(frame: SignalFrame, gadget: Remote, calls: readonly SystemCall[], signalMask: bigint): SignalFrame;
  /** NT_PRSTATUS with which the thread executes the call and then goes on to the frame's return address. */
  enterCall(prstatus: Uint8Array, frame: SignalFrame, gadget: Remote, call: TargetCall): Uint8Array;
  /** Number of the system call at whose entry the thread is stopped. */
  callNumber(prstatus: Uint8Array): number;
  /** The register set that makes the kernel skip the system call at whose entry the thread is stopped. */
  skipCall(prstatus: Uint8Array): { readonly note: number; readonly regset: Uint8Array };
  /** The result register after a system call, as a signed word. */
  result(prstatus: Uint8Array): bigint;
  /** The result of a function, at the entry of the rt_sigreturn in `functionReturn`. */
  handedOver(prstatus: Uint8Array): bigint;
  /**
   * The blocked system call that the kernel will start again when the thread goes on with these registers, if any.
   * Where the kernel has moved the pc back already, a thread that is about to make a call counts too: it goes on in the
   * same way. `codeAtPc`: the instruction there.
   */
  interruptedCall(
    prstatus: Uint8Array,
    codeAtPc: () => Uint8Array | undefined,
  ): { readonly number: number } | undefined;
  /**
   * Whether the call, being one with a time limit of which the kernel keeps the rest, may go on as restart_syscall
   * without the registers telling; undefined where they do.
   */
  readonly hidesRestart?: (prstatus: Uint8Array) => boolean;
  /**
   * Where the registers of a stopped thread name the system call that it is in or has just left, if the kernel always
   * tells: after it was told to stop a thread makes one more call at the most.
   */
  readonly lastCall?: {
    /** Byte offset in the regset of the call's number, a signed word; negative for none. */
    readonly at: number;
    /** Calls that leave the mappings as they are, whichever way the program makes calls. */
    readonly keepMappings: ReadonlySet<number>;
  };
  /** Base address of the thread's own storage (psABI, "thread pointer"). */
  threadPointer(prstatus: Uint8Array): Remote;
}

export interface SigreturnPath {
  /** Byte sequences of which each must be found in executable memory. */
  readonly code: readonly Uint8Array[];
  /** The words that the stack must hold from the return address on; the last of them is the frame's first word. */
  words(found: readonly Remote[], gadget: Remote): readonly bigint[];
}

export interface SignalFrameInput {
  readonly prstatus: Uint8Array;
  /** The register set `extendedStateNote`, one of `extendedStateNotes`. */
  readonly extendedState: Uint8Array;
  readonly extendedStateNote: number;
  readonly signalMask: bigint;
  /** Address just above the room that the frame may use. */
  readonly stackTop: Remote;
  /** From a `SigreturnPath`. */
  readonly returnWords: readonly bigint[];
  /** Code before the pc, to decode a restarted call. */
  readonly codeBeforePc: Uint8Array;
  /** Code from the pc on. */
  readonly codeAtPc: Uint8Array;
}

export interface SignalFrame {
  /** Stack pointer for a system call; the lowest address that the frame uses. */
  readonly stackPointer: Remote;
  /** A function's stack pointer, and the word that holds its return address; where that is in a register, only the tool reads it. */
  readonly returnSlot: Remote;
  readonly bytes: Uint8Array;
}

/** The dialect of assembler text that compilers emit for the CPU. */
export interface Assembly {
  /** Characters that start a comment anywhere in a line, e.g. '#' on x86_64, '//' on aarch64. */
  readonly lineComment: readonly string[];
  /** Prefix of section and symbol types: '@' or '%'. */
  readonly typePrefix: string;
  /** Statement separator. */
  readonly separator: string;
  /** Splits `sym@PLT`-like operands: the character before a relocation operator, if the dialect has one. */
  readonly relocationSuffix: string | undefined;
  /** What relocation operators stand between, as in `:lo12:sym`. */
  readonly relocationPrefix: string | undefined;
  /** Directive names (lower case, with the dot) that emit data words of pointer size. */
  readonly pointerDirectives: readonly string[];
  /** Whether registers are bare words from the text's start on, not only where a directive says so. */
  readonly bareRegisters: boolean;
  /** Words of operands that are no symbols where registers are bare. */
  isRegister(word: string): boolean;
  /** Whether the last operand of the instruction is a symbol, whatever its name, if it is a word alone. */
  takesLabel(mnemonic: string): boolean;
  /** Words before a mnemonic, such as a lock prefix. */
  isPrefix(word: string): boolean;
  /** Whether `.align N` asks for 2 to the power of N bytes rather than N. */
  readonly alignIsPower: boolean;
  /** Found in a statement whose symbol is thread-local. */
  readonly threadOperator: RegExp;
  /** Directives (lower case) that choose the instructions that the assembler takes, from their place on. */
  readonly modeDirectives: readonly string[];
  /**
   * Ways in which code depends on the layout of all of a unit's variables, by what they leave in the text, and the
   * compiler's option against it.
   */
  readonly layoutDependence: readonly { readonly sign: string; readonly option: string }[];
}

export interface Arch {
  readonly name: string;
  readonly elfMachine: number;
  readonly pageSize: number;
  readonly registers: Registers;
  readonly unwind: UnwindFacts;
  readonly relocations: ReadonlyMap<number, RelocationFacts>;
  readonly jump: Jump;
  readonly link: LinkFacts;
  readonly libcareplus: LibcareplusFacts;
  readonly syscall: SyscallFacts;
  readonly assembly: Assembly;
}
