/**
 * A variable of a library, reached through the GOT by code that was compiled to reach it directly. Compilers of
 * position-independent executables take every variable for the executable's own, because the linker copies those of
 * libraries into it (R_X86_64_COPY). A patch cannot have such a copy made.
 *
 * Only instructions whose result register holds nothing else are replaced: that register carries the address first.
 *
 *     movq stderr(%rip), %rdi   ->   movq stderr@GOTPCREL(%rip), %rdi ; movq (%rdi), %rdi
 *     leaq environ(%rip), %rax  ->   movq environ@GOTPCREL(%rip), %rax
 */
import type { LinkFacts } from '../arch.ts';

/** 64-bit name of each register that an instruction with a 32- or 64-bit result writes as a whole. */
const WIDE = new Map<string, string>();
for (const name of ['ax', 'bx', 'cx', 'dx', 'si', 'di', 'bp', 'sp']) {
  WIDE.set(`r${name}`, `r${name}`).set(`e${name}`, `r${name}`);
}
for (let number = 8; number < 16; number++) {
  WIDE.set(`r${number}`, `r${number}`).set(`r${number}d`, `r${number}`);
}

/** Loads whose result fills the register: plain ones of 32 and 64 bits, and all that extend. */
const LOAD = /^mov([lq]|slq|[sz][bw][lq]|abs)?$/;

const STATEMENT =
  /^\s*([a-z]+)\s+(\$?)([^\s,()$]+?)([+-](?:0x[0-9a-f]+|\d+))?(\(%rip\))?\s*,\s*%([a-z0-9]+)\s*$/;

export const throughGot: NonNullable<LinkFacts['throughGot']> = (statement, symbol) => {
  const match = STATEMENT.exec(statement);
  if (match === null || match[3] !== symbol) return undefined;
  const [, mnemonic = '', immediate, , offset = '', , target = ''] = match;
  const wide = WIDE.get(target);
  if (wide === undefined || wide === 'rsp') return undefined;
  const address = `\tmovq\t${symbol}@GOTPCREL(%rip), %${wide}`;
  const takesAddress = /^lea[lq]?$/.test(mnemonic)
    ? immediate === ''
    : immediate === '$' && LOAD.test(mnemonic);
  if (takesAddress)
    return offset === '' ? address : `${address}\n\tleaq\t${offset.replace('+', '')}(%${wide}), %${wide}`;
  if (immediate !== '' || !LOAD.test(mnemonic) || mnemonic === 'movabs') return undefined;
  return `${address}\n\t${mnemonic}\t${offset.replace('+', '')}(%${wide}), %${target}`;
};
