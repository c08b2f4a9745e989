// Which webhooks are Chatwoot's, and that no other changes anything.

import { expect, test } from 'vitest';
import type { Change } from '../../src/cache/changes.ts';
import type { FeedObserver } from '../../src/feed/observer.ts';
import { type WebhookHead, Webhooks } from '../../src/feed/webhooks.ts';
import { signature } from '../support/fake-chatwoot/webhooks.ts';

const SECRET = 'whsec-of-account-one-000';
const OTHER = 'whsec-of-account-two-000';
const NOW = Date.UTC(2026, 8, 1);
const BODY = JSON.stringify({ event: 'message_created', id: 7, conversation: { id: 3 }, account: { id: 1 } });

function house(): { webhooks: Webhooks; changes: Change[]; outcomes: string[] } {
  const changes: Change[] = [];
  const outcomes: string[] = [];
  const webhooks = new Webhooks({
    secrets: new Map([
      [1, ['an-older-secret-of-account-one', SECRET]],
      [2, [OTHER]],
    ]),
    wallNow: () => NOW,
    apply: (change) => changes.push(change),
    observer: {
      event: (_source: string, name: string, outcome: string) => outcomes.push(`${name} ${outcome}`),
    } as Partial<FeedObserver> as FeedObserver,
  });
  return { webhooks, changes, outcomes };
}

interface Sent {
  readonly accountId?: number;
  readonly pathSecret?: string | null;
  readonly secret?: string;
  readonly signed?: string;
  readonly at?: number;
  readonly delivery?: string;
}

function headOf({
  accountId = 1,
  pathSecret = null,
  secret = SECRET,
  signed = BODY,
  at = NOW,
  delivery = 'd-1',
}: Sent): WebhookHead {
  const headers = signature(secret, String(Math.floor(at / 1000)), signed, delivery);
  return {
    accountId,
    pathSecret,
    timestamp: headers['X-Chatwoot-Timestamp']!,
    signature: headers['X-Chatwoot-Signature']!,
    delivery,
  };
}

function send({ webhooks }: ReturnType<typeof house>, head: WebhookHead, body = BODY): string {
  return (
    webhooks.judgeHead(head) ?? webhooks.judgeBody(head, Buffer.from(body)) ?? webhooks.take(head, Buffer.from(body)) ?? 'taken'
  );
}

const UNSIGNED = { timestamp: '', signature: '', delivery: '' };

test('A webhook that is signed with any secret of its account is taken', () => {
  const one = house();
  expect(send(one, headOf({}))).toBe('taken');
  expect(send(one, headOf({ secret: 'an-older-secret-of-account-one', delivery: 'd-2' }))).toBe('taken');
  const change = { kind: 'tail', conversation: { accountId: 1, conversationId: 3 }, seenId: 7 };
  expect(one.changes).toEqual([change, change]);
  expect(one.outcomes).toEqual(['message_created applied', 'message_created applied']);
});

test('One that was on its way for some minutes, or comes from a clock that is some ahead, is taken', () => {
  const one = house();
  expect(send(one, headOf({ at: NOW - 290_000 }))).toBe('taken');
  expect(send(one, headOf({ at: NOW + 290_000, delivery: 'd-2' }))).toBe('taken');
});

test('An event that is not known changes nothing, and is counted without its name', () => {
  const one = house();
  const body = JSON.stringify({ event: 'of_a_caller', id: 7 });
  expect(send(one, headOf({ signed: body }), body)).toBe('taken');
  expect([one.changes, one.outcomes]).toEqual([[], ['other unknown']]);
});

test('An unsigned one is taken where its path ends in a secret of its account', () => {
  const one = house();
  expect(send(one, { accountId: 1, pathSecret: SECRET, ...UNSIGNED })).toBe('taken');
  expect(one.changes).toHaveLength(1);
});

test.each<[string, string, WebhookHead, string?]>([
  ['of an account without a secret', 'unknown', headOf({ accountId: 3 })],
  ['with a secret in its path, of an account without one', 'unknown', { accountId: 3, pathSecret: SECRET, ...UNSIGNED }],
  ['without a signature', 'unsigned', { accountId: 1, pathSecret: null, ...UNSIGNED }],
  ['signed with another secret', 'forged', headOf({ secret: 'a-guess' })],
  ["signed with another account's secret", 'forged', headOf({ secret: OTHER })],
  ['whose body was changed', 'forged', headOf({}), BODY.replace('3', '4')],
  ['whose timestamp was changed', 'forged', { ...headOf({}), timestamp: String(NOW / 1000 - 1) }],
  ['whose signature is none', 'forged', { ...headOf({}), signature: 'sha256=' }],
  ['whose signature is cut', 'forged', { ...headOf({}), signature: headOf({}).signature.slice(0, -2) }],
  ['whose timestamp is none', 'forged', { ...headOf({}), timestamp: '1e9' }],
  ['sent six minutes ago', 'late', headOf({ at: NOW - 360_000 })],
  ['sent in six minutes', 'late', headOf({ at: NOW + 360_000 })],
  ['whose path ends in another word', 'forged', { accountId: 1, pathSecret: 'a-guess', ...UNSIGNED }],
  ["whose path ends in another account's secret", 'forged', { accountId: 1, pathSecret: OTHER, ...UNSIGNED }],
  ['with a signature but a wrong secret in its path', 'forged', headOf({ pathSecret: 'a-guess' })],
  ['that is no JSON', 'garbage', headOf({ signed: '{"event":' }), '{"event":'],
  [
    'of another account than its path says',
    'foreign',
    headOf({ signed: BODY.replace('"account":{"id":1}', '"account":{"id":2}') }),
    BODY.replace('"account":{"id":1}', '"account":{"id":2}'),
  ],
])('One %s is refused as %s, and nothing changes', (_what, because, head, body) => {
  const one = house();
  expect(send(one, head, body)).toBe(because);
  expect(one.changes).toEqual([]);
});

test('A delivery is taken once, however often it is sent', () => {
  const one = house();
  const head = headOf({});
  expect(send(one, head)).toBe('taken');
  expect(send(one, head)).toBe('repeated');
  expect(send(one, { ...head, delivery: '' })).toBe('taken');
  expect(send(one, { ...head, delivery: '' })).toBe('repeated');
  expect(one.changes).toHaveLength(2);
});

test('Deliveries of two accounts may have one name', () => {
  const one = house();
  const body = BODY.replace('"account":{"id":1}', '"account":{"id":2}');
  expect(send(one, headOf({}))).toBe('taken');
  expect(send(one, headOf({ accountId: 2, secret: OTHER, signed: body }), body)).toBe('taken');
});

test('A delivery without a name that can be one is told apart by its signature, in any case', () => {
  const one = house();
  const head = { ...headOf({}), delivery: 'x'.repeat(65) };
  expect(send(one, head)).toBe('taken');
  expect(send(one, { ...head, signature: head.signature.toUpperCase().replace('SHA', 'sha') })).toBe('repeated');
  expect(send(one, { ...headOf({ at: NOW - 1000 }), delivery: head.delivery })).toBe('taken');
});

test('What is refused as forged, or is of another account, does not use up a delivery', () => {
  const one = house();
  const foreign = BODY.replace('"account":{"id":1}', '"account":{"id":2}');
  expect(send(one, headOf({ signed: foreign }), foreign)).toBe('foreign');
  expect(send(one, headOf({ secret: 'a-guess' }))).toBe('forged');
  expect(send(one, headOf({}))).toBe('taken');
});

test('The memory for deliveries is bounded: the oldest is forgotten', () => {
  const one = house();
  for (let index = 0; index <= 20_000; index++) send(one, headOf({ delivery: `d-${index}` }));
  expect(send(one, headOf({ delivery: 'd-20000' }))).toBe('repeated');
  expect(send(one, headOf({ delivery: 'd-0' }))).toBe('taken');
});
