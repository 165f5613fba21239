/** Which patches processes have, and whether they are as they should be: `suture status` and `suture verify`. */
import type { Finding, PatchedObject } from '../apply/status.ts';
import { hex } from '../bytes/address.ts';
import { fileName } from './outcome.ts';
import type { Paint } from './paint.ts';
import { listed, shortId } from './quantity.ts';
import { table } from './table.ts';

/** One process with the patched objects in it. */
export interface ProcessStatus {
  readonly pid: number;
  readonly exe: string;
  readonly objects: readonly PatchedObject[];
}

/** The document of `suture status --json`. Addresses are hexadecimal strings, sizes bytes. */
export function statusDocument(processes: readonly ProcessStatus[]) {
  return {
    processes: processes.map(({ pid, exe, objects }) => ({
      pid,
      exe,
      objects: objects.map(({ path, buildId, patches }) => ({
        path,
        buildId,
        patches: patches.map(({ id, description, origin, standing, functions, region }) => ({
          id,
          description,
          origin,
          standing,
          functions: functions.map(({ name, address, replacement, replacementSize, inForce }) => ({
            name,
            address: hex(address),
            replacement: hex(replacement),
            replacementSize,
            inForce,
          })),
          region: { address: hex(region.start), size: region.size },
        })),
      })),
    })),
  };
}

const STANDING_COLOUR = { active: 'green', buried: 'yellow', leftover: 'red', detached: 'red' } as const;

/** One row for each patch of each object. */
export function statusText(processes: readonly ProcessStatus[], paint: Paint): string {
  const rows = processes.flatMap(({ pid, exe, objects }) =>
    objects.flatMap(({ path, buildId, patches }) =>
      patches.map(({ id, standing, functions, region }) => [
        String(pid),
        fileName(exe),
        id,
        paint[STANDING_COLOUR[standing]](standing),
        `${path === '' ? 'unloaded' : fileName(path)} (${shortId(buildId)})`,
        listed(functions.map(({ name, inForce }) => (inForce ? name : `(${name})`))),
        hex(region.start),
      ]),
    ),
  );
  if (rows.length === 0) return 'no patches\n';
  return table(['PID', 'PROGRAM', 'PATCH', 'STATE', 'OBJECT', 'FUNCTIONS', 'PLACE'], rows);
}

/** One process with what was found in it. */
export interface ProcessFindings {
  readonly pid: number;
  readonly exe: string;
  readonly findings: readonly Finding[];
}

/** The document of `suture verify --json`. */
export function findingsDocument(processes: readonly ProcessFindings[]) {
  return {
    processes: processes.map(({ pid, exe, findings }) => ({
      pid,
      exe,
      findings: findings.map(({ severity, kind, id, object, text }) => ({
        severity,
        kind,
        id,
        object,
        text,
      })),
    })),
  };
}

const SEVERITY_COLOUR = { ok: 'green', warning: 'yellow', error: 'red' } as const;

/** One row for each finding. */
export function findingsText(processes: readonly ProcessFindings[], paint: Paint): string {
  const rows = processes.flatMap(({ pid, exe, findings }) =>
    findings.map(({ severity, id, object, text }) => [
      paint[SEVERITY_COLOUR[severity]](severity),
      String(pid),
      fileName(exe),
      id,
      fileName(object),
      text,
    ]),
  );
  if (rows.length === 0) return 'no patches\n';
  return table(['VERIFY', 'PID', 'PROGRAM', 'PATCH', 'OBJECT', 'FOUND'], rows);
}
