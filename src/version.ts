// What version this program is.

import manifest from '../package.json' with { type: 'json' };

/** Backscroll's own version. */
export const VERSION: string = manifest.version;
