/** Directives by what they do to the reading ("Using as", chapter 7). A directive that is not listed is content. */

export enum Directive {
  None = 0,
  /** Debug lines, file names, identification: nothing for the machine. */
  Skip,
  Text,
  Data,
  Bss,
  Section,
  PushSection,
  PopSection,
  Previous,
  Subsection,
  Global,
  Weak,
  Local,
  Visibility,
  Type,
  Size,
  Common,
  LocalCommon,
  Set,
  WeakReference,
  Version,
  Align,
  Frame,
  /** CFI that names symbols: personality routine and exception table. */
  FrameReference,
  /** Data whose arguments are strings only. */
  Text8,
  Macro,
  Syntax,
  /** A dialect's choice of instructions; see Assembly.modeDirectives. */
  Mode,
}

const groups: readonly (readonly [Directive, readonly string[]])[] = [
  [
    Directive.Skip,
    ['.loc', '.file', '.ident', '.addrsig', '.addrsig_sym', '.cfi_sections', '.loc_mark_labels'],
  ],
  [Directive.Skip, ['.cv_loc', '.lcfi', '.extern', '.build_version', '.gnu_attribute', '.version', '.line']],
  // Marks calls that lazy binding must not make; what a patch calls is bound when it is applied.
  [Directive.Skip, ['.variant_pcs']],
  [Directive.Text, ['.text']],
  [Directive.Data, ['.data']],
  [Directive.Bss, ['.bss']],
  [Directive.Section, ['.section']],
  [Directive.PushSection, ['.pushsection']],
  [Directive.PopSection, ['.popsection']],
  [Directive.Previous, ['.previous']],
  [Directive.Subsection, ['.subsection']],
  [Directive.Global, ['.globl', '.global']],
  [Directive.Weak, ['.weak']],
  [Directive.Local, ['.local']],
  [Directive.Visibility, ['.hidden', '.protected', '.internal']],
  [Directive.Type, ['.type']],
  [Directive.Size, ['.size']],
  [Directive.Common, ['.comm', '.common']],
  [Directive.LocalCommon, ['.lcomm']],
  [Directive.Set, ['.set', '.equ', '.equiv', '.eqv']],
  [Directive.WeakReference, ['.weakref']],
  [Directive.Version, ['.symver']],
  [Directive.Align, ['.align', '.p2align', '.p2alignw', '.p2alignl', '.balign', '.balignw', '.balignl']],
  [Directive.FrameReference, ['.cfi_personality', '.cfi_lsda', '.cfi_val_encoded_addr']],
  [Directive.Text8, ['.string', '.ascii', '.asciz', '.string8', '.string16', '.string32', '.base64']],
  [Directive.Macro, ['.macro']],
  [Directive.Syntax, ['.intel_syntax', '.att_syntax']],
];

const TABLE = new Map(groups.flatMap(([kind, names]) => names.map((name) => [name, kind] as const)));

/** What the word does when it stands first in a statement. */
export function directiveNamed(name: string): Directive {
  return TABLE.get(name) ?? (name.startsWith('.cfi_') ? Directive.Frame : Directive.None);
}
