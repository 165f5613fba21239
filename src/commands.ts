/** The commands of bin/, by name: the entry of the bundle. Each loads what it needs when it is run. */
export const commands: Readonly<Record<string, () => Promise<void>>> = {
  suture: async () => (await import('./cli/main.ts')).command(),
  'libcare-client': async () => (await import('./compat/libcare-client.ts')).command(),
  'libcare-ctl': async () => (await import('./compat/libcare-ctl.ts')).command(),
  'libcare-dump': async () => (await import('./compat/libcare-dump.ts')).command(),
  'libcare-patch-make': async () => (await import('./compat/libcare-patch-make.ts')).command(),
  'libcare-server': async () => (await import('./compat/libcare-server.ts')).command(),
};
