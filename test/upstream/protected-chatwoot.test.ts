// The whole way to a real socket.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createChatwoot } from '../../src/upstream/chatwoot.ts';
import {
  type ProtectedUpstream,
  type ProtectionEvent,
  type ProtectionOptions,
  protectUpstream,
} from '../../src/upstream/protected-upstream.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import { SAMPLE_TOKEN, startSampleChatwoot } from '../support/fake-chatwoot/sample-account.ts';
import { LATEST } from './house.ts';

const now = (): number => performance.now();

let fake: FakeChatwoot;
let timersBefore: number;

beforeEach(async () => {
  timersBefore = timers();
  fake = await startSampleChatwoot();
});
afterEach(() => fake.close());

function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
}

interface House {
  readonly guard: ProtectedUpstream;
  readonly events: ProtectionEvent[];
  /** When reads were handed to the client. */
  readonly sentAt: number[];
  readonly read: (id: number) => Promise<unknown>;
}

function house(options: Partial<ProtectionOptions>): House {
  const events: ProtectionEvent[] = [];
  const sentAt: number[] = [];
  const settings = { rate: { max: 1000, windowMs: 60_000 }, connections: 16, timeoutMs: 5000, ...options };
  const chatwoot = createChatwoot({
    baseUrl: new URL(fake.url),
    tokenFor: () => SAMPLE_TOKEN,
    tokens: [],
    version: '0.0.0',
    bodyMaxBytes: 1_000_000,
    connections: settings.connections,
    timeoutMs: settings.timeoutMs,
    now,
  });
  const recorded: typeof chatwoot = {
    ...chatwoot,
    read(...asked) {
      sentAt.push(now());
      return chatwoot.read(...asked);
    },
  };
  const guard = protectUpstream(recorded, { now, onEvent: (event) => events.push(event), ...settings });
  return {
    guard,
    events,
    sentAt,
    read: (id) =>
      guard.read({ accountId: 1, conversationId: id }, LATEST).then(
        () => 'ok',
        (error: unknown) => error,
      ),
  };
}

describe('a protected Chatwoot', () => {
  it('is asked again after a reset and after 502, not after 500', async () => {
    const { guard, read, events } = house({});
    fake.fault = (nth) =>
      nth === 1 ? { kind: 'refuse-headers-reset' } : nth === 2 ? { kind: 'status', status: 502 } : undefined;
    expect(await read(1)).toBe('ok');
    expect(fake.log.count()).toBe(3);
    expect(events).toEqual([
      { kind: 'retried', failure: 'upstream_unreachable', priority: 'caller' },
      { kind: 'retried', failure: 'upstream_error', priority: 'caller' },
    ]);
    fake.fault = undefined;
    fake.failing.add('1/2');
    expect(await read(2)).toMatchObject({ code: 'upstream_error', upstream: { status: 500 } });
    expect(fake.log.count()).toBe(4);
    await guard.close();
    expect(timers()).toBeLessThanOrEqual(timersBefore);
  });

  it.each([{ kind: 'truncated' }, { kind: 'reset-mid-body' }] as const)(
    'is asked again where an answer is $kind',
    async (fault) => {
      const { guard, read, events } = house({});
      fake.fault = (nth) => (nth === 1 ? fault : undefined);
      expect(await read(1)).toBe('ok');
      expect(events).toEqual([{ kind: 'retried', failure: 'upstream_unreachable', priority: 'caller' }]);
      await guard.close();
    },
  );

  it('is left alone after a 429 without Retry-After', async () => {
    const { guard, read } = house({});
    fake.fault = () => ({ kind: 'status', status: 429, body: 'Retry later\n' });
    expect(await read(1)).toMatchObject({ code: 'upstream_busy', retryAfter: 5 });
    expect(await read(2)).toMatchObject({ code: 'upstream_busy', reason: 'paused' });
    expect(fake.log.count()).toBe(1);
    await guard.close();
  });

  it('sees ten reads and then the probes when it cannot answer', async () => {
    fake.fault = () => ({ kind: 'refuse-headers-reset' });
    const { guard, read, events } = house({ connections: 1 });
    const ends = await Promise.all(Array.from({ length: 200 }, (_, id) => read(id + 1)));
    for (const end of ends) expect(end).toMatchObject({ code: 'upstream_unreachable', status: 502 });
    expect(fake.log.count()).toBe(10);
    expect(guard.stats()).toMatchObject({ running: 0, waiting: 0, breaker: 'open' });
    expect(events.filter(({ kind }) => kind === 'opened')).toHaveLength(1);
    await guard.close();
    expect(timers()).toBeLessThanOrEqual(timersBefore);
  });

  it.each([
    ['with the failure of the deadline', 0, { code: 'upstream_timeout', status: 504 }],
    ['with the failure that it was sent again for', 1, { code: 'upstream_error', status: 502, upstream: { status: 503 } }],
  ])('ends what hangs at the deadline, %s', async (_name, failures, error) => {
    const { guard, read } = house({ timeoutMs: 1000, random: () => 0 });
    fake.fault = (nth) => (nth <= failures ? { kind: 'status', status: 503 } : { kind: 'hang' });
    const startedAt = now();
    expect(await read(1)).toMatchObject(error);
    expect(now() - startedAt).toBeLessThan(3000);
    expect(fake.log.count()).toBe(failures + 1);
    await guard.close();
    expect(timers()).toBeLessThanOrEqual(timersBefore);
  });
});
