// What a query string asks. Where Backscroll accepts it, it asks the same as Chatwoot's own parser finds in it.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BackscrollError } from '../../src/errors.ts';
import { parseQuery } from '../../src/http/parse-query.ts';
import type { Query } from '../../src/timeline/query.ts';
import { queryKey } from '../../src/timeline/query.ts';
import type { TimestampQuery } from '../../src/upstream/upstream.ts';
import type { FinderParams } from '../support/fake-chatwoot/finder.ts';
import { finderParams, parseQuery as railsQuery } from '../support/fake-chatwoot/rails-params.ts';
import { BadRequest } from '../support/fake-chatwoot/ruby-string.ts';

const LATEST = { mode: 'latest', publicOnly: false } as const;

test.each<[string, Query | TimestampQuery]>([
  ['', LATEST],
  ['before=5', { mode: 'before', before: 5, publicOnly: false }],
  ['after=5', { mode: 'after', after: 5, publicOnly: false }],
  ['after=5&before=9', { mode: 'between', after: 5, before: 9, publicOnly: false }],
  ['before=9&after=5', { mode: 'between', after: 5, before: 9, publicOnly: false }],
  // Blank counts as absent.
  ['before=', LATEST],
  ['before', LATEST],
  ['before=%20', LATEST],
  ['before=%09&after=+', LATEST],
  ['before=%C2%A0', LATEST],
  ['before=%E3%80%80%C2%85', LATEST],
  ['after=5&before=', { mode: 'after', after: 5, publicOnly: false }],
  ['after=&before=5', { mode: 'before', before: 5, publicOnly: false }],
  // A sign, zeros and white space around the digits.
  ['before=%2B5', { mode: 'before', before: 5, publicOnly: false }],
  ['before=+5', { mode: 'before', before: 5, publicOnly: false }],
  ['before=0005', { mode: 'before', before: 5, publicOnly: false }],
  ['before=%095%20', { mode: 'before', before: 5, publicOnly: false }],
  ['before=-1', { mode: 'before', before: 0, publicOnly: false }],
  ['before=-0', { mode: 'before', before: 0, publicOnly: false }],
  ['before=150&after=-50', { mode: 'between', after: 0, before: 150, publicOnly: false }],
  ['before=999999999999999999', { mode: 'before', before: Number.MAX_SAFE_INTEGER, publicOnly: false }],
  // Of repeated ones the last counts.
  ['before=1&before=5', { mode: 'before', before: 5, publicOnly: false }],
  ['before=1&before=', LATEST],
  ['before=abc&before=5', { mode: 'before', before: 5, publicOnly: false }],
  // Encoded names, empty pairs, unknown parameters, another case.
  ['be%66ore=%35', { mode: 'before', before: 5, publicOnly: false }],
  ['&&before=5&&', { mode: 'before', before: 5, publicOnly: false }],
  ['=1&before=5', { mode: 'before', before: 5, publicOnly: false }],
  ['page=2&per_page=20&locale=fr&Before=9&limit=1', LATEST],
  ['api_access_token=x&access-token=y&client=z&uid=u', LATEST],
  ['%20before=5', LATEST],
  ['before%20=5', LATEST],
  // The filter is on as soon as it is not blank.
  ['filter_internal_messages=true', { mode: 'latest', publicOnly: true }],
  ['filter_internal_messages=false', { mode: 'latest', publicOnly: true }],
  ['filter_internal_messages=0', { mode: 'latest', publicOnly: true }],
  ['filter_internal_messages[]=', { mode: 'latest', publicOnly: true }],
  ['filter_internal_messages', LATEST],
  ['filter_internal_messages=', LATEST],
  ['filter_internal_messages=%20', LATEST],
  ['filter_internal_messages=%C2%85', LATEST],
  ['filter_internal_messages=%EF%BB%BF', { mode: 'latest', publicOnly: true }],
  ['filter_internal_messages=1&filter_internal_messages=', LATEST],
  // Newer versions look at the timestamp only where there is no cursor.
  ['before_timestamp=1700000000', { mode: 'before_timestamp', beforeTimestamp: 1_700_000_000, publicOnly: false }],
  ['before_timestamp=7&filter_internal_messages=1', { mode: 'before_timestamp', beforeTimestamp: 7, publicOnly: true }],
  ['before_timestamp=7&before=5', { mode: 'before', before: 5, publicOnly: false }],
  ['before_timestamp=&before=', LATEST],
])('%j asks %j', (search, query) => {
  expect(parseQuery(search)).toEqual(query);
});

test.each([
  ['before=abc', 'before'],
  ['before=12abc', 'before'],
  ['before=5.0', 'before'],
  ['before=1e3', 'before'],
  ['before=1_00', 'before'],
  ['before=0x10', 'before'],
  ['before=--1', 'before'],
  ['before=%2B', 'before'],
  ['before=+%205+6', 'before'],
  ['before=null', 'before'],
  ['before=%00', 'before'],
  ['before=%EF%BC%91', 'before'],
  ['before=%C2%A05', 'before'],
  ['before=5%C2%A0', 'before'],
  ['before=%EF%BB%BF', 'before'],
  ['before=%EF%BB%BF5', 'before'],
  ['before=5;after=1', 'before'],
  ['before=1000000000000000000', 'before'],
  ['before=-1000000000000000000', 'before'],
  ['before=0000000000000000005', 'before'],
  ['after=x&before=5', 'after'],
  ['before[]=1', 'before'],
  ['before[a]=1', 'before'],
  ['before[a', 'before'],
  ['after%5B%5D=1', 'after'],
  ['before[]=', 'before'],
  ['before_timestamp=soon', 'before_timestamp'],
  ['before_timestamp[]=1', 'before_timestamp'],
  ['before=%', 'query'],
  ['x=%zz', 'query'],
  ['%FF=1', 'query'],
  ['x=%C3%28', 'query'],
  [`x=${'y'.repeat(10_239)}`, 'query'],
])('%j is refused, naming %s', (search, name) => {
  const error = refusal(search);
  expect(error).toMatchObject({ code: 'invalid_parameter', status: 400 });
  expect(error?.message).toMatch(new RegExp(`^Parameter ${name} `));
});

test('the longest query string that Chatwoot takes is taken', () => {
  expect(parseQuery(`x=${'y'.repeat(10_238)}`)).toEqual(LATEST);
});

describe('laws', () => {
  const runs = { numRuns: 3000 };

  test('no string whatever throws anything but invalid_parameter, and every query is canonical', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), anySearch()), (search) => {
        const query = parsed(search);
        if (query !== null) expectCanonical(query);
      }),
      runs,
    );
  });

  test('what is refused is never shown in the sentence', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z]{8}$/), (word) => {
        expect(refusal(`before=${word}`)?.message).not.toContain(word);
      }),
    );
  });

  test('unknown parameters change nothing, wherever they stand', () => {
    const unknown = fc
      .tuple(fc.stringMatching(/^[a-zA-Z_]{1,12}$/), fc.stringMatching(/^[a-z0-9 ]{0,8}$/))
      .filter(([name]) => !/^(?:after|before|before_timestamp|filter_internal_messages)$/.test(name))
      .map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
    fc.assert(
      fc.property(
        fc.array(knownPair(), { maxLength: 5 }),
        fc.array(unknown, { maxLength: 5 }),
        fc.infiniteStream(fc.boolean()),
        (pairs, others, coin) => {
          const left = [...others];
          const mixed = pairs.flatMap((pair) => (coin.next().value === true && left.length > 0 ? [left.pop()!, pair] : [pair]));
          expect(parsed([...mixed, ...left].join('&'))).toEqual(parsed(pairs.join('&')));
        },
      ),
      runs,
    );
  });

  test('what is accepted asks what Chatwoot finds in it', () => {
    fc.assert(
      fc.property(anySearch(), (search) => {
        const query = parsed(search);
        const chatwoots = askedOfChatwoot(search);
        if (query === null || chatwoots === 'refused' || query.mode === 'before_timestamp') return;
        expect(query).toEqual(fromFinder(chatwoots));
      }),
      { numRuns: 20_000 },
    );
  });

  test('equal queries have one key, others have different ones', () => {
    fc.assert(
      fc.property(anySearch(), anySearch(), (a, b) => {
        const [first, second] = [parsed(a), parsed(b)];
        if (first === null || second === null || first.mode === 'before_timestamp' || second.mode === 'before_timestamp') return;
        expect(queryKey(first) === queryKey(second)).toBe(JSON.stringify(first) === JSON.stringify(second));
      }),
      runs,
    );
  });
});

function parsed(search: string): Query | TimestampQuery | null {
  try {
    return parseQuery(search);
  } catch (error) {
    if (!(error instanceof BackscrollError)) throw error;
    expect(error.code).toBe('invalid_parameter');
    return null;
  }
}

function refusal(search: string): BackscrollError | undefined {
  try {
    parseQuery(search);
  } catch (error) {
    if (error instanceof BackscrollError) return error;
    throw error;
  }
  return undefined;
}

function expectCanonical(query: Query | TimestampQuery): void {
  const { mode: _mode, publicOnly: _publicOnly, ...cursors } = query;
  for (const cursor of Object.values(cursors)) {
    expect(Number.isSafeInteger(cursor) && cursor >= 0 && !Object.is(cursor, -0), JSON.stringify(query)).toBe(true);
  }
}

function askedOfChatwoot(search: string): FinderParams | 'refused' {
  try {
    return finderParams(railsQuery(search)) ?? 'refused';
  } catch (error) {
    if (error instanceof BadRequest) return 'refused';
    throw error;
  }
}

/** The finder's parameters as a query, with cursors below and beyond all ids drawn to the nearest one within. */
function fromFinder({ after, before, publicOnly = false }: FinderParams): Query {
  const within = (cursor: number): number => Math.min(Math.max(cursor, 0), Number.MAX_SAFE_INTEGER);
  if (after !== undefined && before !== undefined) {
    return { mode: 'between', after: within(after), before: within(before), publicOnly };
  }
  if (before !== undefined) return { mode: 'before', before: within(before), publicOnly };
  return after === undefined ? { mode: 'latest', publicOnly } : { mode: 'after', after: within(after), publicOnly };
}

function knownPair(): fc.Arbitrary<string> {
  const name = fc.constantFrom(
    'before',
    'after',
    'filter_internal_messages',
    'before_timestamp',
    'be%66ore',
    'after[]',
    'filter_internal_messages[x]',
  );
  const space = fc.constantFrom('', ' ', '+', '%20', '%09', '%0B', '%C2%A0', '%EF%BB%BF', '%C2%85', '%E1%A0%8E', '%00', '\u00a0');
  const sign = fc.constantFrom('', '-', '%2B', '+', '%2B-');
  const digits = fc.oneof(
    fc.nat({ max: 200 }).map(String),
    fc.stringMatching(/^\d{0,19}$/),
    fc.constantFrom('', '1_0', '5a', '0d5', '٣', '1e3'),
  );
  const value = fc.tuple(space, sign, digits, space).map((parts) => parts.join(''));
  return fc
    .tuple(name, fc.constantFrom('=', '=', '=', ''), value)
    .map(([key, equals, text]) => `${key}${equals}${equals && text}`);
}

function anySearch(): fc.Arbitrary<string> {
  const junk = fc.constantFrom(
    '',
    'x=1',
    '[before]=5',
    'before]=5',
    '[]before=5',
    'before=1=2',
    '%',
    'page[]=2',
    'x[y]=%FF',
    '?before=7',
    '#',
    '=5',
    'Before=3',
  );
  return fc
    .array(fc.oneof({ weight: 4, arbitrary: knownPair() }, { weight: 1, arbitrary: junk }), { maxLength: 5 })
    .map((pairs) => pairs.join('&'));
}
