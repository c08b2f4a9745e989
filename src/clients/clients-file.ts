// CLIENTS_FILE: who may read what, as JSON. One schema says what is accepted and, in its descriptions, what is told about the rest.
// Problems name places by JSON pointer and never show a value: a key pasted into the wrong place must not reach a log.

import { Type, type Static } from 'typebox';
import { Settings } from 'typebox/system';
import { Pointer, Value } from 'typebox/value';
import { CLIENT_NAME, type Client, type ClientsRead } from './client.ts';
import { collisions, RESERVED_NAME } from './collisions.ts';
import { parseInstant } from './instant.ts';
import { digestFromHex, HEX_DIGEST, KEY_LENGTH_MIN } from './key.ts';
import { parseDuration, parseRate } from '../rate.ts';

const CLIENTS_MAX = 1000;
const KEYS_MAX = 16;
const ACCOUNTS_MAX = 1000;
const CONVERSATIONS_MAX = 10_000;
const TAIL_MAX_AGE_MS_MAX = 7 * 24 * 60 * 60 * 1_000;
/** More problems than anyone reads at once, and an end for a file that is wrong throughout. */
const PROBLEMS_MAX = 1000;

const strict = { additionalProperties: false };
const id = (what: string) =>
  Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: `must be ${what}, a whole number from 1 up` });

const ClientKeySchema = Type.Object(
  {
    sha256: Type.String({
      pattern: HEX_DIGEST.source,
      description: 'must be the SHA-256 of the key as 64 lower-case hexadecimal digits',
    }),
    notAfter: Type.Optional(
      Type.Refine(
        Type.String({ description: 'must be a date, such as "2027-01-31" (all of that day, UTC) or "2027-01-31T12:00:00Z"' }),
        (text) => parseInstant(text) !== null,
      ),
    ),
  },
  { ...strict, description: 'must be an object such as {"sha256":"…"}' },
);

const AccountScopeSchema = Type.Object(
  {
    account: id('an account id'),
    conversations: Type.Union(
      [Type.Literal('*'), Type.Array(id('a conversation id'), { minItems: 1, maxItems: CONVERSATIONS_MAX })],
      { description: `must be "*" or a list of 1 to ${CONVERSATIONS_MAX} conversation ids, such as [7,12]` },
    ),
  },
  { ...strict, description: 'must be an object such as {"account":1,"conversations":"*"}' },
);

const ClientSchema = Type.Object(
  {
    name: Type.String({ pattern: CLIENT_NAME.source, description: 'must be 1 to 64 letters, digits, ".", "_" or "-"' }),
    keys: Type.Array(ClientKeySchema, {
      minItems: 1,
      maxItems: KEYS_MAX,
      description: `must be a list of 1 to ${KEYS_MAX} keys, such as [{"sha256":"…"}]`,
    }),
    scope: Type.Union([Type.Literal('*'), Type.Array(AccountScopeSchema, { minItems: 1, maxItems: ACCOUNTS_MAX })], {
      description: `must be "*" or a list of 1 to ${ACCOUNTS_MAX} accounts, such as [{"account":1,"conversations":"*"}]`,
    }),
    view: Type.Optional(
      Type.Union([Type.Literal('agent'), Type.Literal('customer')], { description: 'must be "agent" or "customer"' }),
    ),
    mayBypass: Type.Optional(Type.Boolean({ description: 'must be true or false' })),
    rateLimit: Type.Optional(
      Type.Refine(
        Type.String({ description: 'must be a count of 1 to 1000000 in 1s to 1d, such as "600/1m"' }),
        (text) => parseRate(text) !== null,
      ),
    ),
    tailMaxAge: Type.Optional(
      Type.Refine(
        Type.String({ description: 'must be a duration with its unit, at most 7d, such as "1s"' }),
        (text) => (parseDuration(text) ?? Infinity) <= TAIL_MAX_AGE_MS_MAX,
      ),
    ),
  },
  { ...strict, description: 'must be an object such as {"name":"crm","keys":[{"sha256":"…"}],"scope":"*"}' },
);

const ClientsFileSchema = Type.Object(
  {
    clients: Type.Array(ClientSchema, {
      minItems: 1,
      maxItems: CLIENTS_MAX,
      description: `must be a list of 1 to ${CLIENTS_MAX} clients`,
    }),
  },
  { ...strict, description: 'must be an object such as {"clients":[…]}' },
);

const Described = Type.Object({ description: Type.String() });

type ClientEntry = Static<typeof ClientSchema>;

/** Reads the text of a clients file, or says everything that is wrong with it. */
export function parseClientsFile(text: string): ClientsRead {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // The parser's own message quotes the text around the fault.
    return { kind: 'problems', problems: ['is not JSON, such as {"clients":[…]}'] };
  }
  const problems = [...schemaProblems(json), ...repeats(json)];
  if (problems.length > 0 || !Value.Check(ClientsFileSchema, json)) return { kind: 'problems', problems };
  return { kind: 'clients', clients: json.clients.map(clientOf) };
}

function clientOf(entry: ClientEntry): Client {
  const rateLimit = entry.rateLimit === undefined ? null : parseRate(entry.rateLimit);
  const tailMaxAgeMs = entry.tailMaxAge === undefined ? null : parseDuration(entry.tailMaxAge);
  return {
    name: entry.name,
    keys: entry.keys.map(({ sha256, notAfter }) => {
      const notAfterAt = notAfter === undefined ? null : parseInstant(notAfter);
      return { digest: digestFromHex(sha256), ...(notAfterAt === null ? {} : { notAfterAt }) };
    }),
    scope: entry.scope,
    view: entry.view ?? 'agent',
    mayBypass: entry.mayBypass ?? false,
    ...(rateLimit === null ? {} : { rateLimit }),
    ...(tailMaxAgeMs === null ? {} : { tailMaxAgeMs }),
  };
}

/** Names and hashes that stand twice, among the entries that are sound in themselves. */
function repeats(json: unknown): string[] {
  const entries = (Value.Check(Type.Object({ clients: Type.Array(Type.Unknown()) }), json) ? json.clients : [])
    .map((entry, index) => ({ entry, path: `/clients/${index}` }))
    .filter((place): place is { entry: ClientEntry; path: string } => Value.Check(ClientSchema, place.entry));
  const names = entries.map(({ entry, path }) => ({ value: entry.name, where: `${path}/name` }));
  const hashes = entries.flatMap(({ entry, path }) =>
    entry.keys.map(({ sha256 }, index) => ({ value: sha256, where: `${path}/keys/${index}/sha256` })),
  );
  return [...collisions([RESERVED_NAME, ...names]), ...collisions(hashes)];
}

/** One problem for each place that the schema refuses. */
function schemaProblems(json: unknown): string[] {
  const errors = allErrors(json);
  const problems = errors.flatMap((error) => {
    const { keyword, instancePath: path, schemaPath } = error;
    // A branch of a union is reported with its union, an unknown key at its own path.
    if (/\/anyOf\/\d+$/.test(schemaPath) || keyword === 'additionalProperties') return [];
    if (keyword === 'boolean') return [unknownKey(path)];
    if (keyword === 'required') {
      return error.params.requiredProperties.map((name) => `${path}/${name} is missing`);
    }
    // Where a list was meant and something in it is wrong, that is said at its own place.
    if (keyword === 'anyOf' && errors.some(({ instancePath }) => instancePath.startsWith(`${path}/`))) return [];
    return [`${path === '' ? 'the file' : path} ${descriptionAt(schemaPath)}`];
  });
  return [...new Set(problems)];
}

function allErrors(json: unknown) {
  // The library stops at 8 errors by a setting of the whole process, so it is put back before anything else can run.
  const { maxErrors } = Settings.Get();
  Settings.Set({ maxErrors: PROBLEMS_MAX });
  try {
    return Value.Errors(ClientsFileSchema, json);
  } finally {
    Settings.Set({ maxErrors });
  }
}

/** Shows the unknown key where it is too short to be a client's key in the wrong place. */
function unknownKey(path: string): string {
  const cut = path.lastIndexOf('/');
  if (path.length - cut - 1 < KEY_LENGTH_MIN) return `${path} is not a known key`;
  return `${path.slice(0, cut) || 'the file'} has an unknown key`;
}

/** What the part of the schema that a `#/…` pointer names says of itself. */
function descriptionAt(schemaPath: string): string {
  const part = Pointer.Get(ClientsFileSchema, schemaPath.slice(1));
  return Value.Check(Described, part) ? part.description : 'is wrong';
}
