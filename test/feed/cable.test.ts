// Every way in which a cable fails, and that the feed is trusted neither meanwhile nor for what was asked before.

import { expect, onTestFinished, test } from 'vitest';
import { cableUrl } from '../../src/feed/feed.ts';
import { startSampleChatwoot } from '../support/fake-chatwoot/sample-account.ts';
import { startBurst } from './burst.ts';
import { feedHouse } from './house.ts';
import { watchTurns } from './turns.ts';

const TAIL_OF_2 = { kind: 'tail', conversation: { accountId: 1, conversationId: 2 } } as const;

test('What is written is told once the subscription is confirmed, and the feed is trusted from then on', async () => {
  const { chatwoot, feed, told, fed, until, now } = await feedHouse();
  expect(feed.fedSince(1)).toBeNull();
  const startedAt = now();
  feed.start();
  await fed();
  expect(feed.fedSince(1)).toBeGreaterThan(startedAt);
  expect(feed.fedSince(1)).toBeLessThanOrEqual(now());
  expect(feed.fedSince(2)).toBeNull();

  const { id } = chatwoot.table.insert({ accountId: 1, conversationId: 2, messageType: 1 });
  await until(() => told.changes.length > 0);
  expect(told.changes).toEqual([{ ...TAIL_OF_2, seenId: id }]);
  expect(told.lags[0]).toBeLessThan(1000);
  expect(told.gaps).toBe(0);
});

test('The subscription is that of the recording, and no secret is in the address or the headers', async () => {
  const { chatwoot, feed, fed } = await feedHouse();
  feed.start();
  await fed();
  expect(chatwoot.cable.commands[0]).toBe(
    String.raw`{"command":"subscribe","identifier":"{\"channel\":\"RoomChannel\",\"pubsub_token\":\"sample-pubsub-1\",\"account_id\":1,\"user_id\":1}"}`,
  );
  const [upgrade] = chatwoot.cable.upgrades;
  expect(upgrade?.path).toBe('/cable');
  expect(upgrade?.headers['user-agent']).toBe('backscroll/0');
  expect(JSON.stringify(upgrade?.headers)).not.toMatch(/sample/);
});

test.each([
  ['https://chat.example.com', 'wss://chat.example.com/cable'],
  ['http://127.0.0.1:3000', 'ws://127.0.0.1:3000/cable'],
  ['https://example.com/chat/', 'wss://example.com/chat/cable'],
])('The cable of %s is %s', (base, cable) => {
  expect(cableUrl(new URL(base)).href).toBe(cable);
});

test('A subscription met with silence is never trusted, and is asked for again with the next profile', async () => {
  const { chatwoot, feed, told, fed, notFed } = await feedHouse({ bounds: { cable: { profileEveryMs: 600 } } });
  chatwoot.cable.isSilent = true;
  feed.start();
  expect(await notFed()).toBe('unconfirmed');
  expect(feed.fedSince(1)).toBeNull();
  chatwoot.cable.isSilent = false;
  await fed();
  expect(told.gaps).toBe(0);
});

test('A subscription to an account that its user is no member of is never trusted; that to another account is', async () => {
  const { chatwoot, feed, told, fed, until } = await feedHouse({
    profileAs: (profile) => ({ ...profile, accounts: [{ id: 2, isAdministrator: true }, ...profile.accounts] }),
  });
  feed.start();
  await until(() => told.standings.some(({ accountId }) => accountId === 2));
  expect(told.standings.find(({ accountId }) => accountId === 2)?.standing).toEqual({
    kind: 'not-fed',
    why: 'unconfirmed',
    text: 'Chatwoot does not confirm the subscription: it knows no such user, token or account',
  });
  await fed();
  chatwoot.table.insert({ accountId: 1, conversationId: 2, messageType: 1 });
  await until(() => told.changes.length > 0);
  expect(told.changes).toMatchObject([TAIL_OF_2]);
  expect([feed.fedSince(2), told.gaps, chatwoot.cable.connections]).toEqual([null, 0, 1]);
  expect(feed.fedSince(1)).not.toBeNull();
});

test('A subscription that Chatwoot rejects is trusted and heard no more, and is asked for again with the next profile', async () => {
  const { chatwoot, feed, told, fed, notFed, until } = await feedHouse({ bounds: { cable: { profileEveryMs: 300 } } });
  feed.start();
  await fed();
  const { length } = chatwoot.cable.upgrades;
  const identifier = chatwoot.cable.identifierOf(1);
  chatwoot.cable.sendRaw(JSON.stringify({ identifier, type: 'reject_subscription' }));
  chatwoot.table.insert({ accountId: 1, conversationId: 2, messageType: 1 });
  chatwoot.cable.sendRaw('the end');
  expect(await notFed()).toBe('unconfirmed');
  expect(told.standings.at(-1)!.standing).toMatchObject({ text: 'Chatwoot rejected the subscription' });
  await until(() => told.garbage === 1);
  expect([told.changes, told.gaps]).toEqual([[], 1]);
  await fed();
  expect(chatwoot.cable.upgrades).toHaveLength(length);
});

test('Of very many accounts the first fifty are subscribed to, and the rest are told of', async () => {
  const chatwoot = await startSampleChatwoot();
  onTestFinished(() => chatwoot.close());
  const user = chatwoot.directory.listeners(1)[0]!;
  for (let account = 2; account <= 60; account++) chatwoot.directory.join(user, account, { role: 'administrator' });
  const { feed, told, fed, until } = await feedHouse({ chatwoot });
  feed.start();
  await until(() => feed.fedSince(50) !== null);
  expect(told.passedOver).toEqual([10]);
  const subscribed = chatwoot.cable.commands.filter((command) => command.includes('"subscribe"'));
  expect(subscribed).toHaveLength(50);
  expect(feed.fedSince(51)).toBeNull();
  const comeBack = async (): Promise<void> => {
    const { gaps } = told;
    chatwoot.cable.cut();
    await until(() => told.gaps > gaps);
    await fed();
  };
  await comeBack();
  expect(told.passedOver).toEqual([10]);
  // Once more when they were fewer meanwhile.
  for (let account = 51; account <= 60; account++) chatwoot.directory.leave(user, account);
  await comeBack();
  for (let account = 51; account <= 60; account++) chatwoot.directory.join(user, account, { role: 'administrator' });
  await comeBack();
  expect(told.passedOver).toEqual([10, 10]);
});

test('An account of which the user is no administrator is heard and never trusted', async () => {
  const chatwoot = await startSampleChatwoot();
  onTestFinished(() => chatwoot.close());
  chatwoot.directory.join(chatwoot.directory.listeners(1)[0]!, 1, { role: 'agent', reads: 'all' });
  const { feed, told, notFed, until } = await feedHouse({ chatwoot });
  feed.start();
  expect(await notFed()).toBe('not-administrator');
  chatwoot.table.insert({ accountId: 1, conversationId: 2, messageType: 1 });
  await until(() => told.changes.length > 0);
  expect(feed.fedSince(1)).toBeNull();
});

test('A changed password leaves a socket that lives and hears nothing: the profile read again shows it', async () => {
  const { chatwoot, feed, told, fed, until } = await feedHouse({ bounds: { cable: { profileEveryMs: 300 } } });
  feed.start();
  await fed();
  const before = feed.fedSince(1)!;
  chatwoot.directory.changePassword(chatwoot.directory.listeners(1)[0]!);
  chatwoot.table.insert({ accountId: 1, conversationId: 2, messageType: 1 });
  await until(() => told.standings.some(({ standing }) => standing.kind === 'not-fed' && standing.why === 'profile-changed'));
  await until(() => (feed.fedSince(1) ?? 0) > before);
  // The message was heard by nobody, and all that was asked before the new confirmation is back to its ordinary ages.
  expect(told.changes).toEqual([]);
  expect(told.gaps).toBe(1);
});

test('A connection that only pings is not trusted, and is trusted anew when something comes through Redis', async () => {
  const { chatwoot, feed, told, fed, notFed } = await feedHouse({ bounds: { trust: { frameAgeMaxMs: 500 } } });
  feed.start();
  await fed();
  const before = feed.fedSince(1)!;
  chatwoot.cable.isDeaf = true;
  expect(await notFed()).toBe('no-frames');
  expect(chatwoot.cable.connections).toBe(1);
  chatwoot.cable.isDeaf = false;
  await fed();
  expect(feed.fedSince(1)).toBeGreaterThan(before + 500);
  expect(told.gaps).toBe(0);
});

test('A quiet account stays trusted, since presence is asked for', async () => {
  const { chatwoot, feed, told, fed } = await feedHouse({ bounds: { trust: { frameAgeMaxMs: 500 } } });
  feed.start();
  await fed();
  const presence = (): number => chatwoot.cable.commands.filter((command) => command.includes('update_presence')).length;
  await chatwoot.cable.until(() => presence() >= 5);
  expect(told.standings.filter(({ standing }) => standing.kind === 'not-fed')).toEqual([]);
  expect(feed.fedSince(1)).not.toBeNull();
});

test('When pings stop, the connection is given up and another one made', async () => {
  const { chatwoot, feed, told, fed, notFed } = await feedHouse({
    bounds: { cable: { presenceAfterMs: 60_000 }, trust: { pingAgeMaxMs: 60_000 } },
  });
  feed.start();
  await fed();
  chatwoot.cable.pings = false;
  expect(await notFed()).toBe('silent');
  chatwoot.cable.pings = true;
  await fed();
  expect(told.gaps).toBe(1);
  expect(chatwoot.cable.upgrades.length).toBeGreaterThan(1);
});

test('When nothing is heard at all, trust runs out all the same', async () => {
  const { chatwoot, feed, told, fed, notFed } = await feedHouse({
    bounds: { cable: { presenceAfterMs: 60_000, silenceMaxMs: 60_000 } },
  });
  feed.start();
  await fed();
  chatwoot.cable.pings = false;
  expect(await notFed()).toBe('no-pings');
  chatwoot.cable.pings = true;
  await fed();
  expect(told.gaps).toBe(0);
});

test.each([
  ['says to come back', true],
  ['says not to come back', false],
])('After the server has closed the connection and %s, it is trusted anew', async (_what, reconnect) => {
  const { chatwoot, feed, told, fed, notFed } = await feedHouse();
  feed.start();
  await fed();
  const before = feed.fedSince(1)!;
  chatwoot.cable.disconnect('server_restart', reconnect);
  expect(await notFed()).toBe('closed');
  await fed();
  expect(feed.fedSince(1)).toBeGreaterThan(before);
  expect(told.gaps).toBe(1);
});

test('Told not to come back, it comes back, but not soon', async () => {
  const { chatwoot, feed, fed, notFed } = await feedHouse({ bounds: { cable: { reconnectMaxMs: 600_000 } } });
  feed.start();
  await fed();
  const { length } = chatwoot.cable.upgrades;
  chatwoot.cable.disconnect('invalid_request', false);
  await notFed();
  await new Promise((resolve) => {
    setTimeout(resolve, 200);
  });
  expect(chatwoot.cable.upgrades).toHaveLength(length);
});

test('A confirmation that comes again begins nothing anew', async () => {
  const { chatwoot, feed, told, fed, until } = await feedHouse();
  feed.start();
  await fed();
  const since = feed.fedSince(1);
  chatwoot.cable.sendRaw(JSON.stringify({ identifier: chatwoot.cable.identifierOf(1), type: 'confirm_subscription' }));
  chatwoot.cable.sendRaw('the end');
  await until(() => told.garbage === 1);
  expect(feed.fedSince(1)).toBe(since);
});

test('A connection whose pings wait behind events is alive', async () => {
  const { chatwoot, feed, told, fed, until } = await feedHouse({
    bounds: { cable: { presenceAfterMs: 60_000, silenceMaxMs: 60_000 }, trust: { pingAgeMaxMs: 1000 } },
  });
  feed.start();
  await fed();
  chatwoot.cable.pings = false;
  const since = feed.fedSince(1);
  const writing = setInterval(() => chatwoot.table.insert({ accountId: 1, conversationId: 2, messageType: 1 }), 50);
  onTestFinished(() => clearInterval(writing));
  await until(() => told.changes.length === 30);
  expect(feed.fedSince(1)).toBe(since);
});

test('A cable that was there and is refused for a moment, as while Chatwoot is deployed, is soon asked for again', async () => {
  const { chatwoot, feed, fed, notFed } = await feedHouse({ bounds: { cable: { absentMs: 600_000 } } });
  feed.start();
  await fed();
  chatwoot.cable.upgrade = 'refuse';
  const { length } = chatwoot.cable.upgrades;
  chatwoot.cable.cut();
  await notFed();
  await chatwoot.cable.until(() => chatwoot.cable.upgrades.length >= length + 2);
  chatwoot.cable.upgrade = 'accept';
  await fed();
});

test('A server that cuts every connection at once is asked ever more seldom', async () => {
  const { chatwoot, feed } = await feedHouse({ bounds: { cable: { reconnectMs: 20, reconnectMaxMs: 100_000 } } });
  const cut = setInterval(() => chatwoot.cable.cut(), 5);
  onTestFinished(() => clearInterval(cut));
  feed.start();
  const startedAt = performance.now();
  await chatwoot.cable.until(() => chatwoot.cable.upgrades.length >= 6);
  // Half of 20 + 40 + 80 + 160 + 320 at least.
  expect(performance.now() - startedAt).toBeGreaterThan(300);
});

test('One whose connections last for a while is soon asked again, however often they end', async () => {
  const bounds = { cable: { reconnectMs: 20, reconnectMaxMs: 100_000, stableMs: 1 } };
  const { chatwoot, feed, told, fed, until } = await feedHouse({ bounds });
  feed.start();
  const startedAt = performance.now();
  for (let gaps = 1; gaps <= 10; gaps++) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await fed();
    chatwoot.cable.cut();
    // oxlint-disable-next-line no-await-in-loop
    await until(() => told.gaps === gaps);
  }
  await fed();
  // At most 20 each; growing, they would be half of 20 * 1023 at least.
  expect(performance.now() - startedAt).toBeLessThan(5000);
});

test.each([
  ['refuse', 'there is no /cable: this Chatwoot has none, or a proxy before it does not pass it on'],
  ['eat', 'the upgrade was answered with status 200: something before Chatwoot does not pass WebSockets on'],
  ['swallow', 'the upgrade was not answered in time'],
  ['trickle', 'the upgrade was not answered in time'],
  ['mute', 'what answers there does not speak ActionCable'],
] as const)('Where upgrades meet the fate "%s", that is told once, and it is tried again', async (fate, text) => {
  const { chatwoot, feed, told, fed } = await feedHouse();
  chatwoot.cable.upgrade = fate;
  feed.start();
  await chatwoot.cable.until(() => chatwoot.cable.upgrades.length >= 3);
  expect(told.unheard).toEqual([text]);
  expect(feed.fedSince(1)).toBeNull();
  chatwoot.cable.upgrade = 'accept';
  await fed();
});

test('An upgrade that is not answered is given up in time', async () => {
  // Nobody looks at how long all of it takes.
  const { chatwoot, feed, told, until } = await feedHouse({ bounds: { cable: { tickMs: 60_000 } } });
  chatwoot.cable.upgrade = 'swallow';
  feed.start();
  await until(() => told.unheard.length > 0);
  expect(told.unheard).toEqual(['the upgrade was not answered in time']);
});

test('Of subscriptions that were met with silence it is told why there are none any more', async () => {
  const { chatwoot, feed, told, notFed, until } = await feedHouse();
  chatwoot.cable.isSilent = true;
  feed.start();
  expect(await notFed()).toBe('unconfirmed');
  chatwoot.cable.upgrade = 'refuse';
  chatwoot.cable.cut();
  await until(() => told.standings.some(({ standing }) => standing.kind === 'not-fed' && standing.why === 'no-cable'));
  expect([told.unheard, told.gaps]).toEqual([[], 0]);
});

test('Where the user is a member of no account that is served, that is told and no connection made', async () => {
  const { chatwoot, feed, told, until } = await feedHouse({ profileAs: (profile) => ({ ...profile, accounts: [] }) });
  feed.start();
  await until(() => told.unheard.length > 0);
  expect(told.unheard).toEqual(['its user is a member of no account that is served']);
  expect(chatwoot.cable.upgrades).toEqual([]);
});

test('A profile that cannot be read is told in words, and tried again', async () => {
  const { chatwoot, feed, told, fed, until } = await feedHouse();
  chatwoot.fault = (_number, { path }) => (path === '/api/v1/profile' ? { kind: 'status', status: 503 } : undefined);
  feed.start();
  await until(() => told.unheard.length > 0);
  expect(told.unheard).toEqual(['Chatwoot failed to answer (status 503); try again later']);
  chatwoot.fault = undefined;
  await fed();
});

test('A profile that cannot be read again for long ends trust: the password may have been changed', async () => {
  const { chatwoot, feed, told, fed, notFed } = await feedHouse({
    bounds: { cable: { profileEveryMs: 100, answerTimeoutMs: 50 } },
  });
  feed.start();
  await fed();
  chatwoot.fault = (_number, { path }) => (path === '/api/v1/profile' ? { kind: 'status', status: 503 } : undefined);
  expect(await notFed()).toBe('no-profile');
  expect(told.gaps).toBe(1);
  chatwoot.fault = undefined;
  await fed();
});

test('A profile that cannot be read again for a moment ends nothing', async () => {
  const { chatwoot, feed, told, fed } = await feedHouse({
    bounds: { cable: { profileEveryMs: 500 } },
  });
  feed.start();
  await fed();
  const { length } = chatwoot.cable.upgrades;
  let reads = 0;
  const read = new Promise<void>((resolve) => {
    chatwoot.fault = (_number, { path }) => {
      if (path !== '/api/v1/profile') return undefined;
      if (++reads === 3) resolve();
      return reads === 1 ? { kind: 'status', status: 503 } : undefined;
    };
  });
  await read;
  expect([told.gaps, chatwoot.cable.upgrades.length]).toEqual([0, length]);
});

test('What comes with a subscription that is not confirmed is not taken', async () => {
  const { chatwoot, feed, told, until } = await feedHouse();
  chatwoot.cable.isSilent = true;
  feed.start();
  await chatwoot.cable.until(() => chatwoot.cable.commands.length > 0);
  const { identifier } = JSON.parse(chatwoot.cable.commands[0]!) as { identifier: string };
  const data = { id: 9, conversation_id: 2, account_id: 1 };
  chatwoot.cable.sendRaw(JSON.stringify({ identifier, message: { event: 'message.created', data } }));
  chatwoot.cable.sendRaw('the end');
  await until(() => told.garbage === 1);
  expect([told.changes, told.events]).toEqual([[], []]);
});

test('10,000 events at once leave the event loop to others, take bounded memory, and are all applied', async () => {
  let handled = 0;
  let mostInOneTurn = 0;
  let mostBytes = 0;
  // However long a busy machine takes for them.
  const lagMaxMs = 60_000;
  const bounds = { cable: { silenceMaxMs: 60_000 }, trust: { pingAgeMaxMs: 60_000, frameAgeMaxMs: 60_000 } };
  const burst = await startBurst({ events: 10_000, bytes: 2000 });
  const { feed, told, fed, until } = await feedHouse({
    url: `http://127.0.0.1:${burst.port}`,
    lagMaxMs,
    bounds,
    apply() {
      if (handled++ === 0) setImmediate(() => (handled = 0));
      mostInOneTurn = Math.max(mostInOneTurn, handled);
      if (told.changes.length % 500 === 0) mostBytes = Math.max(mostBytes, process.memoryUsage().heapUsed);
    },
  });
  feed.start();
  await fed();
  const bytesBefore = process.memoryUsage().heapUsed;
  const longestTurnMs = watchTurns();
  burst.send();
  await until(() => told.changes.length === 10_000);
  expect(longestTurnMs()).toBeLessThan(50);
  expect(mostInOneTurn).toBeLessThan(20);
  expect((mostBytes - bytesBefore) / 1e6).toBeLessThan(64);
  expect(new Set(told.changes.map((change) => (change.kind === 'tail' ? change.seenId : 0))).size).toBe(10_000);
  expect(feed.fedSince(1)).not.toBeNull();
});

test('Events of foreign accounts, garbage and frames of no subscription change nothing and are counted', async () => {
  const { chatwoot, feed, told, fed, until } = await feedHouse();
  feed.start();
  await fed();
  const identifier = chatwoot.cable.identifierOf(1);
  const event = (data: object, name = 'message.created'): string =>
    JSON.stringify({ identifier, message: { event: name, data: { id: 9, conversation_id: 2, ...data } } });
  const frames = [
    event({ account_id: 2 }),
    event({}),
    event({ account_id: '1' }),
    event({ account_id: 1, conversation_id: '2' }),
    event({ account_id: 1, conversation_id: -2 }),
    event({ account_id: 1, id: 1e300 }),
    event({ account_id: 1, conversation_id: 77 }, 'voice_call.created'),
    event({ account_id: 1 }, '__proto__'),
    'no JSON {',
    '[]',
    'null',
    '{"identifier":"another","message":{"event":"message.created","data":{"id":9,"conversation_id":2,"account_id":1}}}',
    JSON.stringify({ identifier, message: 'text' }),
    JSON.stringify({ identifier, message: { event: 7 } }),
  ];
  for (const frame of frames) chatwoot.cable.sendRaw(frame);
  chatwoot.cable.sendRaw(Buffer.from([0, 1, 2]));
  chatwoot.cable.sendRaw(Buffer.from(event({ account_id: 1 })));
  chatwoot.table.insert({ accountId: 1, conversationId: 3, messageType: 1 });
  await until(() => told.changes.length > 0);
  expect(told.changes).toMatchObject([{ kind: 'tail', conversation: { conversationId: 3 } }]);
  expect(told.garbage).toBe(8);
  expect(told.events.map(({ outcome }) => outcome).filter((outcome) => outcome !== 'applied' && outcome !== 'nothing')).toEqual([
    'foreign',
    'invalid',
    'foreign',
    'invalid',
    'invalid',
    'invalid',
    'unknown',
    'unknown',
  ]);
  expect(told.events.filter(({ outcome }) => outcome === 'unknown').map(({ name }) => name)).toEqual(['other', 'other']);
  expect(told.gaps).toBe(0);
});

test('A frame of just below 1 MB is taken; one above ends the connection, which is a gap, and is made anew', async () => {
  const { chatwoot, feed, told, fed, until } = await feedHouse();
  feed.start();
  await fed();
  const identifier = chatwoot.cable.identifierOf(1);
  const frame = (bytes: number): string => {
    const data = { id: 9, conversation_id: 2, account_id: 1, content: '' };
    const empty = JSON.stringify({ identifier, message: { event: 'message.created', data } });
    return empty.replace('"content":""', `"content":"${'x'.repeat(bytes - empty.length)}"`);
  };
  chatwoot.cable.sendRaw(frame(1024 * 1024));
  await until(() => told.changes.length === 1);
  expect(told.gaps).toBe(0);
  chatwoot.cable.sendRaw(frame(1024 * 1024 + 1));
  await until(() => told.gaps === 1);
  const { standing } = told.standings.at(-1)!;
  expect(standing).toMatchObject({ kind: 'not-fed', why: 'broken', text: 'a frame was larger than any that is taken' });
  await fed();
});

test('Events that come late end trust, until they have been in time for a while', async () => {
  const { chatwoot, feed, told, fed, notFed } = await feedHouse({ lagMaxMs: 100, bounds: { trust: { lagCalmMs: 200 } } });
  feed.start();
  await fed();
  chatwoot.cable.delivery.hold();
  chatwoot.table.insert({ accountId: 1, conversationId: 2, messageType: 1 });
  const writtenAt = Date.now();
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      if (Date.now() - writtenAt < 150) return;
      clearInterval(timer);
      resolve();
    }, 5);
  });
  chatwoot.cable.delivery.release();
  expect(await notFed()).toBe('late');
  expect(told.lags[0]).toBeGreaterThan(100);
  // It was applied all the same.
  expect(told.changes).toMatchObject([{ kind: 'tail' }]);
  const calmFrom = performance.now();
  chatwoot.table.insert({ accountId: 1, conversationId: 2, messageType: 1 });
  await fed();
  expect(performance.now() - calmFrom).toBeGreaterThan(180);
});

test('Events of a Chatwoot whose clock is ahead are in time', async () => {
  const chatwoot = await startSampleChatwoot({ now: () => Date.now() + 60_000 });
  onTestFinished(() => chatwoot.close());
  const { feed, told, fed, until } = await feedHouse({ chatwoot });
  feed.start();
  await fed();
  chatwoot.table.insert({ accountId: 1, conversationId: 2, messageType: 1 });
  await until(() => told.lags.length > 0);
  expect(told.lags).toEqual([0]);
  expect(feed.fedSince(1)).not.toBeNull();
});

test('A message that is read and was never announced ends trust; one whose event comes a little later does not', async () => {
  const { chatwoot, feed, told, fed, notFed, until, now } = await feedHouse({
    lagMaxMs: 80,
    bounds: { trust: { distrustMs: 150 } },
  });
  feed.start();
  await fed();
  const reading = { askedAt: now(), previousAskedAt: now() };
  chatwoot.cable.delivery.hold();
  const late = chatwoot.table.insert({ accountId: 1, conversationId: 2, messageType: 1 });
  feed.appeared(1, [late.id], reading);
  chatwoot.cable.delivery.release();
  await until(() => told.changes.length > 0);

  chatwoot.cable.delivery.drop = (event) => event === 'message.created';
  const lost = chatwoot.table.insert({ accountId: 1, conversationId: 2, messageType: 1 });
  const lostToo = chatwoot.table.insert({ accountId: 1, conversationId: 2, messageType: 1 });
  // A reading whose predecessor was asked before the feed was trusted is no witness.
  feed.appeared(1, [lost.id], { askedAt: now(), previousAskedAt: feed.fedSince(1)! - 1 });
  const known = chatwoot.table.insert({ accountId: 1, conversationId: 2, messageType: 1 });
  feed.appeared(1, [late.id, lostToo.id, known.id], { askedAt: now(), previousAskedAt: now() });
  expect(await notFed()).toBe('missed');
  await until(() => told.missed === 2);
  const from = performance.now();
  await fed();
  expect(performance.now() - from).toBeGreaterThan(100);
});

test('A message whose event may have gone with the connection counts as no miss', async () => {
  const { chatwoot, feed, told, fed, until, now } = await feedHouse({ lagMaxMs: 50 });
  feed.start();
  await fed();
  chatwoot.cable.delivery.drop = () => true;
  const { id } = chatwoot.table.insert({ accountId: 1, conversationId: 2, messageType: 1 });
  feed.appeared(1, [id], { askedAt: now(), previousAskedAt: now() });
  chatwoot.cable.delivery.drop = undefined;
  chatwoot.cable.cut();
  await until(() => told.gaps === 1);
  await fed();
  // Longer than the judgement waits.
  const until100 = now() + 100;
  await expect.poll(() => now() > until100 && feed.fedSince(1) !== null).toBe(true);
  expect(told.missed).toBe(0);
});

test('A change that cannot be applied is a mistake that ends trust and not the process', async () => {
  const { chatwoot, feed, told, fed, notFed } = await feedHouse({
    apply() {
      throw new Error('broken');
    },
  });
  feed.start();
  await fed();
  chatwoot.table.insert({ accountId: 1, conversationId: 2, messageType: 1 });
  expect(await notFed()).toBe('missed');
  expect(told.failed).toHaveLength(1);
});

test('A contact that looks as before is not due again, as after each incoming message; one that was renamed is', async () => {
  const { chatwoot, feed, told, fed, until } = await feedHouse();
  feed.start();
  await fed();
  const contacts = (): number => told.changes.filter(({ kind }) => kind === 'contact').length;
  const heard = (): number => told.events.filter(({ name }) => name === 'contact.updated').length;
  for (let index = 0; index < 3; index++) chatwoot.table.insert({ accountId: 1, conversationId: 2 });
  await until(() => heard() === 3);
  expect(contacts()).toBe(1);
  const { contact } = JSON.parse(chatwoot.table.metaJson(1, 2)) as { contact: Record<string, unknown> };
  chatwoot.table.changeMeta(1, 2, { contact: { ...contact, name: 'Olivia' } });
  await until(() => heard() === 4);
  expect(contacts()).toBe(2);
  // A gap may have hidden anything.
  chatwoot.cable.cut();
  await until(() => told.gaps === 1);
  await fed();
  chatwoot.table.insert({ accountId: 1, conversationId: 2 });
  await until(() => heard() === 5);
  expect(contacts()).toBe(3);
});

test('Once closed nothing is asked of Chatwoot any more, whatever it was waiting for, and nothing is told', async () => {
  const { chatwoot, feed, told, fed } = await feedHouse({ bounds: { trust: { pingAgeMaxMs: 100 } } });
  feed.start();
  await fed();
  await feed.close();
  await chatwoot.cable.until(() => chatwoot.cable.connections === 0);
  const { length } = chatwoot.cable.upgrades;
  const { length: standings } = told.standings;
  await new Promise((resolve) => {
    setTimeout(resolve, 300);
  });
  expect(chatwoot.cable.upgrades).toHaveLength(length);
  // Nor is its end told as a loss.
  expect(told.standings).toHaveLength(standings);
});
