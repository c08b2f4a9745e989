// What the engine does when it hears of a change, be it known, on its way, or neither.

import { describe, expect, test } from 'vitest';
import type { Change } from '../../src/cache/changes.ts';
import type { CacheObserver, ReadReason } from '../../src/cache/observer.ts';
import { ReadThrough, type Answer } from '../../src/cache/read-through.ts';
import type { SharedLevel } from '../../src/cache/shared-level.ts';
import { BackscrollError } from '../../src/errors.ts';
import type { Query } from '../../src/timeline/query.ts';
import type { ConversationId, UpstreamAnswer } from '../../src/upstream/upstream.ts';
import { MessageTable } from '../support/fake-chatwoot/message-table.ts';
import { FRESHNESS, SILENT, upstreamOf } from './library.ts';

const LATEST: Query = { mode: 'latest', publicOnly: false };
const ONE = { accountId: 1, conversationId: 1 };
const CONTACT = 7;

/** An engine before a table of three conversations: the first two are one contact's. */
class House {
  now = 1_800_000_000_000;
  fedSince: number | null = null;
  isDown = false;
  readonly reasons: ReadReason[] = [];
  readonly failures: unknown[] = [];
  readonly appeared: unknown[] = [];
  readonly table = new MessageTable({ now: () => this.now, firstId: 100 });
  readonly engine: ReadThrough;
  #held: (() => void)[] | null = null;

  constructor({ feeds = true, shared }: { readonly feeds?: boolean; readonly shared?: SharedLevel } = {}) {
    for (const conversationId of [1, 2, 3]) {
      this.table.addConversation(1, conversationId);
      this.#setMeta(conversationId, 'Ada');
      for (let n = 0; n < 5; n++) {
        const sender = { id: CONTACT, name: 'Ada', type: 'contact' };
        const row = this.table.insert({ accountId: 1, conversationId, createdAtUs: (this.now - 1e9 + n * 1000) * 1000 });
        if (n === 1) this.table.edit(row.id, { sender });
      }
    }
    const observer: CacheObserver = {
      ...SILENT,
      upstreamRead: (reason) => this.reasons.push(reason),
      appeared: (conversation, ids, reading) => this.appeared.push([conversation.conversationId, ids, reading]),
      behindFailed: (error) => this.failures.push(error),
    };
    this.engine = new ReadThrough({
      upstream: upstreamOf((conversation, query) => this.#answer(conversation, query)),
      now: () => this.now,
      freshness: FRESHNESS,
      memoryBytesMax: 1e7,
      mode: 'proved',
      observer,
      ...(feeds ? { fedSince: () => this.fedSince } : {}),
      ...(shared === undefined ? {} : { shared }),
    });
  }

  async #answer({ accountId, conversationId }: ConversationId, query: Query): Promise<UpstreamAnswer> {
    if (this.isDown) throw new BackscrollError('upstream_unreachable', 'Down');
    if (!this.table.hasConversation(accountId, conversationId)) throw new BackscrollError('not_found', 'Gone');
    const rows = this.table.find(accountId, conversationId, query).map((row) => ({
      id: row.id,
      createdAt: Math.floor(row.createdAtUs / 1e6),
      internal: false,
      raw: row.json,
    }));
    const head = `{"meta":${this.table.metaJson(accountId, conversationId)},"payload":[`;
    const reading = { query, rows, envelope: { head, tail: ']}' }, askedAt: this.now };
    if (this.#held !== null) await new Promise<void>((release) => this.#held!.push(release));
    return { kind: 'reading', reading };
  }

  ask(conversationId = 1, query = LATEST, tailMaxAgeMs?: number): Promise<Answer> {
    const demand = { asOfNow: false, bypass: false, tailMaxAgeMs };
    return Promise.resolve(this.engine.answer({ accountId: 1, conversationId }, query, demand));
  }

  #setMeta(conversationId: number, name: string): void {
    this.table.changeMeta(1, conversationId, `{"contact":{"id":${conversationId < 3 ? CONTACT : 8},"name":"${name}"}}`);
  }

  /** Something is written, of which the change tells. */
  write(kind: Change['kind']): Change {
    switch (kind) {
      case 'tail':
        return { kind, conversation: ONE, seenId: this.table.insert({ ...ONE, content: 'written' }).id };
      case 'row': {
        const { id } = this.table.rows(1, 1)[2]!;
        this.table.edit(id, { content: 'written' });
        return { kind, conversation: ONE, id };
      }
      case 'envelope':
        this.#setMeta(1, 'written');
        return { kind, conversation: ONE };
      case 'written':
        this.table.edit(this.table.rows(1, 1)[0]!.id, { content: 'written' });
        this.table.edit(this.table.rows(1, 1)[2]!.id, { content: 'written' });
        this.#setMeta(1, 'written');
        return { kind, conversation: ONE };
      case 'contact':
        for (const conversationId of [1, 2]) {
          this.#setMeta(conversationId, 'written');
          const row = this.table.rows(1, conversationId)[1]!;
          this.table.edit(row.id, { sender: { id: CONTACT, name: 'written', type: 'contact' } });
        }
        return { kind, accountId: 1, contactId: CONTACT };
      case 'envelopes':
        for (const conversationId of [1, 2, 3]) this.#setMeta(conversationId, 'written');
        return { kind, accountId: 1 };
      case 'gone':
        this.table.removeConversation(1, 1);
        return { kind, conversation: ONE };
      case 'contact-gone':
        for (const conversationId of [1, 2]) this.table.removeConversation(1, conversationId);
        return { kind, accountId: 1, contactId: CONTACT };
    }
  }

  hold(): void {
    this.#held = [];
  }

  /** What was held lands, one after the other. */
  async release({ latestFirst = false } = {}): Promise<void> {
    const held = this.#held ?? [];
    this.#held = null;
    for (const release of latestFirst ? held.toReversed() : held) {
      release();
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await settle();
    }
  }

  isNew({ rows, envelope }: Answer): boolean {
    return [envelope.head, ...rows.map(({ raw }) => raw)].some((text) => text.includes('written'));
  }
}

/** Lets all go on that waits for nothing else. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const KINDS = ['tail', 'row', 'envelope', 'written', 'contact', 'envelopes', 'gone', 'contact-gone'] as const;

/** Each order of these in which a read lands after it was sent. */
function orders(): string[][] {
  const all = (left: readonly string[]): string[][] =>
    left.length === 0
      ? [[]]
      : left.flatMap((first) => all(left.filter((each) => each !== first)).map((rest) => [first, ...rest]));
  return all(['send', 'land', 'change', 'purge']).filter((order) => order.indexOf('send') < order.indexOf('land'));
}

describe.each(KINDS)('after a change of kind %s', (kind) => {
  test('a page that was known is read again, or is not there any more', async () => {
    const house = new House();
    house.fedSince = house.now;
    expect((await house.ask()).outcome).toBe('miss');
    house.now += 5000;
    expect((await house.ask()).outcome).toBe('hit');
    house.engine.apply(house.write(kind));
    house.now += 1;
    if (kind.endsWith('gone')) await expect(house.ask()).rejects.toMatchObject({ code: 'not_found' });
    else {
      expect(house.isNew(await house.ask())).toBe(true);
      house.now += 5000;
      expect(await house.ask()).toMatchObject({ outcome: 'hit' });
    }
  });

  test.each(orders().map((order) => [order.join(', '), order] as const))(
    'nothing of before is shown as fresh where these come in the order %s',
    async (_told, order) => {
      const house = new House();
      house.fedSince = house.now;
      await house.ask();
      house.now += 70_000;
      let asked: Promise<unknown> = Promise.resolve();
      for (const each of order) {
        house.now++;
        if (each === 'send') {
          house.hold();
          asked = house.ask().catch(() => undefined);
          // oxlint-disable-next-line no-await-in-loop -- one after the other
          await settle();
        }
        // oxlint-disable-next-line no-await-in-loop
        if (each === 'land') await house.release();
        if (each === 'change') house.engine.apply(house.write(kind));
        if (each === 'purge') house.engine.purge(ONE);
      }
      await asked;
      house.now++;
      const later = house.ask();
      if (kind.endsWith('gone')) await expect(later).rejects.toMatchObject({ code: 'not_found' });
      else expect(house.isNew(await later)).toBe(true);
    },
  );

  test('who comes while a read is on its way that was sent before does not join it, however old the tail may be', async () => {
    const house = new House();
    house.hold();
    const early = house.ask();
    await settle();
    house.now++;
    house.engine.apply(house.write(kind));
    house.now++;
    const late = house.ask(1, LATEST, 60_000).catch((error: unknown) => error);
    await settle();
    await house.release();
    expect(house.isNew(await early)).toBe(false);
    if (kind.endsWith('gone')) expect(await late).toMatchObject({ code: 'not_found' });
    else expect(house.isNew((await late) as Answer)).toBe(true);
  });

  test('what is read for the first time meanwhile is not fresh', async () => {
    const house = new House();
    const fedSince = house.now;
    house.hold();
    const asked = house.ask();
    await settle();
    house.now++;
    house.engine.apply(house.write(kind)); // Not fed, so there is no probe.
    house.fedSince = fedSince;
    await house.release();
    expect(house.isNew(await asked)).toBe(false);
    house.now++;
    if (kind.endsWith('gone')) await expect(house.ask()).rejects.toMatchObject({ code: 'not_found' });
    else expect(house.isNew(await house.ask())).toBe(true);
  });

  test('while Chatwoot fails, what was known is shown as stale, unless it is gone', async () => {
    const house = new House();
    house.fedSince = house.now;
    await house.ask();
    house.now += 5000;
    house.engine.apply(house.write(kind));
    house.isDown = true;
    house.now += 10;
    if (kind.endsWith('gone')) await expect(house.ask()).rejects.toMatchObject({ code: 'upstream_unreachable' });
    else expect(await house.ask()).toMatchObject({ outcome: 'stale', ttlMs: -10 });
  });

  test('other conversations are as they were, unless they are concerned', async () => {
    const house = new House();
    house.fedSince = house.now;
    for (const conversation of [1, 2, 3]) await house.ask(conversation);
    house.now += 1000;
    house.engine.apply(house.write(kind));
    house.now += 1;
    const outcomes = [2, 3].map(async (id) =>
      house.ask(id).then(
        ({ outcome }) => outcome,
        () => 'gone',
      ),
    );
    const two = kind === 'contact' || kind === 'envelopes' ? 'miss' : kind === 'contact-gone' ? 'gone' : 'hit';
    expect(await Promise.all(outcomes)).toEqual([two, kind === 'envelopes' ? 'miss' : 'hit']);
  });
});

describe.each(KINDS)('of a change of kind %s', (kind) => {
  test('others are told where they do not hear of it by themselves, or where it has something forgotten', () => {
    const announced: string[] = [];
    const shared: SharedLevel = {
      epochOf: () => null,
      take: async () => null,
      append() {},
      async announce(announcement) {
        announced.push(announcement.kind);
        return null;
      },
    };
    const house = new House({ shared });
    const change = house.write(kind);
    house.engine.hear(change, house.now);
    expect(announced).toEqual([]);
    house.engine.apply(change);
    const ofAll = kind.endsWith('gone') ? [kind] : [];
    expect(announced).toEqual(ofAll);
    house.engine.announce(change);
    expect(announced).toEqual([...ofAll, kind]);
  });
});

describe('a probe', () => {
  async function known() {
    const house = new House();
    house.fedSince = house.now;
    await house.ask();
    house.now += 1000;
    house.reasons.length = 0;
    return house;
  }

  test('reads what is new, so that the next reader finds it', async () => {
    const house = await known();
    house.engine.apply(house.write('tail'));
    house.now += 10;
    await house.engine.idle();
    const answer = await house.ask();
    expect([answer.outcome, house.isNew(answer), house.reasons]).toEqual(['hit', true, ['probe']]);
  });

  test.each(['envelope', 'written', 'contact'] as const)('reads what changed with a change of kind %s', async (kind) => {
    const house = await known();
    house.engine.apply(house.write(kind));
    await house.engine.idle();
    expect(house.reasons[0]).toBe('probe');
    expect((await house.ask()).outcome).toBe('hit');
  });

  test('is one for a burst of events, and none for rows that change', async () => {
    const house = await known();
    const ids = house.table.rows(1, 1).map(({ id }) => id);
    for (let n = 0; n < 300; n++) house.engine.apply({ kind: 'row', conversation: ONE, id: ids[n % ids.length]! });
    house.engine.apply({ kind: 'envelopes', accountId: 1 });
    await house.engine.idle();
    expect(house.reasons).toEqual([]);
    for (let n = 0; n < 300; n++) house.engine.apply(house.write('tail'));
    await house.engine.idle();
    expect(house.reasons).toEqual(['probe']);
  });

  test('is not sent for who is not fed, or where nobody reads, or nothing is known', async () => {
    const house = await known();
    house.fedSince = null;
    house.engine.apply(house.write('tail'));
    house.fedSince = house.now;
    house.now += 60_001;
    house.engine.apply(house.write('tail'));
    house.engine.apply({ kind: 'tail', conversation: { accountId: 1, conversationId: 3 } });
    house.engine.apply({ kind: 'tail', conversation: { accountId: 9, conversationId: 9 }, seenId: 99 });
    await house.engine.idle();
    expect(house.reasons).toEqual([]);
    const unfed = new House({ feeds: false });
    await unfed.ask();
    unfed.engine.apply(unfed.write('tail'));
    await unfed.engine.idle();
    expect(unfed.reasons).toEqual(['forward']);
  });

  test('is for who is shown again what was shown before, too', async () => {
    const house = await known();
    house.now += 50_000;
    await house.ask();
    house.now += 900;
    const kept = house.engine.keptProof(ONE, LATEST);
    expect(house.engine.knownHit(ONE, kept!)).toMatchObject({ outcome: 'hit' });
    // Over a minute after the last who was shown what was looked up anew.
    house.now += 59_500;
    house.fedSince = house.now;
    house.engine.apply(house.write('tail'));
    await house.engine.idle();
    expect(house.reasons).toEqual(['probe']);
  });

  test('that fails is nobody’s answer', async () => {
    const house = await known();
    house.isDown = true;
    house.engine.apply(house.write('tail'));
    await house.engine.idle();
    expect([house.reasons, house.failures]).toEqual([['probe'], [expect.objectContaining({ code: 'upstream_unreachable' })]]);
  });
});

test('a conversation that changed may show a new row, also where only a page of history has been read since', async () => {
  const house = new House();
  for (let n = 0; n < 60; n++) house.table.insert({ ...ONE, createdAtUs: (house.now - 1e8 + n * 1000) * 1000 });
  house.fedSince = house.now;
  const { rows } = await house.ask();
  house.now += 5000;
  house.fedSince = null; // No probe.
  house.engine.apply(house.write('envelope'));
  house.fedSince = house.now - 5000;
  const { id } = house.table.insert({ ...ONE, messageType: 2 });
  house.now++;
  await house.ask(1, { mode: 'before', before: rows[0]!.id, publicOnly: false });
  expect((await house.ask()).rows.at(-1)?.id).toBe(id);
});

test('a row that changes above all that is known shows, though nothing was told of when it came', async () => {
  const house = new House();
  house.fedSince = house.now;
  await house.ask();
  house.now += 1000;
  const { id } = house.table.insert({ ...ONE, content: 'written' });
  house.engine.apply({ kind: 'row', conversation: ONE, id });
  house.now++;
  expect(house.isNew(await house.ask())).toBe(true);
});

test('a conversation that changes is there, whatever was said of it just before', async () => {
  const house = new House();
  const four = { accountId: 1, conversationId: 4 };
  await expect(house.ask(4)).rejects.toMatchObject({ code: 'not_found' });
  house.table.addConversation(1, 4);
  await expect(house.ask(4)).rejects.toMatchObject({ code: 'not_found' });
  house.engine.apply({ kind: 'envelope', conversation: four });
  expect((await house.ask(4)).outcome).toBe('miss');
});

test('a message that is told of has been given its id: those below are settled after a while', async () => {
  const house = new House();
  await house.ask();
  const change = house.write('tail');
  const seenId = change.kind === 'tail' ? change.seenId! : 0;
  const frontier = (): number => house.engine.outlook(ONE, LATEST).frontier;
  house.engine.apply(change);
  house.now += FRESHNESS.settleMs - 1;
  expect(frontier()).toBeLessThan(seenId);
  house.now += 1;
  expect(frontier()).toBeGreaterThanOrEqual(seenId);
});

test('what others heard of before a page was asked for makes it no less fresh', async () => {
  const house = new House();
  house.fedSince = house.now - 1000;
  await house.ask();
  house.now += 1000;
  house.engine.hear(house.write('tail'), house.now - 1001);
  expect((await house.ask()).outcome).toBe('hit');
  house.engine.hear(house.write('tail'), house.now);
  house.now++;
  expect((await house.ask()).outcome).toBe('miss');
});

test('what a reading shows above all that was known is told, with the moments between which it came', async () => {
  const house = new House();
  await house.ask();
  const askedAt = house.now;
  house.now += 1000;
  const ids = [1, 2].map(() => house.table.insert({ ...ONE }).id);
  house.now += 1000;
  await house.ask();
  expect(house.appeared).toEqual([[1, ids, { askedAt: house.now, previousAskedAt: askedAt }]]);
  house.now += 1000;
  await house.ask();
  await house.ask(1, { mode: 'before', before: 104, publicOnly: false });
  expect(house.appeared).toHaveLength(1);
});

test('what a walk shows above all that was known has not come since', async () => {
  const house = new House();
  for (let n = 0; n < 150; n++)
    house.table.insert({ accountId: 1, conversationId: 3, createdAtUs: (house.now - 1e8 + n * 1000) * 1000 });
  const first = await house.ask(3, { mode: 'after', after: 0, publicOnly: false });
  house.now += 1000;
  const next = await house.ask(3, { mode: 'after', after: first.rows.at(-1)!.id, publicOnly: false });
  await house.engine.idle();
  expect(first.rows.length + next.rows.length).toBe(155);
  expect(house.appeared).toEqual([]);
});

test('what a read shows that was sent before what is known was asked for has not come since', async () => {
  const house = new House();
  const deleted = house.table.insert({ ...ONE });
  house.hold();
  const early = house.ask();
  await settle();
  house.table.hardDelete(deleted.id);
  house.now += 1000;
  const late = house.ask(1, { mode: 'after', after: 0, publicOnly: false });
  await settle();
  await house.release({ latestFirst: true });
  expect((await late).rows.at(-1)?.id).toBeLessThan(deleted.id);
  expect((await early).rows.at(-1)?.id).toBe(deleted.id);
  expect(house.appeared).toEqual([]);
});

test('ten thousand changes at once take no time and little memory', async () => {
  const house = new House();
  await house.ask();
  const { bytes } = house.engine.size;
  const startedAt = process.cpuUsage();
  for (let n = 0; n < 10_000; n++) {
    house.engine.apply({ kind: 'row', conversation: ONE, id: n });
    house.engine.apply({ kind: 'tail', conversation: { accountId: 1, conversationId: n + 4 }, seenId: 200 + n });
  }
  expect(process.cpuUsage(startedAt).user / 1000).toBeLessThan(500);
  expect(house.engine.size).toMatchObject({ bytes, conversations: 1 });
});
