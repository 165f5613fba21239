/**
 * The unwinders of a process, and the tables that a patch must hand to them: an exception finds the frame of a function
 * by tables that were registered, or by those of loaded objects; a patch is no loaded object. An exception that reaches
 * a frame without a table ends the program.
 *
 * libgcc's `__register_frame_info(begin, object)` takes a table and a zeroed `struct object` of the caller's, which it
 * links into its list and whose first word it sets to a value other than zero before that. Its counterpart
 * `__deregister_frame_info(begin)` aborts when the table was not registered, so that what is registered must be known
 * for certain: it is written into the region itself.
 */
import { SutureError } from '../base/errors.ts';
import { type Remote, remote, toRemote } from '../bytes/address.ts';
import { pad, record, u32, u64, viewOf } from '../bytes/record.ts';
import { SHN_UNDEF } from '../elf/constants.ts';
import { SECTION } from '../patch/layout.ts';
import type { Patch } from '../patch/patch.ts';
import type { ObjectView, SymbolView } from './view.ts';

/** A copy of libgcc's unwinder in the process; statically linked ones stand beside the shared one. */
export interface Registrar {
  readonly register: Remote;
  readonly deregister: Remote;
}

/** One for each unwinder, zero when the region is mapped. In the writable part of a region. */
export const Registration = record('suture unwinder registration', 160, {
  deregister: u64,
  leaving: u32, // 1: the call that takes the table back was about to be made
  reserved: u32,
  tail: pad(16),
  object: pad(128), // libgcc's struct object; 48 to 64 bytes of it are used
});

export const OBJECT_OFFSET = Registration.offsets.object;

export type RegistrationState =
  | { readonly kind: 'none' }
  | { readonly kind: 'registered'; readonly deregister: Remote }
  /** A command was killed around the call that takes the table back: it may be registered or not. */
  | { readonly kind: 'unknown' };

export function registrationState(bytes: Uint8Array): RegistrationState {
  const { deregister, leaving } = Registration.on(viewOf(bytes), 0);
  if (leaving !== 0) return { kind: 'unknown' };
  const first = viewOf(bytes).getBigUint64(OBJECT_OFFSET, true);
  return first === 0n ? { kind: 'none' } : { kind: 'registered', deregister: remote(deregister) };
}

const REGISTER = '__register_frame_info';
const DEREGISTER = '__deregister_frame_info';

/** Every unwinder of the process to which tables can be handed. */
export function registrarsOf(objects: readonly ObjectView[]): Registrar[] {
  return objects.flatMap((object) => {
    const register = addressIn(object, REGISTER);
    const deregister = addressIn(object, DEREGISTER);
    return register === undefined || deregister === undefined ? [] : [{ register, deregister }];
  });
}

/**
 * The unwinders that must know the tables of a patch; none if nothing in the process raises exceptions.
 * @throws SutureError UNSUPPORTED if exceptions may reach the patch and no unwinder would learn of its tables
 */
export function unwindersFor(patch: Patch, objects: readonly ObjectView[]): Registrar[] {
  const certain = expectsExceptions(patch) || objects.some(raisesExceptions);
  if (!certain && !isOfCxx(patch)) return [];
  const registrars = registrarsOf(objects);
  // C++ that needs no library for exceptions raises none, unless it brought its own and hides it.
  if (registrars.length > 0 || (!certain && !objects.some(hidesSymbols))) return registrars;
  throw new SutureError(
    'UNSUPPORTED',
    `an exception that reaches the patch would end the program: its unwinder (no ${REGISTER} is to be found) cannot be told of new functions`,
    { remedy: 'link the program with the shared libgcc, or keep its symbol table' },
  );
}

/** Bytes of a table that holds nothing but its end. LSB Core, "The .eh_frame section". */
const EMPTY_FRAMES = 4;

export const hasFrames = ({ sections }: Patch): boolean =>
  sections.some(({ name, size }) => name === SECTION.frames && size > EMPTY_FRAMES);

/** What compilers refer to for exceptions. Itanium C++ ABI, Exception Handling. */
const EXCEPTION_NAME = /^(DW\.ref\.)?__g(xx|cc)_personality_|^_Unwind_|^__cxa_(throw|rethrow|begin_catch)$/;

const expectsExceptions = ({ manifest, symbols, sections }: Patch): boolean =>
  sections.some(({ name, size }) => name === SECTION.exceptTable && size > 0) ||
  [...manifest.imports, ...symbols].some(({ name }) => EXCEPTION_NAME.test(name));

/** Mangled names begin so. */
const isOfCxx = ({ manifest }: Patch): boolean =>
  manifest.functions.some(({ name }) => name.startsWith('_Z'));

const hidesSymbols = ({ isExecutable, file }: ObjectView): boolean =>
  isExecutable && (file === undefined || file.symbols.length === 0);

function raisesExceptions(object: ObjectView): boolean {
  if (object.isVdso) return false;
  const isDefined = ({ shndx }: SymbolView) => shndx !== SHN_UNDEF;
  const { dynamicSymbols } = object.image;
  if ([REGISTER, '__cxa_throw'].some((name) => dynamicSymbols.named(name).some(isDefined))) return true;
  return object.isExecutable && (object.file?.symbols.named('__cxa_throw').some(isDefined) ?? false);
}

function addressIn(object: ObjectView, name: string): Remote | undefined {
  if (object.isVdso) return undefined;
  const symbol = [
    ...object.image.dynamicSymbols.named(name),
    ...(object.file?.symbols.named(name) ?? []),
  ].find(({ shndx, value }) => shndx !== SHN_UNDEF && value !== 0n);
  return symbol && toRemote(symbol.value, object.bias);
}
