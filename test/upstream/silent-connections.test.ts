// Connections that answered before and whose peer is gone without a word, as a firewall makes them that drops their packets.

import { connect, createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createChatwoot, type UpstreamStatus } from '../../src/upstream/chatwoot.ts';
import { type ProtectedUpstream, type ProtectionEvent, protectUpstream } from '../../src/upstream/protected-upstream.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import type { Fault } from '../support/fake-chatwoot/fault.ts';
import { Gate } from '../support/fake-chatwoot/gate.ts';
import { SAMPLE_TOKEN, startSampleChatwoot } from '../support/fake-chatwoot/sample-account.ts';
import { LATEST, listen } from './house.ts';

const TIMEOUT_MS = 2000;
const CONNECTIONS = 5;
const WARMED = [1, 2, 3, 4, 5];
/** Longer than a connection may be silent at the least. */
const SLOW_MS = 600;

interface House {
  readonly chatwoot: FakeChatwoot;
  readonly guard: ProtectedUpstream;
  readonly events: ProtectionEvent[];
  readonly statuses: UpstreamStatus[];
  /** From now on, connections that are open carry nothing, and nobody is told. */
  readonly forget: () => void;
  /** Of the next answer over connections that are open ten bytes come at once, and the rest after a while. */
  readonly halt: () => void;
  readonly connectionsSoFar: () => number;
  /** Has every connection answer. */
  readonly warmUp: () => Promise<void>;
  readonly read: (id: number) => Promise<unknown>;
}

/** A client with five connections that have answered, over a wire that can forget them. */
async function warmHouse(): Promise<House> {
  const chatwoot = await startSampleChatwoot();
  const wires = new Set<readonly [Socket, Socket]>();
  const all: Socket[] = [];
  const wire = createServer((caller) => {
    const onward = connect(Number(new URL(chatwoot.url).port), '127.0.0.1');
    for (const socket of [caller, onward]) socket.setNoDelay(true).on('error', () => {});
    caller.pipe(onward).pipe(caller);
    wires.add([caller, onward]);
    all.push(caller, onward);
  });
  const port = await listen(wire);
  const events: ProtectionEvent[] = [];
  const statuses: UpstreamStatus[] = [];
  const now = (): number => performance.now();
  const options = { connections: CONNECTIONS, timeoutMs: TIMEOUT_MS, now };
  const client = createChatwoot({
    ...options,
    baseUrl: new URL(`http://127.0.0.1:${port}`),
    tokenFor: () => SAMPLE_TOKEN,
    tokens: [{ setting: 'CHATWOOT_API_TOKEN', token: SAMPLE_TOKEN }],
    version: '0.0.0',
    bodyMaxBytes: 1_000_000,
    onRead: ({ status }) => statuses.push(status),
  });
  const rate = { max: 1000, windowMs: 60_000 };
  const guard = protectUpstream(client, { ...options, rate, random: () => 0, onEvent: (event) => events.push(event) });
  onTestFinished(async () => {
    for (const socket of all) socket.destroy();
    await Promise.all([guard.close(), new Promise((resolve) => void wire.close(resolve)), chatwoot.close()]);
  });
  const read = (id: number): Promise<unknown> =>
    guard.read({ accountId: 1, conversationId: id }, LATEST).then(
      () => 'ok',
      (error: unknown) => error,
    );
  const warmUp = async (): Promise<void> => {
    // Held until all are there, so that each has a connection of its own.
    const gate = new Gate();
    chatwoot.fault = () => ({ kind: 'delay-gate', gate });
    chatwoot.clearLog();
    const reads = WARMED.map(read);
    await expect.poll(() => chatwoot.log.count()).toBe(CONNECTIONS);
    gate.release();
    expect(await Promise.all(reads)).toEqual(WARMED.map(() => 'ok'));
    chatwoot.fault = undefined;
    // Until it is forgotten how long they were held.
    for (let nth = 0; nth < 30; nth++) expect(await read(1)).toBe('ok');
    chatwoot.clearLog();
    statuses.length = 0;
  };
  await warmUp();
  const forget = (): void => {
    for (const [caller, onward] of wires) {
      caller.unpipe(onward);
      onward.unpipe(caller);
      // What comes is taken and leads nowhere.
      caller.resume();
      onward.resume();
    }
    wires.clear();
  };
  const halt = (): void => {
    for (const [caller, onward] of wires) {
      onward.unpipe(caller).once('data', (chunk: Buffer) => {
        onward.pause();
        caller.write(chunk.subarray(0, 10));
        setTimeout(() => {
          caller.write(chunk.subarray(10));
          onward.pipe(caller);
        }, SLOW_MS);
      });
      onward.resume();
    }
  };
  return { chatwoot, guard, events, statuses, forget, halt, connectionsSoFar: () => all.length / 2, warmUp, read };
}

/** An answer that comes after so long. */
function slow(ms: number): Fault {
  const gate = new Gate();
  void gate.arrived.then(() => setTimeout(() => gate.release(), ms));
  return { kind: 'delay-gate', gate };
}

test('reads over connections whose peer is gone are answered over new ones, and the next ones at once', async () => {
  const { chatwoot, events, statuses, forget, connectionsSoFar, read } = await warmHouse();
  forget();
  expect(await Promise.all([read(1), read(2)])).toEqual(['ok', 'ok']);
  expect(events).toHaveLength(2);
  for (const event of events) expect(event).toEqual({ kind: 'retried', failure: 'upstream_unreachable', priority: 'caller' });
  for (const id of [3, 4, 5]) expect(await read(id)).toBe('ok');
  expect(events).toHaveLength(2);
  expect(statuses.filter((status) => status === 'silent')).toHaveLength(2);
  expect(statuses.filter((status) => status === 200)).toHaveLength(5);
  expect(chatwoot.log.count()).toBe(5);
  expect(connectionsSoFar()).toBeGreaterThan(CONNECTIONS);
});

test('a Chatwoot that is merely slow is asked once more, and then not again for a while', async () => {
  const { chatwoot, guard, events, statuses, warmUp, read } = await warmHouse();
  chatwoot.fault = () => ({ kind: 'hang' });
  expect(await read(1)).toMatchObject({ code: 'upstream_timeout' });
  expect(statuses).toEqual(['silent', 'timeout']);
  expect(chatwoot.log.count()).toBe(2);
  await warmUp();
  chatwoot.fault = () => ({ kind: 'hang' });
  expect(await read(1)).toMatchObject({ code: 'upstream_timeout' });
  expect(statuses).toEqual(['timeout']);
  expect(chatwoot.log.count()).toBe(1);
  expect(events).toHaveLength(1);
  expect(guard.stats().breaker).toBe('closed');
});

test.each([
  [
    'the answer over the new connection has begun, and takes its time',
    ({ chatwoot, forget }: House) => {
      forget();
      chatwoot.fault = () => ({
        kind: 'slow-drip',
        bytesPerChunk: Math.ceil(chatwoot.table.body(1, 1, {}).length / 8),
        everyMs: 80,
      });
    },
  ],
  [
    'a read takes its time that was sent again for another failure',
    ({ chatwoot }: House) => {
      let asked = 0;
      chatwoot.fault = () => (asked++ === 0 ? { kind: 'status', status: 502 } : slow(SLOW_MS));
    },
  ],
])('connections are given up as before where %s', async (_where, happen) => {
  const house = await warmHouse();
  const { statuses, events, forget, warmUp, read } = house;
  happen(house);
  expect(await read(1)).toBe('ok');
  expect(events).toHaveLength(1);
  await warmUp();
  forget();
  expect(await read(1)).toBe('ok');
  expect(statuses).toEqual(['silent', 200]);
});

test('a connection on which an answer has begun is not given up', async () => {
  const { chatwoot, statuses, halt, read } = await warmHouse();
  halt();
  expect(await read(1)).toBe('ok');
  expect([statuses, chatwoot.log.count()]).toEqual([[200], 1]);
});

test('connections may be silent for longer where Chatwoot has been slow', async () => {
  const { chatwoot, statuses, read } = await warmHouse();
  for (const ms of [250, 500]) {
    chatwoot.fault = () => slow(ms);
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await read(1)).toBe('ok');
  }
  expect(statuses).toEqual([200, 200]);
});

test('a check waits as long as it has time: nothing is sent again for it', async () => {
  const { chatwoot, guard, statuses } = await warmHouse();
  chatwoot.fault = () => slow(SLOW_MS);
  expect(await guard.check()).toBeNull();
  expect(statuses).not.toContain('silent');
});
