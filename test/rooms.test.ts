// Imports point one way, room by room: docs/architecture.md says how. A room is a folder of src/.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from './documents/markdown.ts';

/** What the files of a room may import beside each other and the leaves. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  timeline: [],
  upstream: ['timeline'],
  clients: ['timeline', 'upstream'],
  cache: ['timeline', 'upstream'],
  config: ['clients', 'upstream'],
  feed: ['cache'],
  status: ['cache', 'timeline', 'upstream'],
  http: ['cache', 'clients', 'feed', 'timeline', 'upstream'],
  commands: ['clients', 'config', 'feed', 'http', 'upstream', 'demo.ts', 'main.ts'],
  'pass-through': ['cache', 'clients', 'http', 'timeline', 'upstream'],
  shared: ['cache', 'timeline', 'upstream'],
  // What puts the rooms together; each is imported by those before it only.
  'cli.ts': ['commands'],
  'demo.ts': ['app.ts', 'config', 'http', 'main.ts', 'demo-traffic.ts'],
  'demo-traffic.ts': [],
  'main.ts': ['app.ts', 'config', 'http', 'log-destination.ts'],
  openapi: ['config', 'status'],
  'open-status.ts': ['cache', 'clients', 'config', 'http', 'status', 'upstream'],
  'open-feed.ts': ['cache', 'config', 'feed', 'http', 'upstream'],
  'app.ts': [
    'cache',
    'clients',
    'config',
    'http',
    'open-feed.ts',
    'open-shared.ts',
    'open-status.ts',
    'openapi',
    'pass-through',
    'upstream',
  ],
  'open-shared.ts': ['cache', 'config', 'shared', 'upstream'],
};
/** Files that import nothing of the program, and that any room but the timeline may import. */
const LEAVES = ['clock.ts', 'errors.ts', 'rate.ts', 'steps.ts', 'text-file.ts', 'version.ts'];
/** The demo brings its own Chatwoot, which tests use too. */
const OUTSIDE = /^(test\/support\/fake-chatwoot\/|package\.json$)/;

const files = readdirSync(`${ROOT}/src`, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));

test.each(files)('%s imports only where the arrows lead', (file) => {
  const room = roomOf(file);
  const allowed = new Set([room, ...(ARROWS[room] ?? []), ...(room === 'timeline' || LEAVES.includes(room) ? [] : LEAVES)]);
  const imported = [...readFileSync(`${ROOT}/src/${file}`, 'utf8').matchAll(/(?:\bfrom |\bimport\(|^import )'(\.[^']+)'/gm)]
    .map(([, path = '']) => normalize(join('src', dirname(file), path)))
    .filter((path) => !OUTSIDE.test(path))
    .map((path) => roomOf(path.replace(/^src\//, '')));
  expect(imported.filter((other) => !allowed.has(other))).toEqual([]);
});

test('every room has its arrows', () => {
  const rooms = new Set(files.map(roomOf).filter((room) => !LEAVES.includes(room) && room !== 'log-destination.ts'));
  expect([...rooms].toSorted()).toEqual(Object.keys(ARROWS).toSorted());
});

/** The folder of src/ that a file is in, or the file where it is in none. */
function roomOf(file: string): string {
  return file.split('/', 1)[0] ?? file;
}
