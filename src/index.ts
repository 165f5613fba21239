/**
 * suture as a library: what the command line is made of. Functions take and return plain data; errors are
 * `SutureError`s with a stable code. Building is asynchronous; whatever touches a process is synchronous, because
 * ptrace wants one thread, and no other work of yours runs while a process is held.
 *
 * ```ts
 * import { applyPatches, loadPatches, Target } from 'suture';
 *
 * const patches = loadPatches(['patches/']).map(({ patch }) => patch);
 * const target = Target.open(4242);
 * const [outcome] = applyPatches([target], patches, { maxStopMs: 20, timeoutMs: 10_000 });
 * console.log(outcome?.outcome, outcome?.stopMicroseconds);
 * target.close();
 * ```
 */

export type { CheckedObject, CheckOutcome } from './apply/check.ts';
export {
  applyPatches,
  checkPatches,
  type EngineOptions,
  patchCode,
  repairProcess,
  revertPatches,
  statusOf,
  verifyProcess,
} from './apply/engine.ts';
export type { Outcome, OutcomeObject, ProcessOutcome } from './apply/outcome.ts';
export type { Blocker } from './apply/safety.ts';
export type { AppliedPatch, Finding, PatchedFunction, PatchedObject } from './apply/status.ts';
export { type ErrorCode, EXIT, type ExitCode, SutureError } from './base/errors.ts';
export { type Progress, silent } from './base/progress.ts';
export { buildPatchSet } from './build/pipeline.ts';
export { type Recording, record } from './build/recorder.ts';
export type {
  BuildOptions,
  BuildResult,
  BuiltFunction,
  BuiltPatch,
  BuiltVariable,
  Refused,
} from './build/result.ts';
export type {
  CodeRange,
  Manifest,
  ManifestFunction,
  ManifestImport,
  ManifestVariable,
} from './patch/manifest.ts';
export type { Patch, PatchSection, PatchSymbol } from './patch/patch.ts';
export { Target } from './process/target.ts';
export { loadPatches, type PatchSet, patchSets, type StoredPatch } from './store/catalogue.ts';
