// What stands before Chatwoot refuses in its place: an outage, during which what is known is shown. Chatwoot's own refusals are
// heeded in whatever language they come.

import { describe, expect, test } from 'vitest';
import { askedByBackscroll, knownPage, messagesOf, readsOf, startHouse } from '../support/backscroll.ts';
import { CANARY } from '../support/canary.ts';
import type { FakeUser } from '../support/fake-chatwoot/directory.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import { FOREIGN_REFUSALS } from '../support/fake-chatwoot/in-between.ts';

const env = { TAIL_MAX_AGE: '1s' };

describe.each(FOREIGN_REFUSALS)('$name', ({ fault, tells }) => {
  test('drops nothing: what is known is shown, the rest is an error that says who answered', async () => {
    const { backscroll, chatwoot, clock } = await startHouse({ env });
    const page = await knownPage(backscroll);
    chatwoot.fault = () => fault;
    clock.advance(1500);
    const newest = await backscroll.get(messagesOf(1));
    expect([newest.status, newest.headers['cache-status']]).toEqual([200, expect.stringMatching(/^backscroll; hit; fwd=stale/)]);
    expect((await backscroll.get(page)).headers['cache-status']).toMatch(/^backscroll; hit/);
    const unknown = await backscroll.get(messagesOf(3));
    expect([unknown.status, unknown.code]).toEqual([502, 'upstream_error']);
    const { error } = unknown.json() as { error: string };
    expect(error).toMatch(tells);
    expect(error).not.toMatch(/administrator|token of this server/);
    // Not remembered as missing.
    chatwoot.fault = undefined;
    expect((await backscroll.get(messagesOf(3))).status).toBe(200);
  });
});

test('who answered is told in a few words, and never with the token', async () => {
  const { backscroll, chatwoot } = await startHouse({ env });
  const tell = async (headers: Readonly<Record<string, string>>): Promise<string> => {
    chatwoot.fault = () => ({ kind: 'status', status: 403, headers, body: `${CANARY} <html>` });
    return ((await backscroll.get(messagesOf(3))).json() as { error: string }).error;
  };
  expect(await tell({ server: CANARY, 'content-type': `text/${CANARY}`, 'cf-mitigated': CANARY })).toContain('(status 403)');
  expect(await tell({ server: 'ip-10-0-3-4.internal', 'content-type': 'x'.repeat(9000) })).not.toMatch(/10|internal|xx/);
  expect(await tell({ server: 'a'.repeat(500), 'content-type': 'text/html; charset="<script>"' })).toContain(
    '(status 403, text/html)',
  );
});

describe('an account that speaks French', () => {
  async function house() {
    const made = await startHouse({ env });
    const { chatwoot } = made;
    chatwoot.speak('fr');
    const owner = chatwoot.directory.tokenOwner(CANARY) as FakeUser;
    return { ...made, owner };
  }

  const probes = (chatwoot: FakeChatwoot): number =>
    askedByBackscroll(chatwoot).filter(({ path }) => path.includes('/accounts/0/')).length;

  test('its refusal of a conversation is one, drops it, and is not asked about each time', async () => {
    const { backscroll, chatwoot, clock, owner } = await house();
    const page = await knownPage(backscroll);
    chatwoot.directory.join(owner, 1, { role: 'agent', reads: new Set([2]) });
    clock.advance(1500);
    for (let n = 0; n < 4; n++) {
      const refused = await backscroll.get(messagesOf(1));
      expect([refused.status, refused.code]).toEqual([403, 'upstream_forbidden']);
    }
    expect(probes(chatwoot)).toBe(1);
    expect((await backscroll.get(page)).status).toBe(403);
    expect((await backscroll.get(messagesOf(2))).status).toBe(200);
  });

  test('its refusal of the user is one', async () => {
    const { backscroll, chatwoot, owner } = await house();
    chatwoot.directory.leave(owner, 1);
    const refused = await backscroll.get(messagesOf(1));
    expect([refused.status, refused.code]).toEqual([403, 'upstream_forbidden']);
  });

  test('where the token is refused as well, it is the token', async () => {
    const { backscroll, chatwoot } = await house();
    const headers = { 'content-type': 'application/json; charset=utf-8', 'x-request-id': 'r', 'x-runtime': '0.01' };
    chatwoot.fault = () => ({ kind: 'status', status: 401, headers, body: '{"error":"Jeton inconnu"}' });
    const refused = await backscroll.get(messagesOf(1));
    expect([refused.status, refused.code]).toEqual([502, 'upstream_credentials']);
  });

  test('where nobody can tell, nothing is dropped, and it is asked again', async () => {
    const { backscroll, chatwoot, clock, owner } = await house();
    await knownPage(backscroll);
    chatwoot.directory.leave(owner, 1);
    chatwoot.fault = (_number, { path }) => (path.includes('/accounts/0/') ? FOREIGN_REFUSALS[0]!.fault : undefined);
    clock.advance(1500);
    expect((await backscroll.get(messagesOf(1))).headers['cache-status']).toMatch(/fwd=stale/);
    chatwoot.fault = undefined;
    expect((await backscroll.get(messagesOf(1))).status).toBe(403);
  });

  test('its account without API access is named', async () => {
    const { backscroll, chatwoot, clock } = await house();
    await knownPage(backscroll);
    chatwoot.directory.disableApi(1);
    clock.advance(1500);
    const refused = await backscroll.get(messagesOf(1));
    expect([refused.status, refused.json()]).toEqual([
      502,
      { code: 'upstream_credentials', error: expect.stringMatching(/^API access is not enabled in Chatwoot for account 1\. /) },
    ]);
  });
});

describe.each(['en', 'fr'])('a statement time-out in %s', (language) => {
  test('is a time-out of that read: stale, or 504 without a word of CHATWOOT_URL', async () => {
    const { backscroll, chatwoot, clock } = await startHouse({ env });
    chatwoot.speak(language);
    await knownPage(backscroll);
    chatwoot.tooSlow.add('1/1').add('1/2');
    clock.advance(1500);
    const known = await backscroll.get(messagesOf(1));
    expect([known.status, known.headers['cache-status']]).toEqual([200, expect.stringMatching(/^backscroll; hit; fwd=stale/)]);
    const failed = await backscroll.get(messagesOf(2));
    expect([failed.status, failed.code]).toEqual([504, 'upstream_timeout']);
    expect(failed.body.toString()).not.toContain('CHATWOOT_URL');
    expect(await backscroll.metrics()).toMatch(/backscroll_upstream_answers_total\{status="422"\} [12]/);
    // It was not sent again: that costs Chatwoot as much each time.
    expect(readsOf(chatwoot).filter((read) => read.includes('/conversations/2/'))).toHaveLength(1);
    chatwoot.tooSlow.clear();
    expect((await backscroll.get(messagesOf(2))).status).toBe(200);
  });
});
