// Whose token a caller brings, and for how many it is remembered that Chatwoot takes them.

import type { FastifyRequest } from 'fastify';
import { expect, test } from 'vitest';
import type { Client } from '../../src/clients/client.ts';
import { digestOfKey } from '../../src/clients/key.ts';
import { clientRegistry } from '../../src/clients/registry.ts';
import { UnauthenticatedLimit } from '../../src/http/unauthenticated-limit.ts';
import { OwnCallers } from '../../src/pass-through/own-callers.ts';

const KEY = 'a-key-of-the-crm-of-old';

function callersBeside(clients: readonly Client[] = []): { readonly callers: OwnCallers; readonly pass: (ms: number) => void } {
  let now = 100_000;
  const callers = new OwnCallers({
    registries: () => [clientRegistry(clients, { allowAnonymous: false })],
    limit: new UnauthenticatedLimit(),
    addressOf: () => '192.0.2.1',
    now: () => now,
  });
  return { callers, pass: (ms) => void (now += ms) };
}

function bringing(token: string): FastifyRequest {
  return { raw: { rawHeaders: ['api_access_token', token] } } as FastifyRequest;
}

test('a key whose time is over is a key all the same, and goes nowhere', () => {
  const client: Client = {
    name: 'crm',
    keys: [{ digest: digestOfKey(KEY), notAfterAt: 1 }],
    scope: '*',
    view: 'agent',
    mayBypass: false,
  };
  const { callers } = callersBeside([client]);
  expect(callers.readerOf(bringing(KEY))).toBeNull();
  expect(callers.readerOf(bringing('aTokenOfChatwoots'))).toMatchObject({ ownToken: { token: 'aTokenOfChatwoots' } });
});

test.each(['two words', 'caf\u00e9', '\u0000', 'x'.repeat(5000)])('what no header carries is no token: %j', (token) => {
  expect(callersBeside().callers.readerOf(bringing(token))).toBeNull();
});

test('that Chatwoot takes a token is remembered for ten minutes, and of as many as may be', () => {
  const { callers, pass } = callersBeside();
  const named = (n: number) => ({ token: `token${n}`, name: `hash${n}` });
  for (let n = 0; n <= 10_000; n++) callers.taken(named(n));
  expect([0, 1, 10_000].map((n) => callers.isTaken(named(n)))).toEqual([false, true, true]);
  pass(600_000);
  expect(callers.isTaken(named(10_000))).toBe(true);
  pass(1);
  expect(callers.isTaken(named(10_000))).toBe(false);
});
