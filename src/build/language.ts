/** The language of a source file, as `-x` spells it. GCC manual, "Options Controlling the Kind of Output". */
export type Language =
  | 'c'
  | 'c++'
  | 'objective-c'
  | 'objective-c++'
  | 'assembler'
  | 'assembler-with-cpp'
  | 'cpp-output'
  | 'c++-cpp-output'
  | 'header'
  | 'other';

const BY_EXTENSION: ReadonlyMap<string, Language> = new Map([
  ['.c', 'c'],
  ['.i', 'cpp-output'],
  ['.ii', 'c++-cpp-output'],
  ['.m', 'objective-c'],
  ['.mm', 'objective-c++'],
  ['.M', 'objective-c++'],
  ...['.cc', '.cp', '.cxx', '.cpp', '.CPP', '.c++', '.C'].map((extension): [string, Language] => [
    extension,
    'c++',
  ]),
  ...['.h', '.hh', '.H', '.hp', '.hxx', '.hpp', '.HPP', '.h++', '.tcc'].map((e): [string, Language] => [
    e,
    'header',
  ]),
  ['.s', 'assembler'],
  ['.S', 'assembler-with-cpp'],
  ['.sx', 'assembler-with-cpp'],
  ...['.f', '.for', '.f90', '.F', '.F90', '.f95', '.d', '.go', '.ads', '.adb'].map(
    (e): [string, Language] => [e, 'other'],
  ),
]);

const BY_OPTION: ReadonlyMap<string, Language> = new Map([
  ...(['c', 'c++', 'objective-c', 'objective-c++', 'assembler', 'assembler-with-cpp'] as const).map(
    (name): [string, Language] => [name, name],
  ),
  ['cpp-output', 'cpp-output'],
  ['c++-cpp-output', 'c++-cpp-output'],
  ['c-header', 'header'],
  ['c++-header', 'header'],
]);

/** Language of a file by its name; undefined: the driver hands it to the linker. */
export function languageOfFile(path: string): Language | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  return dot < 0 ? undefined : BY_EXTENSION.get(name.slice(dot));
}

/** Language named by `-x`; undefined for `none`. */
export function languageOfOption(value: string): Language | undefined {
  if (value === 'none') return undefined;
  return BY_OPTION.get(value) ?? 'other';
}

/** True for what the compiler proper turns into assembler text. */
export function isCompiled(language: Language): boolean {
  return (
    language !== 'assembler' &&
    language !== 'assembler-with-cpp' &&
    language !== 'header' &&
    language !== 'other'
  );
}
