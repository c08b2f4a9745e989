// From a raw query string to the question it asks.
//
// Rules of design section 9: a blank cursor is absent, a sign is allowed, of repeated ones the last counts, what is not a
// whole number is refused and not guessed at (Chatwoot would take "12abc" for 12 and "abc" for 0, contract 1.2). Unknown
// parameters are dropped, so they never split the cache and are never forwarded.

import { invalidParameter } from '../errors.ts';
import type { Query } from '../timeline/query.ts';
import type { TimestampQuery } from '../upstream/upstream.ts';

/** Puma refuses longer ones (contract 1.2). */
const QUERY_STRING_BYTES_MAX = 10_240;

const CURSORS = ['after', 'before', 'before_timestamp'] as const;
const FILTER = 'filter_internal_messages';

/**
 * Parses what follows the `?` of a request target.
 * @throws BackscrollError `invalid_parameter`, naming it.
 */
export function parseQuery(queryString: string): Query | TimestampQuery {
  const parameters = readParameters(queryString);
  const publicOnly = parameters.filter;
  const after = cursor('after', parameters.after);
  const before = cursor('before', parameters.before);
  if (after !== null && before !== null) return { mode: 'between', after, before, publicOnly };
  if (before !== null) return { mode: 'before', before, publicOnly };
  if (after !== null) return { mode: 'after', after, publicOnly };
  const beforeTimestamp = cursor('before_timestamp', parameters.before_timestamp);
  if (beforeTimestamp !== null) return { mode: 'before_timestamp', beforeTimestamp, publicOnly };
  return { mode: 'latest', publicOnly };
}

type Parameters = { [name in (typeof CURSORS)[number]]: string } & { filter: boolean };

function readParameters(queryString: string): Parameters {
  if (queryString.length > QUERY_STRING_BYTES_MAX) {
    throw invalidParameter('query', `string is longer than ${QUERY_STRING_BYTES_MAX} bytes`);
  }
  const parameters: Parameters = { after: '', before: '', before_timestamp: '', filter: false };
  for (const pair of queryString.split('&')) {
    const equals = pair.indexOf('=');
    const name = decode(equals < 0 ? pair : pair.slice(0, equals));
    const value = decode(equals < 0 ? '' : pair.slice(equals + 1));
    // Ruby's `x[]=` and `x[a]=` make a list or a hash, which counts as present even where its value is blank.
    const base = name.replace(/\[.*$/s, '');
    if (base === FILTER) parameters.filter = name !== base || !isBlank(value);
    const known = CURSORS.find((cursorName) => cursorName === base);
    if (known === undefined) continue;
    if (name !== base) throw invalidParameter(known, 'must be a single number, not a list');
    parameters[known] = value;
  }
  return parameters;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw invalidParameter('query', 'string is not valid percent-encoded UTF-8');
  }
}

/** ActiveSupport's `blank?`: Unicode's white space, which is not quite that of `trim` (no byte order mark, but U+0085). */
function isBlank(value: string): boolean {
  return /^\p{White_Space}*$/u.test(value);
}

/**
 * A cursor as an id from 0 to `Number.MAX_SAFE_INTEGER`, or null for a blank one. Ids begin at 1 and fit in 53 bits, so every
 * cursor below or beyond those asks the same as the nearest one within: a caller cannot mint endless different questions.
 */
function cursor(name: string, value: string): number | null {
  if (isBlank(value)) return null;
  const text = value.replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, ''); // Ruby's `to_i` skips no other white space.
  if (!/^[+-]?\d+$/.test(text)) throw invalidParameter(name, 'must be a whole number');
  if (text.replace(/^[+-]/, '').length > 18) throw invalidParameter(name, 'has more than 18 digits');
  return Math.min(Math.max(Number(text), 0), Number.MAX_SAFE_INTEGER);
}
