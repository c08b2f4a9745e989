// A way to Redis on which one command, or each from there on, meets a fault. Commands are counted as they come, answers keep their order.

import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/**
 * - `refused`, `readonly`, `oom`, `loading`, `moved`, `wrong-type`: an error of Redis in place of an answer.
 * - `garbage`: an answer of another shape. `silent`: none, and none after it on this connection. `cut`: the connection ends.
 */
export type RedisFault = 'refused' | 'readonly' | 'oom' | 'loading' | 'moved' | 'wrong-type' | 'garbage' | 'silent' | 'cut';

export const REDIS_FAULTS: readonly RedisFault[] = [
  'refused',
  'readonly',
  'oom',
  'loading',
  'moved',
  'wrong-type',
  'garbage',
  'silent',
  'cut',
];

const ANSWERS: Partial<Record<RedisFault, string>> = {
  refused: '-ERR no such thing today\r\n',
  readonly: "-READONLY You can't write against a read only replica.\r\n",
  oom: "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
  loading: '-LOADING Redis is loading the dataset in memory\r\n',
  moved: '-MOVED 3999 127.0.0.1:1\r\n',
  'wrong-type': '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n',
  garbage: '*3\r\n$3\r\nxyz\r\n:7\r\n*1\r\n$-1\r\n',
};

export interface FaultyRedis {
  readonly url: string;
  /** Commands so far, but for those that only make a connection. */
  readonly commands: number;
  /** From the nth command that comes from now on: it meets the fault, and for good each after it, too. */
  fail(nth: number, fault: RedisFault, forGood: boolean): void;
  /** From now on each answer comes so much later. */
  slow(ms: number): void;
  /** All is well again. */
  heal(): void;
  close(): Promise<void>;
}

export async function faultyRedis(port: number): Promise<FaultyRedis> {
  let commands = 0;
  let slowMs = 0;
  let isDue: (command: number) => RedisFault | null = () => null;
  const sockets = new Set<Socket>();
  const server = createServer((caller) => {
    const redis = connect(port, '127.0.0.1');
    /** What the answers to come are: Redis's own next one, or this. */
    const order: (string | null)[] = [];
    let asked = Buffer.alloc(0);
    let answered = Buffer.alloc(0);
    let isSilent = false;
    for (const socket of [caller, redis]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        caller.destroy();
        redis.destroy();
      });
    }
    const flush = (): void => {
      if (isSilent) return;
      while (order.length > 0) {
        const [next] = order;
        if (next !== null) caller.write(next!);
        else {
          const end = endOf(answered, 0);
          if (end < 0) return;
          caller.write(answered.subarray(0, end));
          answered = answered.subarray(end);
        }
        order.shift();
      }
    };
    let arrived = Promise.resolve();
    const arrive = async (chunk: Buffer, at: number): Promise<void> => {
      await arrived;
      if (slowMs > 0) await sleep(at - performance.now());
      answered = Buffer.concat([answered, chunk]);
      flush();
    };
    redis.on('data', (chunk: Buffer) => {
      arrived = arrive(chunk, performance.now() + slowMs);
    });
    caller.on('data', (chunk) => {
      asked = Buffer.concat([asked, chunk]);
      for (let end = endOf(asked, 0); end > 0; end = endOf(asked, 0)) {
        const command = asked.subarray(0, end);
        asked = asked.subarray(end);
        const isOfConnection = /^\*\d+\r\n\$\d+\r\n(?:info|client|hello|select|auth)\r\n/i.test(command.toString('latin1'));
        const fault = isOfConnection ? null : isDue(++commands);
        if (fault === 'cut') return void caller.destroy();
        if (fault === 'silent') isSilent = true;
        order.push(fault === null ? null : (ANSWERS[fault] ?? ''));
        if (fault === null) redis.write(command);
      }
      flush();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get commands() {
      return commands;
    },
    fail(nth, fault, forGood) {
      const from = commands + nth;
      isDue = (command) => (command === from || (forGood && command > from) ? fault : null);
    },
    slow(ms) {
      slowMs = ms;
    },
    heal() {
      slowMs = 0;
      isDue = () => null;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Where the value that begins at `from` ends; -1 where it is not whole. */
function endOf(bytes: Buffer, from: number): number {
  const line = bytes.indexOf('\r\n', from);
  if (line < 0) return -1;
  const count = Number(bytes.toString('latin1', from + 1, line));
  switch (String.fromCharCode(bytes[from]!)) {
    case '$':
      return count < 0 ? line + 2 : line + 2 + count + 2 <= bytes.length ? line + 2 + count + 2 : -1;
    case '*': {
      let at = line + 2;
      for (let n = 0; n < count; n++) {
        at = endOf(bytes, at);
        if (at < 0) return -1;
      }
      return at;
    }
    default:
      return line + 2;
  }
}
