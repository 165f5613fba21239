import manifest from '../../package.json' with { type: 'json' };

/** The version that `suture --version` shows. */
export const version: string = manifest.version;
