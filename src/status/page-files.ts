// The files of the status page. They lie in src/status/page, also where the program runs from dist/; uPlot in its package.

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

export interface PageFile {
  readonly path: string;
  readonly type: string;
  readonly content: Buffer;
}

const HTML = 'text/html; charset=utf-8';
const CSS = 'text/css; charset=utf-8';
const SCRIPT = 'text/javascript; charset=utf-8';

const OWN = [
  ['', 'index.html', HTML],
  ['/status.css', 'status.css', CSS],
  ['/status.js', 'status.js', SCRIPT],
  ['/elements.js', 'elements.js', SCRIPT],
  ['/overview.js', 'overview.js', SCRIPT],
  ['/plots.js', 'plots.js', SCRIPT],
  ['/map.js', 'map.js', SCRIPT],
  ['/conversation.js', 'conversation.js', SCRIPT],
] as const;

const OF_UPLOT = [
  ['/uplot.js', 'uPlot.esm.js', SCRIPT],
  ['/uplot.css', 'uPlot.min.css', CSS],
] as const;

/** Reads them. @throws where one is missing */
export function readPageFiles(): readonly PageFile[] {
  const uplot = new URL('.', pathToFileURL(createRequire(import.meta.url).resolve('uplot')));
  const read = (folder: URL, files: typeof OWN | typeof OF_UPLOT): PageFile[] =>
    files.map(([path, name, type]) => ({ path: `/status${path}`, type, content: readFileSync(new URL(name, folder)) }));
  return [...read(ownFolder(), OWN), ...read(uplot, OF_UPLOT)];
}

function ownFolder(): URL {
  const folders = ['./page/', '../../../src/status/page/'].map((path) => new URL(path, import.meta.url));
  const found = folders.find((folder) => existsSync(folder));
  if (found === undefined) throw new Error(`The status page is missing: there is no ${fileURLToPath(folders[0]!)}`);
  return found;
}
