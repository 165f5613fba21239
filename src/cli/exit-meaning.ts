import { EXIT, type ExitCode } from '../base/errors.ts';

/** What each exit code tells a script, for the help texts. */
export const EXIT_MEANING: Readonly<Record<ExitCode, string>> = {
  [EXIT.done]: 'done',
  [EXIT.failed]: 'failed; the message says what and where',
  [EXIT.usage]: 'the command line is wrong',
  [EXIT.nothing]: 'nothing applicable: no process or no change that this concerns',
  [EXIT.busy]: 'busy or unsafe: nothing was changed',
  [EXIT.invalidPatch]: 'the patch file is invalid or not trusted',
  [EXIT.refusedToBuild]: 'refused to build a patch; the reason is given',
  [EXIT.partial]: 'some processes done, some not; both are listed',
};
