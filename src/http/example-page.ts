// Serves examples/transcript to browsers. Only the demo does: `serve` has no route but messages and operations.

import type { FastifyInstance } from 'fastify';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Where the example page answers. */
export const EXAMPLE_PAGE_PATH = '/demo/transcript/';

const FILES = [
  ['', 'index.html', 'text/html; charset=utf-8'],
  ['transcript.css', 'transcript.css', 'text/css; charset=utf-8'],
  ['transcript.js', 'transcript.js', 'text/javascript; charset=utf-8'],
] as const;

const HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  // A meta element cannot say this (CSP 3, 3.3).
  'content-security-policy': "frame-ancestors 'none'",
};

/** Adds the routes of the page. Reads its files now. @throws where they are not there. */
export function examplePage(app: FastifyInstance): void {
  const folder = exampleFolder();
  for (const [name, file, type] of FILES) {
    const content = readFileSync(new URL(file, folder));
    app.get(`${EXAMPLE_PAGE_PATH}${name}`, (_request, reply) =>
      reply.headers({ ...HEADERS, 'content-type': type }).send(content),
    );
  }
}

/** Beside src/ where this runs from source, one folder further up where it runs from dist/. */
function exampleFolder(): URL {
  const folders = ['../../', '../../../'].map((up) => new URL(`${up}examples/transcript/`, import.meta.url));
  const found = folders.find((folder) => existsSync(folder));
  if (found === undefined) throw new Error(`The example page is missing: there is no ${fileURLToPath(folders[0]!)}`);
  return found;
}
