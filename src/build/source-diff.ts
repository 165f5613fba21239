/** The diff that is kept beside a patch set: what the fix made of the source, whatever diffs it came from. */
import { FILE_HEADERS_ONLY, formatPatch, structuredPatch } from 'diff';
import type { ChangedFile } from './diff.ts';

/** A unified diff, one character per byte; the same files give the same text. */
export function sourceDiff(files: readonly ChangedFile[]): string {
  return files
    .map(({ path, original, patched }) => {
      const name = Buffer.from(path, 'utf8').toString('latin1');
      const from = original === undefined ? '/dev/null' : `a/${name}`;
      const to = patched === undefined ? '/dev/null' : `b/${name}`;
      const patch = structuredPatch(from, to, original ?? '', patched ?? '', undefined, undefined, {
        context: 3,
      });
      return formatPatch(patch, FILE_HEADERS_ONLY);
    })
    .join('');
}
