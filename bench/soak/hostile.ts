// Hostile callers, in a process of their own, so that what they cost is not measured as the honest ones' time. Bounded in connections
// and in pace; only ever against an address of this machine. Told the port and how large to be; goes on until the parent lets go.
//
//   unread      a customer's token; large pages, each another one, are asked for, again and again, and never read
//   silent      connections on which nothing is said
//   slow        headers that come a line a second and never end
//   bad keys, bad tokens   unknown keys; tokens with a wrong signature, expired, cut off: also from the honest ones' address
//   garbage     no HTTP, or HTTP of other paths, methods, cursors and sizes
//   flood       everything as of now, within the clients' own limits

import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { Chance } from '../../test/differential/chance.ts';
import { customerToken, FLOOD_KEYS } from './credentials.ts';
import { serveWorker } from './worker.ts';

export interface HostileOrders {
  readonly port: number;
  /** Share of the full number of connections and of the full pace. */
  readonly size: number;
}

/** What they met so far. */
export type HostileCounts = Readonly<Record<string, number>>;

const UNREAD = 60;
/** Each has its own limit; past it these get short answers, which they do not read either. */
const UNREAD_TOKENS = 6;
const SILENT = 150;
const SLOW = 40;
const REFUSED_PER_SECOND = 30;
const GARBAGE_PER_SECOND = 20;
const FLOOD_PER_SECOND = 80;
/** A connection that was closed is opened again after so long. */
const AGAIN_AFTER_MS = 500;
const ASK_AGAIN_MS = 250;
/** The honest ones come from 127.0.0.1. */
const OTHER_ADDRESS = '127.0.0.2';

const MESSAGES = '/api/v1/accounts/1/conversations';
const counts: Record<string, number> = {};
const chance = new Chance(1, 0);

function count(name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

/** Keeps a connection open for ever: each one that ends is followed by another. */
function keep(port: number, name: string, use: (socket: Socket) => NodeJS.Timeout | undefined): void {
  const socket = connect({ port, host: '127.0.0.1', localAddress: OTHER_ADDRESS });
  let timer: NodeJS.Timeout | undefined;
  socket.once('connect', () => {
    count(`${name} opened`);
    timer = use(socket);
  });
  socket.on('error', () => {});
  socket.once('close', () => {
    count(`${name} closed`);
    clearInterval(timer);
    setTimeout(() => keep(port, name, use), AGAIN_AFTER_MS);
  });
}

/** Asks for page after page and takes none of the bytes. */
function neverRead(token: string): (socket: Socket) => NodeJS.Timeout {
  return (socket) => {
    socket.pause();
    return setInterval(() => {
      if (socket.writableLength > 10_000) return;
      const target = `${MESSAGES}/1/messages?after=1&before=${chance.whole(100_000, 999_999)}`;
      socket.write(`GET ${target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n\r\n`);
    }, ASK_AGAIN_MS);
  };
}

/** The server's end is seen only where what it says is read. */
function neverSpeak(socket: Socket): undefined {
  socket.resume();
}

function neverEnd(socket: Socket): NodeJS.Timeout {
  socket.resume();
  socket.write(`GET ${MESSAGES}/1/messages HTTP/1.1\r\nhost: x\r\n`);
  let line = 0;
  return setInterval(() => socket.write(`x-line-${line++}: slow\r\n`), 1000);
}

async function ask(
  pool: Pool,
  name: string,
  path: string,
  headers: Record<string, string>,
  method: 'GET' | 'DELETE' = 'GET',
): Promise<void> {
  try {
    const answer = await pool.request({ method, path, headers });
    await answer.body.dump({ limit: Infinity });
    count(`${name} ${answer.statusCode}`);
  } catch {
    count(`${name} broken`);
  }
}

async function paced(perSecond: number, act: () => Promise<void> | void): Promise<never> {
  for (;;) {
    void act();
    // oxlint-disable-next-line no-await-in-loop -- this is the pace
    await sleep(chance.between(0, 2_000 / perSecond));
  }
}

function garbage(port: number, pool: Pool): Promise<void> | void {
  const key = { api_access_token: FLOOD_KEYS[0]! };
  switch (chance.whole(0, 5)) {
    case 0:
      return ask(pool, 'garbage', `${MESSAGES}/1/messages?before=${'9'.repeat(chance.whole(19, 5_000))}`, key);
    case 1:
      return ask(pool, 'garbage', `/${'../'.repeat(20)}etc/passwd`, key);
    case 2:
      return ask(pool, 'garbage', `${MESSAGES}/1/messages`, key, 'DELETE');
    case 3:
      return ask(pool, 'garbage', `${MESSAGES}/${'0'.repeat(500)}1/messages`, { ...key, 'x-filler': 'x'.repeat(15_000) });
    default: {
      const socket = connect({ port, host: '127.0.0.1', localAddress: OTHER_ADDRESS });
      socket.on('error', () => {});
      socket.resume();
      socket.setTimeout(5_000, () => socket.destroy());
      const line = chance.pick([
        '\u0016\u0003\u0001\u0002',
        'GET / HTTP/9.9\r\n\r\n',
        'GET\r\n\r\n',
        'POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n',
      ]);
      socket.end(Buffer.from(line, 'latin1'));
      count('garbage sent');
    }
  }
}

async function begin({ port, size }: HostileOrders): Promise<void> {
  const many = (number: number): number => Math.ceil(number * size);
  const pools = [OTHER_ADDRESS, '127.0.0.1'].map(
    (localAddress) => new Pool(`http://127.0.0.1:${port}`, { connections: 8, localAddress }),
  );
  const valid = await Promise.all(Array.from({ length: UNREAD_TOKENS }, (_, n) => customerToken('valid', `unreading-${n}`)));
  const tokens = [await customerToken('wrong', 'wrong'), await customerToken('expired', 'late'), 'eyJhbGciOiJub25lIn0.e30.'];
  for (let n = 0; n < many(UNREAD); n++) keep(port, 'unread', neverRead(valid[n % valid.length]!));
  for (let n = 0; n < many(SILENT); n++) keep(port, 'silent', neverSpeak);
  for (let n = 0; n < many(SLOW); n++) keep(port, 'slow', neverEnd);
  void paced(REFUSED_PER_SECOND * size, () => {
    const headers = chance.isTrue(0.5)
      ? { api_access_token: `bsk_guess-${chance.whole(0, 1e9)}` }
      : { authorization: `Bearer ${chance.pick(tokens)}` };
    return ask(chance.pick(pools), 'refused', `${MESSAGES}/1/messages`, headers);
  });
  void paced(GARBAGE_PER_SECOND * size, () => garbage(port, pools[0]!));
  void paced(FLOOD_PER_SECOND * size, () =>
    ask(pools[0]!, 'flood', `${MESSAGES}/${chance.whole(1, 5)}/messages`, {
      api_access_token: chance.pick(FLOOD_KEYS),
      'cache-control': 'no-cache',
    }),
  );
}

serveWorker(
  (orders) => void begin(orders as HostileOrders),
  () => counts,
);
