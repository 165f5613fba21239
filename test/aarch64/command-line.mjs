// The command line again and again in one process: under emulation a cold start takes seconds. Each message holds the
// words of one command; the answer, when it has ended, is its exit code.
import { pathToFileURL } from 'node:url';

const entry = pathToFileURL(process.argv[2]).href;
let runs = 0;
process.on('message', async ({ args, cwd }) => {
  process.argv.length = 2;
  process.argv.push(...args);
  process.exitCode = undefined;
  process.chdir(cwd);
  try {
    // The entry is evaluated each time; what it imports stays.
    await import(`${entry}?run=${runs++}`);
  } catch (error) {
    console.error(error);
    process.exitCode = -1;
  }
  const code = process.exitCode ?? 0;
  process.exitCode = undefined;
  process.send({ code });
});
