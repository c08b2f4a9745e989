// When something is said to have been wrong with Chatwoot: what callers hear then is judged by that.

import { expect, test } from 'vitest';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import type { Front } from '../faults/front.ts';
import { Chance } from './chance.ts';
import { Trouble } from './trouble.ts';

const STARTED_AT = 1_000_000;
const RECOVERY_MS = 10_000;
const ECHO_MS = 500;

/** Trouble of which the first lasting one is that nothing listens. */
class House {
  at = STARTED_AT;
  isShut = false;
  readonly chatwoot: Pick<FakeChatwoot, 'fault'> = { fault: undefined };
  readonly trouble = new Trouble({
    chatwoot: this.chatwoot as FakeChatwoot,
    front: { shut: () => (this.isShut = true), reopen: async () => (this.isShut = false) } as unknown as Front,
    chance: new Chance(1, 0),
    now: () => this.at,
    first: 0,
  });

  async turnUntil(isDone: () => boolean): Promise<number> {
    for (; !isDone(); this.at += 10) await this.trouble.turn(); // oxlint-disable-line no-await-in-loop -- one after the other
    return this.at - 10;
  }
}

test('a fault that lasts is on from its beginning until all have had the time to recover', async () => {
  const house = new House();
  const from = await house.turnUntil(() => house.isShut);
  const end = await house.turnUntil(() => !house.isShut);
  expect(house.trouble.kinds).toEqual(['closed']);
  const wasOn = (first: number, last = first): boolean => house.trouble.wasOn(first, last);
  expect([wasOn(STARTED_AT, from - 1), wasOn(STARTED_AT, from)]).toEqual([false, true]);
  expect([wasOn(from), wasOn(end), wasOn(end + RECOVERY_MS - 1)]).toEqual([true, true, true]);
  expect(wasOn(end + RECOVERY_MS, Infinity)).toBe(false);
});

test('a read that fails is on for those who joined it, one that is sent again for nobody', () => {
  const { trouble, chatwoot, ...house } = new House();
  const met = new Set<unknown>();
  for (let nth = 0; nth < 5_000; nth++) {
    house.at += 0;
    const fault = chatwoot.fault!(nth, { path: '/api/v1/accounts/1/conversations/1/messages', search: '' } as never);
    if (fault === undefined || fault.kind === 'delay-gate') continue;
    const status = fault.kind === 'status' ? fault.status : fault.kind;
    met.add(status);
    if (status === 500) break;
    expect(trouble.wasOn(STARTED_AT, STARTED_AT)).toBe(false);
  }
  expect(met).toContain(500);
  expect(met.size).toBeGreaterThan(2);
  expect([trouble.wasOn(STARTED_AT, STARTED_AT), trouble.wasOn(STARTED_AT + ECHO_MS, Infinity)]).toEqual([true, false]);
});
