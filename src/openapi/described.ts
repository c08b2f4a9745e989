// What the parts of the document are made of: parameters, headers, answers.

import { Type, type TSchema } from 'typebox';

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  readonly description: string;
  readonly schema: TSchema;
  readonly example?: unknown;
}

export const Id = Type.Integer({ minimum: 1 });
export const Text = Type.String();
/** What is below asks the same, and there are no ids beyond. */
const Cursor = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

interface Header {
  readonly description: string;
  readonly example: string | number;
}

const HEADERS = {
  etag: { description: 'Strong, of the exact body', example: '"dPcTmMS9XCFHdUY5fyuKbg"' },
  age: { description: 'Seconds since the oldest part of the answer was asked of Chatwoot', example: 12 },
  'cache-status': { description: 'What the cache did (RFC 9211)', example: 'backscroll; hit; ttl=48' },
  'cache-control': { description: '`private, no-cache` for pages; for errors `no-store`', example: 'private, no-cache' },
  vary: { description: 'What answers depend on', example: 'accept-encoding' },
  'content-encoding': { description: '`br` or `gzip` where the page is compressed', example: 'br' },
  'x-request-id': { description: 'The id of this request, also in the log', example: '0d5f8a0e-5c2f-4a6e-9a43-0f3d4d1c1b7a' },
  'x-ratelimit-limit': { description: "The client's limit", example: 3000 },
  'x-ratelimit-remaining': { description: 'What is left of it', example: 2999 },
  'x-ratelimit-reset': { description: 'Seconds until it starts anew', example: 60 },
  'retry-after': { description: 'Seconds after which to come again, on errors that pass', example: 5 },
  'www-authenticate': { description: 'How to authenticate', example: 'Bearer realm="backscroll"' },
  'access-control-allow-origin': { description: 'The origin that may read this', example: 'https://app.example.com' },
  'access-control-expose-headers': { description: 'What its scripts may read', example: 'etag, age, cache-status' },
} as const satisfies Readonly<Record<string, Header>>;

export type HeaderName = keyof typeof HEADERS;

export const OF_LIMIT = ['x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset'] as const;

export function headers(...names: readonly HeaderName[]): object {
  return Object.fromEntries(
    names.map((name) => {
      const { description, example } = HEADERS[name];
      return [name, { description, schema: { type: typeof example === 'number' ? 'integer' : 'string' }, example }];
    }),
  );
}

export function answer(description: string, type: string, schema: object, more: readonly HeaderName[] = []): object {
  return {
    description,
    headers: headers('x-request-id', 'cache-control', 'vary', ...more),
    content: { [type]: { schema } },
  };
}

export function json(description: string, schema: object, more: readonly HeaderName[] = []): object {
  return answer(description, 'application/json', schema, more);
}

export function inPath(name: string, description: string, schema: TSchema = Id, example: unknown = 1): Parameter {
  return { name, in: 'path', required: true, description, schema, example };
}

export function inQuery(name: string, description: string, schema: TSchema, example?: unknown): Parameter {
  return { name, in: 'query', description, schema, ...(example === undefined ? {} : { example }) };
}

export function inHeader(name: string, description: string, example?: string): Parameter {
  return { name, in: 'header', description, schema: Text, ...(example === undefined ? {} : { example }) };
}

/** What a page is asked for by. */
export const CURSORS = [
  inQuery('before', 'The newest 20 messages with ids below this; with `after`, where the range ends', Cursor, 1363),
  inQuery('after', 'The oldest 100 messages with ids above this; with `before`, where the range of at most 1,000 begins', Cursor),
  inQuery('filter_internal_messages', 'Without private notes and activities as soon as it is not blank, `false` included', Text),
];
