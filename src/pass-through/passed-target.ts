// Where a request goes: its path by rules that leave nothing to be read in two ways, then as text behind Chatwoot's own address.
// Whoever reads it after this, a proxy or Chatwoot, must find the same path in it.

import { BackscrollError, invalidParameter } from '../errors.ts';
import { notServed } from '../http/messages-route.ts';
import { splitTarget } from '../http/target.ts';
import { KEY_PREFIX } from '../clients/key.ts';
import { isCredentialName, isSessionName } from './passed-headers.ts';

export interface PassedTarget {
  /** With doubled slashes made one. */
  readonly path: string;
  /** Path and query, as they are sent. */
  readonly target: string;
}

/** What is passed: all of both versions, and the one question that needs no token. */
const PASSED = /^\/api(?:\/?|\/v[12]\/.+)$/;

/** Characters that some reader takes for another one, or for the end of something, as they are and encoded. */
const AMBIGUOUS = /[^!-~]|[\\;#]|%(?![\da-f]{2})|%(?:2e|2f|5c|00|25)/i;
const DOT_SEGMENT = /\/\.{1,2}(?:\/|$)/;

/**
 * @param text the request target as it came.
 * @throws BackscrollError `invalid_parameter`, `not_served`
 */
export function passedTarget(text: string): PassedTarget {
  const { path: spelt, search } = splitTarget(text);
  const path = spelt.replaceAll(/\/{2,}/g, '/');
  if (AMBIGUOUS.test(path) || DOT_SEGMENT.test(path)) {
    throw new BackscrollError(
      'invalid_parameter',
      'The path has a character or a part that may be read in two ways: a backslash, ";", ".", "..", or one of ". / \\ %" encoded',
    );
  }
  if (!PASSED.test(path)) throw notServed(path);
  checkQuery(search);
  return { path, target: search === '' ? path : `${path}?${search}` };
}

/** Credentials in a query speak for another user than the token does (contract 2.1), or end up in logs. @throws BackscrollError */
function checkQuery(search: string): void {
  if (/[^!-~]|#/.test(search)) throw new BackscrollError('invalid_parameter', 'The query has characters that must be encoded');
  if (decoded(search).includes(KEY_PREFIX)) {
    throw new BackscrollError('invalid_parameter', 'A key does not belong into a query: send it as api_access_token');
  }
  for (const pair of search.split(/[&;]/)) {
    // As Rack reads names: in parts between brackets.
    const name = /[^\s[\]]+/.exec(decoded(pair.split('=', 1)[0]!))?.[0] ?? '';
    if (isSessionName(name) || isCredentialName(name)) {
      throw invalidParameter(name.slice(0, 30), 'is a credential: of those, only the api_access_token header is taken');
    }
  }
}

/** Percent-decoded as far as it can be. */
function decoded(text: string): string {
  return text
    .replaceAll('+', ' ')
    .replaceAll(/%([\da-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
