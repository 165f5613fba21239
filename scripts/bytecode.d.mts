import type { BuildOptions } from 'esbuild';

export function commonJs(
  entry: string,
  settings: BuildOptions,
): Promise<{ text: string; bytecode: Uint8Array }>;
