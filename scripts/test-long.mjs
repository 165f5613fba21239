// npm run test:unwind, npm run fuzz: the long forms of tests of which npm test runs a short one.
//
//   node scripts/test-long.mjs FILE [arguments of FILE]
//
// Sets up what is missing (npm packages, Debian packages when root), then runs the file.
import { root, run, setUp } from './setup.mjs';

setUp('test');
process.chdir(root);
process.exitCode = run(process.execPath, ['--import', 'tsx', ...process.argv.slice(2)]) ? 0 : 1;
