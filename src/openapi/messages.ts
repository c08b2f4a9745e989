// The messages route: Chatwoot's own, with what is added to it.

import { Type } from 'typebox';
import type { ErrorCode } from '../errors.ts';
import { CODES, errors, type ErrorCase } from './errors.ts';
import { CURSORS, headers, Id, inHeader, inPath, inQuery, OF_LIMIT, Text, type HeaderName } from './described.ts';

export interface MessagesOptions {
  /** Whether callers may bring a Chatwoot token of their own. */
  readonly passesThrough: boolean;
  /** Whether they may bring nothing. */
  readonly isOpen: boolean;
  /** Whether pages of other sites may read. */
  readonly hasOrigins: boolean;
}

const Message = Type.Object(
  {
    id: Id,
    content: Type.Optional(Type.Union([Text, Type.Null()])),
    message_type: Type.Integer({ description: '0 incoming, 1 outgoing, 2 activity, 3 template' }),
    private: Type.Boolean({ description: 'A note among agents' }),
    created_at: Type.Integer({ description: 'Unix seconds' }),
  },
  { description: 'With every member that Chatwoot sends; in the view `customer`, with an allow-list of them' },
);

export const PageSchema = Type.Object(
  {
    meta: Type.Object({}, { description: 'Of the conversation: contact, assignee, labels, as Chatwoot has them' }),
    payload: Type.Array(Message, { description: 'Oldest first' }),
  },
  { description: "A page, byte for byte Chatwoot's" },
);

const PAGE = {
  meta: { labels: [], contact: { id: 5, name: 'Pat Quill', type: 'contact' } },
  payload: [
    { id: 1361, content: 'Could you check order 4711 again?', message_type: 0, private: false, created_at: 1795612140 },
    { id: 1362, content: 'Let me look into that for you.', message_type: 1, private: false, created_at: 1795612201 },
  ],
};

export const OwnRefusalSchema = Type.Unknown({
  description: "Chatwoot's own words to a token of the caller's own, as they are; or those of what stands before it",
});

const OF_PAGES: readonly HeaderName[] = ['etag', 'age', 'cache-status', 'cache-control', 'vary', 'x-request-id', ...OF_LIMIT];
const OF_ORIGINS: readonly HeaderName[] = ['access-control-allow-origin', 'access-control-expose-headers'];

/** What other routes answer. */
const OF_OTHERS: ReadonlySet<ErrorCode> = new Set(['not_served', 'webhook_refused', 'shared_level_unreachable']);
const MALFORMED: readonly ErrorCase[] = [
  { code: 'invalid_parameter', status: 408, sentence: 'The request did not come in time' },
  { code: 'invalid_parameter', status: 417, sentence: 'No expectation but 100-continue is met' },
  { code: 'invalid_parameter', status: 431, sentence: 'The request headers have more than 32768 bytes; send fewer of them' },
];

const PARAMETERS = [
  inPath('account_id', 'The account'),
  inPath('conversation_id', "The conversation's display id"),
  ...CURSORS,
  inQuery('before_timestamp', 'Forwarded and not cached; unix seconds', Type.Integer({ minimum: 0 })),
  inHeader('if-none-match', 'ETags that are at hand: answered with 304 where one is still right', '"dPcTmMS9XCFHdUY5fyuKbg"'),
  inHeader('cache-control', '`no-cache`, `no-store` and `max-age=0` ask for an answer as of now', 'no-cache'),
  inHeader('accept-encoding', '`br` and `gzip`, by weight', 'br, gzip'),
  inHeader('x-request-id', 'Taken over where it is 1 to 128 letters, digits, `_` and `-`'),
  inHeader('traceparent', 'W3C Trace Context: goes to Chatwoot and into the log'),
];

export function messages({ passesThrough, isOpen, hasOrigins }: MessagesOptions): object {
  const own = { $ref: '#/components/schemas/OwnRefusal' };
  const refusals = errors(
    [...CODES.filter((code) => !OF_OTHERS.has(code)), ...MALFORMED],
    new Map(passesThrough ? [401, 403, 404].map((status) => [status, own]) : []),
  );
  const responses = {
    200: {
      description: 'The page',
      headers: headers(...OF_PAGES, 'content-encoding'),
      content: { 'application/json': { schema: { $ref: '#/components/schemas/Page' }, example: PAGE } },
    },
    304: { description: 'The caller has it', headers: headers(...OF_PAGES) },
    ...refusals,
  };
  const operation = {
    summary: 'Messages of a conversation',
    description:
      "Chatwoot's own route, at the same path and with the same answers. Without a cursor, the newest 20. HEAD is served too.",
    security: [{ key: [] }, { bearer: [] }, ...(isOpen ? [{}] : [])],
    parameters: PARAMETERS,
    responses: hasOrigins ? withHeaders(responses, OF_ORIGINS) : responses,
  };
  return { get: operation };
}

function withHeaders(responses: Readonly<Record<string, object>>, names: readonly HeaderName[]): object {
  return Object.fromEntries(
    Object.entries(responses).map(([status, response]) => [
      status,
      { ...response, headers: { ...Reflect.get(response, 'headers'), ...headers(...names) } },
    ]),
  );
}
