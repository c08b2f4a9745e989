// Which paths are served, and which conversation each names.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BackscrollError } from '../../src/errors.ts';
import { matchMessagesPath, parseIds } from '../../src/http/messages-path.ts';
import type { ConversationId } from '../../src/upstream/upstream.ts';
import { route } from '../support/fake-chatwoot/route.ts';
import { BadRequest } from '../support/fake-chatwoot/ruby-string.ts';

test.each([
  ['/api/v1/accounts/1/conversations/2/messages', 1, 2],
  ['/api/v1/accounts/1/conversations/2/messages/', 1, 2],
  ['/api/v1/accounts/1/conversations/2/messages//', 1, 2],
  ['/api/v1/accounts/1/conversations/2/messages.json', 1, 2],
  ['/api/v1/accounts/1/conversations/2/messages.json/', 1, 2],
  ['//api//v1/accounts///1/conversations/2//messages', 1, 2],
  ['/api/v1/accounts/01/conversations/002/messages', 1, 2],
  ['/api/v1/accounts/1/conversations/9007199254740991/messages', 1, Number.MAX_SAFE_INTEGER],
])('%s names %i/%i', (path, accountId, conversationId) => {
  expect(idsOf(path)).toEqual({ accountId, conversationId });
});

test.each([
  ['0'],
  ['-1'],
  ['+1'],
  ['1abc'],
  ['abc'],
  ['1.0'],
  ['1,2'],
  ['%31'],
  ['%201'],
  ['1%2F'],
  ['١'],
  ['9007199254740992'],
  ['1000000000000000000'],
  ['0000000000000000001'],
])('%s is no id: not found, like a conversation that is not there', (segment) => {
  expect(idsOf(`/api/v1/accounts/1/conversations/${segment}/messages`)).toBe('not_found');
  expect(idsOf(`/api/v1/accounts/${segment}/conversations/1/messages`)).toBe('not_found');
});

test.each([
  [''],
  ['/'],
  ['api/v1/accounts/1/conversations/2/messages'],
  ['/api/v2/accounts/1/conversations/2/messages'],
  ['/API/v1/accounts/1/conversations/2/messages'],
  ['/api/v1/accounts/1/conversations/2/messages.xml'],
  ['/api/v1/accounts/1/conversations/2/messages.'],
  ['/api/v1/accounts/1/conversations/2/messages/5'],
  ['/api/v1/accounts/1/conversations/2/messages;x=1'],
  ['/api/v1/accounts/1/conversations/2/messages%20'],
  ['/api/v1/accounts/1/conversations/2/%6dessages'],
  ['/api/v1/accounts/1/conversations/2/../2/messages'],
  ['/api/v1/accounts//conversations/2/messages'],
  ['/api/v1/accounts/1/conversations/messages'],
  ['/x/api/v1/accounts/1/conversations/2/messages'],
  ['/api/v1/accounts/1/conversations/2/messages\n'],
])('%j is not served', (path) => {
  expect(idsOf(path)).toBe('not_served');
});

test('no string throws anything but not_found', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), anyPath()), (path) => {
      idsOf(path);
    }),
    { numRuns: 3000 },
  );
});

test('a path that is served names the conversation that it names to Chatwoot', () => {
  fc.assert(
    fc.property(anyPath(), (path) => {
      const ids = idsOf(path);
      if (typeof ids === 'string') return;
      expect(route(path)).toEqual({ action: 'messages', ...ids, format: 'json' });
    }),
    { numRuns: 5000 },
  );
});

function idsOf(path: string): ConversationId | string {
  const segments = matchMessagesPath(path);
  if (segments === null) return 'not_served';
  try {
    return parseIds(segments);
  } catch (error) {
    if (error instanceof BackscrollError) return error.code;
    throw error;
  }
}

function anyPath(): fc.Arbitrary<string> {
  const slash = fc.constantFrom('/', '/', '/', '//', '', '%2F', '/./');
  const id = fc.oneof(fc.nat().map(String), fc.stringMatching(/^[0-9+%a-f. -]{1,5}$/).filter(isDecodable));
  const end = fc.constantFrom('', '', '/', '//', '.json', '.json/', '.xml', '.', ';a', '%20');
  const words = ['api', 'v1', 'accounts', id, 'conversations', id, 'messages'].map((word) =>
    typeof word === 'string' ? fc.constant(word) : word,
  );
  return fc
    .tuple(fc.array(slash, { minLength: 7, maxLength: 7 }), fc.tuple(...words), end)
    .map(([slashes, parts, tail]) => parts.map((part, at) => `${slashes[at]}${part}`).join('') + tail);
}

function isDecodable(segment: string): boolean {
  try {
    route(`/api/v1/accounts/${segment}/conversations/1/messages`);
    return true;
  } catch (error) {
    if (error instanceof BadRequest) return false;
    throw error;
  }
}
