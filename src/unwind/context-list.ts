/** A list in which a program keeps the contexts of its suspended coroutines: what no tool can find out by itself. */
export interface ContextList {
  /** For messages. */
  readonly name: string;
  /** File name of the object that holds the symbol; the program itself if left out. */
  readonly object?: string | undefined;
  /** A variable that points to the first context. */
  readonly first: string;
  /** Offset in a context of the pointer to the next one; the list ends with 0 or where it began. */
  readonly next: number;
  /** Offset in a context of the saved stack pointer. */
  readonly stackPointer: number;
  /** Offsets in a context of other registers, `pc` among them. */
  readonly saved: Readonly<Record<string, number>>;
  /** Offsets from the saved stack pointer of registers that were pushed, `pc` among them. */
  readonly pushed: Readonly<Record<string, number>>;
  /** Bytes that resuming takes off the stack. */
  readonly popped: number;
  /** Names of the registers, `sp` and `pc` among them, that glibc's setjmp has mangled. */
  readonly mangled: readonly string[];
  /** Functions in which contexts of this list begin: what lies above their frames is nobody's. */
  readonly bottom: readonly string[];
  /** Contexts of which the word of four bytes at this offset has this value are not suspended. */
  readonly except?: { readonly at: number; readonly equals: number } | undefined;
}
