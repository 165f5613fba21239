import { SutureError } from '../base/errors.ts';
import { DIGEST_SIZE } from './layout.ts';

/** SHA-256 of some bytes; given from outside, because this folder is pure. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

/** The digest of a patch file: SHA-256 over all of it, with the 32 bytes at `at` that hold the digest as zeros. */
export function fileDigest(file: Uint8Array, at: number, sha256: Sha256): Uint8Array {
  // Not slice(): that of Node's Buffer is a view of the same bytes.
  const copy = new Uint8Array(file);
  copy.fill(0, at, at + DIGEST_SIZE);
  const digest = sha256(copy);
  if (digest.length !== DIGEST_SIZE) {
    throw new SutureError('INTERNAL', `a SHA-256 has ${DIGEST_SIZE} bytes, not ${digest.length}`);
  }
  return digest;
}

export function checkDigest(file: Uint8Array, at: number, sha256: Sha256): void {
  const expected = fileDigest(file, at, sha256);
  if (expected.some((byte, i) => byte !== file[at + i])) {
    throw new SutureError('BAD_PATCH', 'the digest does not match: the file was changed after it was built', {
      remedy: 'copy or build the patch again',
    });
  }
}
