/** Says which files of a diff the compiled program does not depend on, and why that may matter. */
import type { Progress } from '../base/progress.ts';
import type { TouchedFile } from './units.ts';

const SOURCE = /\.(c|h|cc|cpp|cxx|c\+\+|C|H|hh|hpp|hxx|inl|inc|ipp|tcc|m|mm|S|s|asm|rs|go|f90)$/;
const BUILD_RULE =
  /(^|\/)(GNUmakefile|[Mm]akefile[^/]*|CMakeLists\.txt|meson(_options)?\.(build|txt)|configure(\.ac|\.in)?|[^/]*\.(mk|am|cmake|ninja|m4))$/;
const TEXT =
  /(^|\/)(README|NEWS|CHANGES|ChangeLog|AUTHORS|TODO|COPYING|LICENSE)[^/]*$|\.(md|txt|rst|po|pot|html|\d|tex|texi|adoc)$/i;

export function reportUnread(files: readonly TouchedFile[], progress: Progress): void {
  for (const { path } of files) {
    if (BUILD_RULE.test(path))
      progress.warn(`${path} is a build rule: the record of the base build stays what counts`);
    else if (SOURCE.test(path))
      progress.warn(`no recorded unit reads ${path}: that part of the diff changes nothing in the patch`);
    else if (TEXT.test(path)) progress.note(`${path} is not part of the program`);
    else
      progress.warn(
        `${path} is not read by any compiler: if something is generated from it, that is not in the patch`,
      );
  }
}
