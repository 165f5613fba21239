import { SutureError } from '../base/errors.ts';
import type { Cursor } from '../bytes/cursor.ts';
import { DW_EH_PE_absptr, DW_EH_PE_omit, type PointerBases, readEncodedPointer } from './pointer-encoding.ts';

/** A common information entry. DWARF 5, 6.4.1; augmentation: LSB Core, "Augmentation String Format". */
export interface Cie {
  readonly codeAlign: number;
  readonly dataAlign: number;
  /** DWARF number of the column that holds the return address. */
  readonly returnAddress: number;
  /** DW_EH_PE_* of the addresses in its FDEs. */
  readonly fdeEncoding: number;
  /** DW_EH_PE_* of the LSDA pointer in its FDEs. */
  readonly lsdaEncoding: number;
  /** 'z': FDEs carry augmentation data with their length. */
  readonly hasAugmentationData: boolean;
  /** 'S': the frame was entered by a signal, so that the pc of the frame above it is not behind a call. */
  readonly isSignalFrame: boolean;
  /** Offset and end in the section of the initial instructions. */
  readonly instructions: number;
  readonly end: number;
}

/**
 * Reads a CIE's body. `cursor` stands behind the CIE id and ends with the entry. undefined: the augmentation is
 * unknown in a way that hides where the instructions begin.
 */
export function readCie(cursor: Cursor, bases: PointerBases, isDebugFrame: boolean): Cie | undefined {
  const version = cursor.u8();
  if (version !== 1 && version !== 3 && !(isDebugFrame && version === 4)) {
    throw new SutureError('BAD_FORMAT', `${cursor.what}: CIE version ${version} at offset ${cursor.at}`);
  }
  const augmentation = readAugmentationString(cursor);
  if (version === 4) {
    const addressSize = cursor.u8();
    const segmentSize = cursor.u8();
    if (addressSize !== 8 || segmentSize !== 0) {
      throw new SutureError(
        'BAD_FORMAT',
        `${cursor.what}: addresses of ${addressSize} bytes in segments of ${segmentSize}`,
      );
    }
  }
  // GCC 2's augmentation: one pointer, before the alignment factors.
  if (augmentation === 'eh') cursor.u64();
  const codeAlign = cursor.ulebNumber();
  const dataAlign = Number(cursor.sleb());
  const returnAddress = version === 1 ? cursor.u8() : cursor.ulebNumber();
  const facts = { fdeEncoding: DW_EH_PE_absptr, lsdaEncoding: DW_EH_PE_omit, isSignalFrame: false };
  const hasAugmentationData = augmentation.startsWith('z');
  if (hasAugmentationData) {
    const length = cursor.ulebNumber();
    const instructions = cursor.at + length;
    if (!readAugmentation(cursor, augmentation, facts, bases)) return undefined;
    if (cursor.at > instructions) {
      throw new SutureError(
        'BAD_FORMAT',
        `${cursor.what}: augmentation "${augmentation}" exceeds its ${length} bytes`,
      );
    }
    cursor.at = instructions;
  } else if (augmentation !== '' && augmentation !== 'eh') {
    // Without a length, only letters that carry no data can be passed.
    if (!/^[SBG]*$/.test(augmentation)) return undefined;
    facts.isSignalFrame = augmentation.includes('S');
  }
  if (cursor.at > cursor.end) {
    throw new SutureError('BAD_FORMAT', `${cursor.what}: a CIE's augmentation data lies past its end`);
  }
  return {
    codeAlign,
    dataAlign,
    returnAddress,
    ...facts,
    hasAugmentationData,
    instructions: cursor.at,
    end: cursor.end,
  };
}

/** Real ones have at most six letters; a bound keeps a hostile section from being read again and again. */
function readAugmentationString(cursor: Cursor): string {
  let letters = '';
  for (let byte = cursor.u8(); byte !== 0; byte = cursor.u8()) {
    letters += String.fromCharCode(byte);
    if (letters.length > 16) {
      throw new SutureError('BAD_FORMAT', `${cursor.what}: no augmentation string at offset ${cursor.at}`);
    }
  }
  return letters;
}

/** False when a letter is unknown whose data hides that of a letter which matters. */
function readAugmentation(
  cursor: Cursor,
  augmentation: string,
  facts: { fdeEncoding: number; lsdaEncoding: number; isSignalFrame: boolean },
  bases: PointerBases,
): boolean {
  for (let i = 1; i < augmentation.length; i++) {
    switch (augmentation[i]) {
      case 'R':
        facts.fdeEncoding = cursor.u8();
        break;
      case 'L':
        facts.lsdaEncoding = cursor.u8();
        break;
      case 'P': // personality routine: not needed to unwind, so that any base will do to pass it
        readEncodedPointer(cursor, cursor.u8(), { section: bases.section, text: 0n, data: 0n, function: 0n });
        break;
      case 'S':
        facts.isSignalFrame = true;
        break;
      case 'B': // aarch64: return addresses are signed with the B key
      case 'G': // aarch64: the frame has tagged stack memory
        break;
      default:
        return !/[RLS]/.test(augmentation.slice(i + 1));
    }
  }
  return true;
}
