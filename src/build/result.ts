/** What is asked of a build, and what came of it. */

export interface BuildOptions {
  /** The source tree. */
  readonly dir: string;
  /** 1 to 64 characters of [A-Za-z0-9._-]. */
  readonly id: string;
  readonly description?: string;
  /** Where the patches are written. */
  readonly outDir: string;
  /** Paths of unified diffs, applied in this order. */
  readonly diffs: readonly string[];
  /** Patterns of the names of changed functions to take; empty: all. */
  readonly functions: readonly string[];
  /** Patterns of the names of variables and constants whose changed content running processes need not have. */
  readonly acceptData?: readonly string[];
  /** Patterns of the names of types whose layout may change although running processes may hold them. */
  readonly acceptLayout?: readonly string[];
  /** Compilers that run at the same time. */
  readonly jobs: number;
  /** Patches, or folders of patch sets, that are applied already when this one comes; those that they were built after need not be named if they lie in folders beside. */
  readonly after?: readonly string[];
  /** Build for this linked object only. */
  readonly target?: string;
  /** Its separate debug file, or an unstripped build that is the same code; only with `target`. */
  readonly debug?: string;
  /** In a form that LibcarePlus's loader takes too: or else refused, or else in ours. */
  readonly compat?: boolean | 'if-possible';
  /** Note the time of the build in the patch, which makes two builds differ. */
  readonly keepTime?: boolean;
}

export interface BuiltFunction {
  readonly name: string;
  readonly unit: string;
  readonly kind: 'changed' | 'new';
  /** Why it is in the patch, one sentence. */
  readonly reason: string;
}

export interface BuiltVariable {
  readonly name: string;
  readonly unit: string;
  readonly kind: 'new' | 'existing';
  /** Bytes. */
  readonly size: number;
}

export interface BuiltPatch {
  readonly file: string;
  readonly buildId: string;
  /** Path of the base. */
  readonly object: string;
  readonly functions: readonly BuiltFunction[];
  readonly variables: readonly BuiltVariable[];
  readonly warnings: readonly string[];
  /** Units that the fix changes in this object. */
  readonly units: number;
}

/** Something that a patch cannot carry. */
export interface Refused {
  readonly object?: string;
  readonly unit?: string;
  readonly what: string;
  /** File and line, or a symbol. */
  readonly where?: string;
  readonly remedy: string;
}

export interface BuildResult {
  readonly patches: readonly BuiltPatch[];
  readonly refused: readonly Refused[];
  /** Milliseconds by step. */
  readonly timings: Readonly<Record<string, number>>;
}
