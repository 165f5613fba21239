/**
 * Reads what `objdump -d -r` prints of one function, such that two builds of it can be laid side by side: what an
 * instruction refers to goes by name, and where it jumps to within the function by instruction, not by address.
 */
export interface Instruction {
  /** Bytes from the start of the function's part. */
  readonly offset: number;
  /** As a person reads it: mnemonic, operands, and what they refer to. */
  readonly text: string;
  /** What two builds of the same source have in common; addresses are left out. */
  readonly key: string;
  /** Index of the instruction that it jumps to, if it is one of the same part. */
  readonly jump?: number;
}

interface Line {
  readonly address: number;
  text: string;
  refers: string | undefined;
  /** Address within the part that a branch leads to. */
  to: number | undefined;
}

/**
 * @param text output of objdump for [start, start + size)
 * @param start the part's address as objdump prints it
 */
export function readDisassembly(text: string, start: number, size: number): Instruction[] {
  const lines: Line[] = [];
  for (const row of text.split('\n')) {
    const relocation = /^\t+\s*[0-9a-f]+: R_\w+\s+(.+)$/.exec(row);
    const last = lines.at(-1);
    if (relocation !== null && last !== undefined) {
      last.refers = plainName(relocation[1]!);
      last.to = undefined;
      continue;
    }
    const instruction = /^ *([0-9a-f]+):\t(.*)$/.exec(row);
    if (instruction !== null)
      lines.push(readLine(Number.parseInt(instruction[1]!, 16), instruction[2]!, start, size));
  }
  const indexes = new Map(lines.map(({ address }, index) => [address, index]));
  return lines.map(({ address, text, refers, to }) => {
    const jump = to === undefined ? undefined : indexes.get(to);
    // With a name beside it, the number in the operand is where the linker put things.
    const bare =
      refers === undefined ? text : text.replace(/-?0x[0-9a-f]+(?=[(\]])/, '').replace(/\b[0-9a-f]+$/, '');
    const name = refers ?? (to === undefined ? undefined : `+0x${(to - start).toString(16)}`);
    return {
      offset: address - start,
      text: name === undefined ? text : `${text} <${name}>`,
      key: refers === undefined ? text : `${bare.trim()} <${refers}>`,
      ...(jump === undefined ? {} : { jump }),
    };
  });
}

function readLine(address: number, row: string, start: number, size: number): Line {
  const text = row.replace(/\s+/g, ' ').trim();
  // "jmp 1250 <f+0x20>", "lea 0xed5(%rip),%rdi # 2004 <limit>"
  const [, before = text, number, name] = /^(.*?)(?: #)? ([0-9a-f]+) <(.*)>$/.exec(text) ?? [];
  if (number === undefined || name === undefined) return { address, text, refers: undefined, to: undefined };
  const to = Number.parseInt(number, 16);
  const isInside = to > start && to < start + size;
  return {
    address,
    text: before,
    refers: isInside ? undefined : plainName(name),
    to: isInside ? to : undefined,
  };
}

/** Without what the linker or the relocation adds: `puts@plt` and `puts-0x4` are `puts`. */
const plainName = (name: string): string => name.replace(/-0x4$/, '').replace(/@.*$/, '');
