// The command line again and again in one process: under emulation a cold start takes seconds. Each message holds the
// words of one command; the answer, when it has ended, is its exit code.
import { createRequire } from 'node:module';

const run = createRequire(import.meta.url)(process.argv[2]);
process.on('message', async ({ args, cwd }) => {
  process.argv.length = 2;
  process.argv.push(...args);
  process.exitCode = undefined;
  process.chdir(cwd);
  try {
    await run('suture');
  } catch (error) {
    console.error(error);
    process.exitCode = -1;
  }
  const code = process.exitCode ?? 0;
  process.exitCode = undefined;
  process.send({ code });
});
