/** Directives that choose which instructions the assembler takes (Assembly.modeDirectives), such as .arch. */

/** What holds from byte `at` of the text on. */
export interface Mode {
  readonly at: number;
  readonly text: string;
}

export class Modes {
  readonly list: Mode[] = [];

  /** An extension adds to what was chosen before it, everything else takes its place. */
  note(at: number, text: string): void {
    const before = text.startsWith('.arch_extension') ? this.list.at(-1)?.text : undefined;
    this.list.push({ at, text: before === undefined ? text : `${before}\n\t${text}` });
  }
}

/** The directives in force at a byte of the text; undefined where none are. */
export const modeAt = (modes: readonly Mode[], at: number): string | undefined =>
  modes.findLast((mode) => mode.at < at)?.text;
