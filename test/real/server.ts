/** A real server as the test sees it: where it comes from, how it is built, started, used and attacked. */
import type { SourcePackage } from './debian-source.ts';
import type { Load } from './load.ts';

export interface Fix {
  readonly id: string;
  /** What the hole is, in one line. */
  readonly about: string;
  /** Files of debian/patches, in order. */
  readonly patches: readonly string[];
  /** The functions that the fix changes: the patch must hold these, and may hold callers they were inlined into. */
  readonly functions: readonly string[];
  /** Tries the hole from outside, without harm to the server. */
  probe(server: RunningServer): Promise<'open' | 'closed'>;
}

export interface RunningServer {
  readonly port: number;
  /** Processes that must be patched. */
  readonly pids: readonly number[];
  /** The executable, for `--exe`. */
  readonly executable: string;
  /** Ends every process and connection that belongs to it. */
  stop(): Promise<void>;
}

export interface RealServer {
  readonly name: string;
  readonly source: SourcePackage;
  readonly parallelism: 'multi-threaded' | 'multi-process';
  /** Folders of its C sources, for the count of lines. */
  readonly sources: readonly string[];
  /** Run before the recorder, in the tree; empty when there is nothing to configure. */
  readonly configure: readonly string[];
  /** The base build, run under `suture record`. */
  readonly build: readonly string[];
  readonly fixes: readonly Fix[];
  start(tree: string, folder: string): Promise<RunningServer>;
  load(server: RunningServer): Load;
}
