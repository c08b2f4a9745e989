// Whatever goes wrong in what is read beside a page, mistakes in the plan included, the page is forwarded.

import { afterEach, describe, expect, test, vi } from 'vitest';
import { Library } from '../../src/cache/library.ts';
import type { Query } from '../../src/timeline/query.ts';
import { messagesOf, startHouse } from '../support/backscroll.ts';
import type { Fault } from '../support/fake-chatwoot/fault.ts';

afterEach(() => void vi.restoreAllMocks());

/** What is to be sealed, from now on; a rest is kept. */
function seal(plan: () => Query | null): void {
  vi.spyOn(Library.prototype, 'nextSeal').mockImplementation(function (this: Library, conversation) {
    return this.now < this.get(conversation).walk.sealsFrom ? null : plan();
  });
}

/** Reads of every kind, so that every plan is asked. */
async function readAll(house: Awaited<ReturnType<typeof startHouse>>): Promise<void> {
  const { backscroll, chatwoot, clock } = house;
  const ids = chatwoot.table.rows(1, 2).map(({ id }) => id);
  for (let round = 0; round < 3; round++) {
    for (const [search, params] of [
      ['', {}],
      [`?before=${ids[40]}`, { before: ids[40]! }],
      [`?before=${ids.at(-1)! + 50}`, { before: ids.at(-1)! + 50 }],
      [`?after=${ids[50]}`, { after: ids[50]! }],
      [`?after=${ids[3]}&before=${ids[9]}`, { after: ids[3]!, before: ids[9]! }],
    ] as const) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other, as a reader is
      const answer = await backscroll.get(messagesOf(2, search));
      expect([search, answer.status, answer.body.toString()]).toEqual([search, 200, chatwoot.table.body(1, 2, params)]);
      // oxlint-disable-next-line no-await-in-loop
      await backscroll.app.readThrough.idle();
      clock.advance(11_000);
    }
    clock.advance(16 * 60_000);
  }
}

const between = (after: number, before: number): Query => ({ mode: 'between', after, before, publicOnly: false });

test.each<[string, () => void]>([
  [
    'fails',
    () => {
      vi.spyOn(Library.prototype, 'planContext', 'get').mockImplementation(() => {
        throw new TypeError('a mistake of the tests');
      });
    },
  ],
  ['has a cursor without end', () => seal(() => between(Infinity, Number.MAX_SAFE_INTEGER))],
  ['has a cursor that is no number', () => seal(() => ({ mode: 'before', before: NaN, publicOnly: false }))],
])('a page is forwarded where the plan %s, and the mistake is counted and logged', async (_what, mistake) => {
  const house = await startHouse({ env: { SHADOW_RATE: '1' } });
  mistake();
  await readAll(house);
  expect(await house.backscroll.metrics()).toMatch(/^backscroll_behind_failures_total [1-9]/m);
  expect(house.backscroll.logs.filter((line) => line.includes('"stack"') && line.includes('a mistake in a read'))).not.toEqual(
    [],
  );
});

test('a plan that gets nowhere costs no caller its page, and Chatwoot no more than a read now and then', async () => {
  const house = await startHouse();
  seal(() => between(1, 2));
  await readAll(house);
  const page = messagesOf(2, `?before=${house.chatwoot.table.rows(1, 2)[40]!.id}`);
  await house.backscroll.get(page);
  await house.backscroll.app.readThrough.idle();
  house.chatwoot.clearLog();
  for (let n = 0; n < 9; n++) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other, as a reader is
    await house.backscroll.get(page);
    // oxlint-disable-next-line no-await-in-loop
    await house.backscroll.app.readThrough.idle();
  }
  expect(house.chatwoot.log.requests.length).toBeLessThanOrEqual(1);
});

describe('a page is forwarded where what is read in its place', () => {
  test.each<[string, Fault]>([
    ['is answered 500', { kind: 'status', status: 500, body: '{"error":"Something went wrong"}' }],
    ['is answered 503', { kind: 'status', status: 503 }],
    ['is answered with what is no page', { kind: 'not-json' }],
    ['is answered with a redirect', { kind: 'redirect', location: '/elsewhere' }],
    ['is cut off', { kind: 'reset-mid-body' }],
    ['is not answered', { kind: 'refuse-headers-reset' }],
    ['hangs', { kind: 'hang' }],
  ])('%s', async (_what, fault) => {
    const { backscroll, chatwoot, clock } = await startHouse({ env: { UPSTREAM_TIMEOUT: '1s' } });
    clock.advance(5 * 60_000);
    await backscroll.get(messagesOf(2));
    clock.advance(11_000);
    await backscroll.get(messagesOf(2)); // As it is asked, in its turn.
    clock.advance(2_000);
    const failed: string[] = [];
    chatwoot.fault = (_number, { search }) => {
      if (search === '') return undefined;
      failed.push(search);
      return fault;
    };
    const answer = await backscroll.get(messagesOf(2));
    expect(failed[0]).toMatch(/^\?after=\d+$/);
    expect([answer.status, answer.body.toString()]).toEqual([200, chatwoot.table.body(1, 2, {})]);
    expect(await backscroll.metrics()).toMatch(/^backscroll_behind_failures_total 1$/m);
  });
});
