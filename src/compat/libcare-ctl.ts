/** `libcare-ctl`: LibcarePlus's patch, unpatch and info. */
import { ended, FAILED, UsageError, type Voice } from './voice.ts';

async function main(voice: Voice): Promise<number> {
  const { CTL_USAGE, ctlCommand, runCtl } = await import('./ctl-words.ts');
  const words = process.argv.slice(2);
  let isVerbose = false;
  while (words[0]?.startsWith('-')) {
    const flag = words.shift();
    if (flag === '-h' || flag === '--help') {
      voice.out(CTL_USAGE);
      return 0;
    }
    if (!/^-v+$/.test(flag ?? '')) {
      voice.err(`libcare-ctl: ${flag} is no option\n${CTL_USAGE}`);
      return FAILED;
    }
    isVerbose = true;
  }
  const command = ctlCommand(words.shift());
  if (command === undefined) {
    voice.err(CTL_USAGE);
    return FAILED;
  }
  try {
    return runCtl(command, words, isVerbose, voice) ? 0 : FAILED;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    voice.err(`libcare-ctl: ${error.message}\n${CTL_USAGE}`);
    return FAILED;
  }
}

export const command = (): Promise<void> => ended('libcare-ctl', main);
