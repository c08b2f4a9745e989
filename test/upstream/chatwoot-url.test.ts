import { describe, expect, it } from 'vitest';
import type { Query } from '../../src/timeline/query.ts';
import { messagesTarget, pathPrefix } from '../../src/upstream/chatwoot-url.ts';
import type { TimestampQuery } from '../../src/upstream/upstream.ts';

const conversation = { accountId: 1, conversationId: 2 };
const path = '/api/v1/accounts/1/conversations/2/messages';

const targets: [Query | TimestampQuery, string][] = [
  [{ mode: 'latest', publicOnly: false }, path],
  [{ mode: 'latest', publicOnly: true }, `${path}?filter_internal_messages=true`],
  [{ mode: 'before', before: 5, publicOnly: true }, `${path}?before=5&filter_internal_messages=true`],
  [{ mode: 'after', after: 0, publicOnly: false }, `${path}?after=0`],
  [{ mode: 'between', after: 3, before: 9007199254740991, publicOnly: false }, `${path}?after=3&before=9007199254740991`],
  [{ mode: 'before_timestamp', beforeTimestamp: 1700000000, publicOnly: false }, `${path}?before_timestamp=1700000000`],
];

describe('the target of a read', () => {
  it.each(targets)('of %j is %s', (query, target) => {
    expect(messagesTarget('', conversation, query)).toBe(target);
  });

  it.each([
    ['http://chat.test', ''],
    ['http://chat.test/', ''],
    ['http://chat.test/desk', '/desk'],
    ['http://chat.test/desk/eu//?a=1#b', '/desk/eu'],
  ])('below %s begins with "%s"', (baseUrl, prefix) => {
    expect(messagesTarget(pathPrefix(new URL(baseUrl)), conversation, { mode: 'latest', publicOnly: false })).toBe(prefix + path);
  });

  it.each([Number.NaN, Infinity, 1.5, 1e21, 2 ** 53])('is never written with %d', (number) => {
    expect(() => messagesTarget('', conversation, { mode: 'before', before: number, publicOnly: false })).toThrow(RangeError);
    expect(() => messagesTarget('', { accountId: number, conversationId: 1 }, { mode: 'latest', publicOnly: false })).toThrow(
      RangeError,
    );
  });
});
