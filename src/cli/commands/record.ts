import type { Command } from 'commander';
import { EXIT, type ExitCode, SutureError } from '../../base/errors.ts';
import type { CommonFlags, Session } from '../session.ts';
import { bound, explained, inFolder, verb } from '../verb.ts';

export function recordVerb(): Command {
  const command = verb(
    'record',
    'run the base build and note how it compiles and links',
    'Runs a build and notes every compile, archive and link command in it, in .suture/record.json. The build is not ' +
      'changed in any way. Record an incremental build too: what it compiles replaces what was noted before.',
  )
    .addOption(inFolder())
    .usage('[options] -- <command...>')
    .argument('<command...>', 'the build, with its arguments')
    .passThroughOptions();
  explained(
    command,
    [
      { command: 'suture record -- make -j4', what: 'a make project' },
      { command: 'suture record -C build -- ninja', what: 'in another folder' },
      { command: "suture record -- sh -c './configure && make'", what: 'several steps' },
    ],
    [EXIT.done, EXIT.failed, EXIT.usage],
  );
  return bound(command, recordBuild);
}

async function recordBuild(command: string[], _flags: CommonFlags, session: Session): Promise<ExitCode> {
  const { record } = await import('../../build/recorder.ts');
  const { counted } = await import('../../report/quantity.ts');
  const recording = await record(command, process.cwd(), session.progress, { outputToError: session.json });
  if (recording.exitCode !== 0) {
    throw new SutureError('COMPILE', `${command.join(' ')} ended with exit code ${recording.exitCode}`, {
      remedy: 'make the build succeed, then record it again; what it compiled until then is noted',
    });
  }
  session.result(recording, () => {
    const { recorded, units, linked } = recording;
    const whole = `${counted(units, 'source file')} in ${counted(linked, 'linked object')}`;
    return `noted ${counted(recorded, 'command')}; the record has ${whole}\n`;
  });
  return EXIT.done;
}
