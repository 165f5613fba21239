/** Sections as directives name them ("Using as", 7.96 .section, ELF version). */

/** What a section holds, as far as a patch treats it differently. */
export type SectionUse =
  | 'code'
  | 'constant' //   read-only, also after relocation (.rodata, .data.rel.ro)
  | 'data'
  | 'zero' //       nobits
  | 'thread' //     thread-local template
  | 'exceptions' // language-specific data areas
  | 'starters' //   .init_array and its kin
  | 'fat' //        intermediate code for link-time optimisation
  | 'ignored'; //   not loaded, or notes about code that a patch does without

export interface Section {
  readonly name: string;
  /** COMDAT group, or ''. */
  readonly group: string;
  readonly flags: string;
  readonly use: SectionUse;
  /** True for .data.rel.ro and its kin: written once, by relocation. */
  readonly relro: boolean;
  /** True if the compiler chose the name; false for one that the source asked for. */
  readonly standard: boolean;
}

const DEFAULT_FLAGS: readonly (readonly [RegExp, string])[] = [
  [/^\.(text|init|fini)(\.|$)/, 'ax'],
  [/^\.(rodata|rodata1|eh_frame|gcc_except_table)(\.|$)/, 'a'],
  [/^\.(tdata|tbss)(\.|$)/, 'awT'],
  [/^\.(data|data1|bss|init_array|fini_array|preinit_array|ctors|dtors|ldata|lbss)(\.|$)/, 'aw'],
  [/^\.lrodata(\.|$)/, 'a'],
];

const STANDARD =
  /^\.(text|rodata|data|bss|tdata|tbss|init_array|fini_array|preinit_array|ctors|dtors|gcc_except_table|eh_frame|lrodata|ldata|lbss|ltext)(\.|$)/;

/** Arguments of a `.section` directive, comma-separated; `undefined` flags mean those of the section's first use. */
export function sectionOf(args: string): Section {
  const [first = '', ...rest] = splitArguments(args);
  const name = unquote(first);
  const flags = rest.length > 0 ? unquote(rest[0]!) : defaultFlags(name);
  const type = (rest[1] ?? '').replace(/^[@%]/, '').replace(/^"|"$/g, '');
  const groupAt = flags.includes('M') ? 3 : 2;
  const group = flags.includes('G') ? unquote(rest[groupAt] ?? '') : '';
  const relro = /^\.data\.rel\.ro(\.|$)/.test(name);
  return { name, group, flags, relro, standard: STANDARD.test(name), use: useOf(name, flags, type, relro) };
}

function defaultFlags(name: string): string {
  return DEFAULT_FLAGS.find(([pattern]) => pattern.test(name))?.[1] ?? '';
}

function useOf(name: string, flags: string, type: string, relro: boolean): SectionUse {
  if (/^\.gnu\.(lto_|offload_lto_)/.test(name)) return 'fat';
  if (!flags.includes('a') || /^\.(note|debug|zdebug|comment|stab)/.test(name)) return 'ignored';
  // A section that is ordered by another one is a note about it: patchable entries, stack sizes, sanitizer metadata.
  if (flags.includes('o') || /^\.(eh_frame|stack_sizes|stapsdt|pseudo_probe)/.test(name)) return 'ignored';
  if (flags.includes('x')) return 'code';
  if (flags.includes('T')) return 'thread';
  if (/^\.gcc_except_table(\.|$)/.test(name)) return 'exceptions';
  if (/^\.(preinit_array|init_array|fini_array|ctors|dtors)(\.|$)/.test(name)) return 'starters';
  if (relro || !flags.includes('w')) return 'constant';
  if (type === 'nobits' || /^\.(bss|lbss)(\.|$)/.test(name)) return 'zero';
  return 'data';
}

/** Splits at commas outside quotes; parts are trimmed. */
export function splitArguments(args: string): string[] {
  const parts: string[] = [];
  let quoted = false;
  let start = 0;
  for (let i = 0; i <= args.length; i++) {
    const c = args[i];
    if (c === '\\' && quoted) i++;
    else if (c === '"') quoted = !quoted;
    else if (c === undefined || (c === ',' && !quoted)) {
      parts.push(args.slice(start, i).trim());
      start = i + 1;
    }
  }
  return parts;
}

export function unquote(text: string): string {
  return text.startsWith('"') && text.endsWith('"') && text.length > 1 ? text.slice(1, -1) : text;
}
