/**
 * Names that compilers number: what they mean is the stem, the number only keeps them apart within one unit.
 * gcc: `count.3` (static local), `f.isra.0`, `f.constprop.1`, `f.part.0`, `CSWTCH.7`, `__func__.5`; clang: `f.count.2`;
 * Itanium C++ ABI 5.1.5 (closure types `UlvE0_`, unnamed types `Ut1_`) and 5.1.7 (discriminators `_0` of local names).
 */

/** The name without its numbers; the same string if it has none. */
export function stemOf(name: string): string {
  let stem = name.includes('.') ? name.replace(/\.\d+(?=\.|$)/g, '') : name;
  // What initialises a unit is called after the unit's first function with external linkage.
  if (stem.startsWith('_GLOBAL__')) return stem.replace(/^(_GLOBAL__(sub_)?[ID])[._].*$/, '$1_#');
  if (stem.startsWith('_Z')) {
    // clang calls a closure type of internal linkage `3$_2`: a source name of its own, numbered in the whole unit.
    if (stem.includes('$_')) stem = stem.replace(/\d+\$_\d+/g, '$_#');
    if (/U[lt]/.test(stem)) {
      stem = stem.replace(/(Ul[A-Za-z0-9_]*?E)\d*_/g, '$1#_').replace(/Ut\d*_/g, 'Ut#_');
    }
    if (/^_Z(GV|TW|TH)?Z/.test(stem)) stem = stem.replace(/(?<=[A-Za-z])(_\d|__\d+_)$/, '');
  }
  return stem;
}

/** Clone suffixes that gcc and clang add to the function they copied or split. */
const CLONE =
  /\.(isra|constprop|part|simdclone|localalias|lto_priv|llvm|cold|specialized|argprom|extracted)(\.|$)/;

/** The function as the source knows it, of a clone's name; undefined if the name is no clone's. */
export function clonedFrom(name: string): string | undefined {
  const at = name.search(CLONE);
  return at > 0 ? name.slice(0, at) : undefined;
}
