// CLIENT_KEYS, `name=key,name=key`: the short way to let a service in, with the agent's view of everything.
// Problems speak of entries by number: a swapped `key=name` must not show the key as a name.

import { CLIENT_NAME, type Client, type ClientsRead } from './client.ts';
import { collisions, RESERVED_NAME } from './collisions.ts';
import { digestOfKey, KEY_LENGTH_MAX, KEY_LENGTH_MIN } from './key.ts';

/** The characters that every HTTP client can send in a header and nobody trims. */
const VISIBLE_ASCII = /^[\x21-\x7e]+$/;

/** Reads the whole list, or says everything that is wrong with it without showing any of it. */
export function parseClientKeys(text: string): ClientsRead {
  const entries = text.split(',').map((entry, index) => readEntry(entry.trim(), index + 1));
  const problems = [
    ...entries.flatMap(({ problem }) => problem ?? []),
    ...collisions([RESERVED_NAME, ...claims(entries, 'name')]),
    ...collisions(claims(entries, 'key')),
  ];
  if (problems.length > 0) return { kind: 'problems', problems };
  return { kind: 'clients', clients: entries.map(({ name, key }) => agentOf(name, key)) };
}

interface Entry {
  readonly position: number;
  readonly name: string;
  readonly key: string;
  readonly problem: string | null;
}

function readEntry(entry: string, position: number): Entry {
  const equals = entry.indexOf('=');
  const name = entry.slice(0, Math.max(equals, 0)).trim();
  // A key may itself hold `=`: base64 ends in it.
  const key = entry.slice(equals + 1).trim();
  const wrong = problemOf(entry, equals, name, key);
  return { position, name, key, problem: wrong === null ? null : `entry ${position} ${wrong}` };
}

function problemOf(entry: string, equals: number, name: string, key: string): string | null {
  if (entry === '') return 'is empty';
  if (equals === -1) return 'has no "=" between name and key';
  if (!CLIENT_NAME.test(name)) return 'has a name that is not 1 to 64 letters, digits, ".", "_" or "-"';
  if (key.length < KEY_LENGTH_MIN) return `has a key of fewer than ${KEY_LENGTH_MIN} characters`;
  if (key.length > KEY_LENGTH_MAX) return `has a key of more than ${KEY_LENGTH_MAX} characters`;
  if (/^["']|["']$/.test(key)) return 'has a key that begins or ends with a quote';
  return VISIBLE_ASCII.test(key) ? null : 'has a key with characters other than visible ASCII';
}

function claims(entries: readonly Entry[], part: 'name' | 'key') {
  return entries
    .filter(({ problem }) => problem === null)
    .map((entry) => ({ value: entry[part], where: `the ${part} of entry ${entry.position}` }));
}

function agentOf(name: string, key: string): Client {
  return { name, keys: [{ digest: digestOfKey(key) }], scope: '*', view: 'agent', mayBypass: false };
}
