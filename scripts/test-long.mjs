// Tests that take minutes: those that fetch and build what they patch, and the long forms of what npm test runs shortly.
//
//   node scripts/test-long.mjs test|real|qemu FILE [arguments of FILE]
//
// Sets up what is missing for the purpose (npm packages, Debian packages when root) and the bundle, then runs the file.
import { ensureBundle, root, run, setUp } from './setup.mjs';

const [purpose, ...words] = process.argv.slice(2);
if (!['test', 'real', 'qemu'].includes(purpose) || words.length === 0) {
  console.error('usage: node scripts/test-long.mjs test|real|qemu FILE [arguments of FILE]');
  process.exit(2);
}
setUp(purpose);
if (!ensureBundle()) process.exit(1);
process.chdir(root);
process.exitCode = run(process.execPath, ['--import', 'tsx', ...words]) ? 0 : 1;
