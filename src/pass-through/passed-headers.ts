// Which headers pass, in either direction. Names are compared as Rails does, for which `_` and `-` are one (contract 2.1).

import { KEY_PREFIX } from '../clients/key.ts';
import type { OwnToken } from '../upstream/own-token.ts';
import type { HeaderList } from '../http/header-list.ts';

/** Of the connection, and not of the message (RFC 9110 7.6.1); undici and node:http write their own. */
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/** Of Chatwoot's own apps: beside a token they let it act with the rights of another (contract 2.1). */
const SESSION: ReadonlySet<string> = new Set(['access-token', 'client', 'uid', 'expiry', 'token-type']);

const NOT_SENT: ReadonlySet<string> = new Set([
  ...HOP_BY_HOP,
  ...SESSION,
  'host',
  'expect',
  'cookie',
  'cookie2',
  // Who asks, where and when: this server does, and now. Rails and Rack believe what they are told (contract 2.3, trap 54).
  'forwarded',
  'client-ip',
  'x-client-ip',
  'x-real-ip',
  'x-request-start',
  'x-request-id',
  'x-host',
  'x-rewrite-url',
  // Other methods and files than those that were asked for.
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-sendfile-type',
]);
const NOT_SENT_PREFIX = /^(?:x-forwarded|x-original|x-accel)-/;

const NOT_RETURNED: ReadonlySet<string> = new Set([
  ...HOP_BY_HOP,
  ...SESSION,
  'set-cookie',
  'set-cookie2',
  'authorization',
  // This server has said its own.
  'x-request-id',
]);
/** Which pages may read it is said by CORS_ORIGINS alone. */
const NOT_RETURNED_PREFIX = /^access-control-/;

/** The header of this name in any spelling. */
export function isSessionName(name: string): boolean {
  return SESSION.has(normal(name));
}

/** Where a credential is looked for, here or elsewhere: a key of this server may be in it. */
export function isCredentialName(name: string): boolean {
  return /(?:^|-)(?:access-token|auth-token|authorization|api-key)$/.test(normal(name));
}

export interface RequestHeaders {
  /** Node's flat list of names and values. */
  readonly rawHeaders: readonly string[];
  readonly own: OwnToken | null;
  /** Of this exchange, for Chatwoot to give back. */
  readonly questionId: string;
  readonly hasBody: boolean;
}

/** What is sent to Chatwoot. */
export function sentHeaders({ rawHeaders, own, questionId, hasBody }: RequestHeaders): HeaderList {
  const dropped = namedByConnection(rawHeaders);
  const sent: HeaderList = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const [name, value] = [normal(rawHeaders[at]!), rawHeaders[at + 1]!];
    if (NOT_SENT.has(name) || NOT_SENT_PREFIX.test(name) || isCredentialName(name) || dropped.has(name)) continue;
    if (value.includes(KEY_PREFIX) || (name === 'content-length' && !hasBody)) continue;
    sent.push(rawHeaders[at]!, value);
  }
  sent.push('X-Request-Id', questionId);
  // With hyphens: nginx drops names with underscores (contract 2.1).
  if (own !== null) sent.push('Api-Access-Token', own.token);
  return sent;
}

type AnswerHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** What is returned to the caller. */
export function returnedHeaders(headers: AnswerHeaders): Record<string, string | string[]> {
  const connection = headers['connection'] ?? [];
  const dropped = namedByConnection(['connection', Array.isArray(connection) ? connection.join(',') : connection]);
  const returned: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    const isDropped = NOT_RETURNED.has(normal(name)) || NOT_RETURNED_PREFIX.test(normal(name)) || dropped.has(normal(name));
    if (value !== undefined && !isDropped) returned[name] = value;
  }
  return returned;
}

function namedByConnection(rawHeaders: readonly string[]): ReadonlySet<string> {
  const named = new Set<string>();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    if (rawHeaders[at]!.toLowerCase() !== 'connection') continue;
    for (const name of rawHeaders[at + 1]!.split(',')) named.add(normal(name.trim()));
  }
  return named;
}

function normal(name: string): string {
  return name.toLowerCase().replaceAll('_', '-');
}
