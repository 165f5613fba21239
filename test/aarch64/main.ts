/**
 * What `npm test` does on AArch64 for a part of the runs and for a short time, in full:
 *
 *   npm run test:aarch64
 */
process.env.SUTURE_AARCH64 = 'all';
process.env.SUTURE_CYCLES ??= '100';
await import('./programs.test.ts');
await import('./server.test.ts');

export {};
