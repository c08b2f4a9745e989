// Without PASS_THROUGH nothing of it is there: what Chatwoot may have gets a 421, whoever asks and however.

import { expect, test } from 'vitest';
import { messagesOf, startHouse } from '../support/backscroll.ts';
import { OWN } from './house.ts';

test.each(['off', ''])('PASS_THROUGH=%s', async (setting) => {
  const { backscroll, chatwoot } = await startHouse({ env: { PASS_THROUGH: setting } });
  chatwoot.directory.addToken(OWN, { id: 8, name: 'Ivy', email: 'ivy@example.test', pubsubToken: 'p' });
  const headers = [['api_access_token', OWN]] as const;
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']) {
    for (const target of ['/api', '/api/v1/profile', '/api/v1/accounts/1/conversations', '/api/v2/accounts/1/reports']) {
      const { status } = await backscroll.send({ method, target, headers });
      expect([method, target, status]).toEqual([method, target, 421]);
    }
  }
  expect((await backscroll.send({ target: messagesOf(1), headers })).status).toBe(401);
  expect((await backscroll.send({ method: 'POST', target: messagesOf(1), headers, body: '{"content":"x"}' })).status).toBe(405);
  expect(chatwoot.log.requests).toEqual([]);
  expect(await backscroll.metrics()).not.toMatch(/backscroll_(?:passed|own_token)/);
});
