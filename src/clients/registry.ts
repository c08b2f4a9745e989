// All clients at one moment. A registry never changes: a reload builds another and swaps one reference.

import { LRUCache } from 'lru-cache';
import { timingSafeEqual } from 'node:crypto';
import { ANONYMOUS, readerOf, type Client, type Reader } from './client.ts';
import { parseClientsFile } from './clients-file.ts';
import { collisions, type Claim } from './collisions.ts';
import { apart, nameOfDigest, nameOfSecret } from './key.ts';

export interface ClientRegistry {
  readonly clients: readonly Client[];
  /** The reader that a request without a credential gets; null where it gets 401. */
  readonly anonymous: Reader | null;
  /** The client with that key, or null where there is none or the key's time is over at `now`. */
  find(key: string, now: number): Client | null;
  /** That client as the reader of a request. */
  readerWith(key: string, now: number): Reader | null;
}

/** Right keys that are known by themselves. Others are hashed. */
export const KNOWN_MAX = 1000;

interface Entry {
  /** The name of its digest. */
  readonly bytes: Buffer;
  readonly client: Client;
  readonly reader: Reader;
  /** Milliseconds since 1970. */
  readonly notAfterAt: number;
}

/** The text of a file, as `readTextFileSync` reads it. */
export type ReadFile = (path: string) => string;

export interface RegistrySources {
  /** The clients of CLIENT_KEYS. */
  readonly clientKeys: readonly Client[];
  /** The path of CLIENTS_FILE. */
  readonly clientsFile: string | undefined;
  readonly allowAnonymous: boolean;
}

export type RegistryRead =
  | { readonly kind: 'registry'; readonly registry: ClientRegistry }
  | { readonly kind: 'problems'; readonly problems: readonly string[] };

export function clientRegistry(clients: readonly Client[], options: { readonly allowAnonymous: boolean }): ClientRegistry {
  const table = Object.freeze([...clients]);
  const entries = new Map(
    table.flatMap((client) => {
      const reader = readerOf(client);
      return client.keys.map(({ digest, notAfterAt = Infinity }) => {
        const name = nameOfDigest(digest);
        return [name, { bytes: Buffer.from(name), client, reader, notAfterAt }] as const;
      });
    }),
  );
  // Those of keys that came before, so that each is hashed once. Only a right key gets in.
  const known = new LRUCache<string, Entry>({ max: KNOWN_MAX });
  const entryOf = (key: string, now: number): Entry | null => {
    const entry = known.get(key) ?? entryOfHashed(key);
    return entry === null || now >= entry.notAfterAt ? null : entry;
  };
  const entryOfHashed = (key: string): Entry | null => {
    const name = nameOfSecret(key);
    // A wrong key costs the same whatever number of clients there is. How long the look takes may tell of a digest, never of
    // a key: nobody can write a key for a digest. What was found is compared whole, in constant time.
    const entry = entries.get(name);
    if (entry === undefined || !timingSafeEqual(Buffer.from(name), entry.bytes)) return null;
    known.set(apart(key), entry);
    return entry;
  };
  return Object.freeze({
    clients: table,
    anonymous: options.allowAnonymous ? ANONYMOUS : null,
    find: (key: string, now: number): Client | null => entryOf(key, now)?.client ?? null,
    readerWith: (key: string, now: number): Reader | null => entryOf(key, now)?.reader ?? null,
  });
}

/** Reads the clients file anew and joins it with what the environment gave. Each problem is about CLIENTS_FILE. */
export function loadRegistry(sources: RegistrySources, readFile: ReadFile): RegistryRead {
  const { clientKeys, clientsFile, allowAnonymous } = sources;
  if (clientsFile === undefined) return { kind: 'registry', registry: clientRegistry(clientKeys, { allowAnonymous }) };
  let text: string;
  try {
    text = readFile(clientsFile);
  } catch (error) {
    return {
      kind: 'problems',
      problems: [`cannot be read (${errorCode(error)}); it names a file, such as /etc/backscroll/clients.json`],
    };
  }
  const read = parseClientsFile(text);
  if (read.kind === 'problems') return read;
  const problems = repeats(clientKeys, read.clients);
  if (problems.length > 0) return { kind: 'problems', problems };
  return { kind: 'registry', registry: clientRegistry([...clientKeys, ...read.clients], { allowAnonymous }) };
}

/** The system's word for why a file could not be read. Its whole message would show the path, which may be a misplaced secret. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown reason';
}

function repeats(clientKeys: readonly Client[], fileClients: readonly Client[]): string[] {
  return [
    ...collisions([
      ...clientKeys.map(({ name }) => ({ value: name, where: 'a name in CLIENT_KEYS' })),
      ...fileClients.map(({ name }) => ({ value: name, where: `the name of client ${name}` })),
    ]),
    ...collisions([
      ...clientKeys.flatMap((client) => keyClaims(client, 'a key in CLIENT_KEYS')),
      ...fileClients.flatMap((client) => keyClaims(client, `a key of client ${client.name}`)),
    ]),
  ];
}

function keyClaims(client: Client, where: string): Claim[] {
  return client.keys.map(({ digest }) => ({ value: Buffer.from(digest).toString('hex'), where }));
}
