// An open loop: requests are sent when they are due, whatever became of those before, and an answer's time counts from when its
// request was due. A process of its own; it speaks just enough HTTP to cost little beside what it measures.

import { connect, type Socket } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { quantile } from '../table.ts';

/** What it is told to do. `{n}` in the path is a number that grows. */
export interface Order {
  readonly url: string;
  readonly key: string;
  readonly path: string;
  readonly from: number;
  readonly perSecond: number;
  /** Of these, the first two do not count: connections are made in them, and what is hot is compiled. */
  readonly seconds: number;
}

export const WARM_UP_MS = 2000;

/** What it has seen, of each answer: ms from when its request was due. */
export interface Seen {
  readonly times: readonly number[];
  readonly failed: number;
  /** How late it was itself, ms, at its slowest per cent: in sending what was due, and in each turn of its event loop. */
  readonly lateInSending: number;
  readonly lateInTurning: number;
}

const CONNECTIONS = 32;
/** Between two looks at what is due. */
const LOOK_EVERY_MS = 1;
const HEAD_END = Buffer.from('\r\n\r\n');
/** One for all connections: what came is taken in the turn in which it came. */
const RECEIVED = Buffer.allocUnsafeSlow(256 * 1024);

/** One connection, with what is due on it. Answers come in the order of their requests. */
class Line {
  readonly #socket: Socket;
  readonly #end: string;
  readonly #onAnswer: (dueAt: number, status: string) => void;
  readonly #dues: number[] = [];
  #head: Buffer = Buffer.alloc(0);
  #status = '';
  /** Of the body that is being received; -1 in a head. */
  #left = -1;

  constructor(port: number, key: string, onAnswer: (dueAt: number, status: string) => void) {
    const callback = (bytes: number): boolean => {
      this.#take(RECEIVED.subarray(0, bytes));
      return true;
    };
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true, onread: { buffer: RECEIVED, callback } });
    // What it then leaves unanswered counts as failed.
    this.#socket.on('error', (error) => console.error(error.message));
    this.#end = ` HTTP/1.1\r\nhost: 127.0.0.1\r\napi_access_token: ${key}\r\n\r\n`;
    this.#onAnswer = onAnswer;
  }

  get waiting(): number {
    return this.#dues.length;
  }

  send(path: string, dueAt: number): void {
    this.#dues.push(dueAt);
    this.#socket.write(`GET ${path}${this.#end}`, 'latin1');
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#left < 0) {
        const text = this.#head.length === 0 ? rest : Buffer.concat([this.#head, rest]);
        const end = text.indexOf(HEAD_END);
        this.#head = end < 0 ? Buffer.from(text) : Buffer.alloc(0);
        if (end < 0) return;
        const head = text.toString('latin1', 0, end);
        this.#status = head.slice(9, 12);
        this.#left = Number(/^content-length: (\d+)/im.exec(head)?.[1]);
        rest = text.subarray(end + HEAD_END.length);
      }
      const taken = Math.min(this.#left, rest.length);
      this.#left -= taken;
      rest = rest.subarray(taken);
      if (this.#left > 0) return;
      this.#left = -1;
      this.#onAnswer(this.#dues.shift()!, this.#status);
    }
  }
}

async function run({ url, key, path, from, perSecond, seconds }: Order): Promise<Seen> {
  const [times, lates]: [number[], number[]] = [[], []];
  let failed = 0;
  let [sent, answered] = [0, 0];
  const startAt = performance.now();
  const countsFrom = startAt + WARM_UP_MS;
  const onAnswer = (dueAt: number, status: string): void => {
    answered++;
    if (status !== '200') failed++;
    else if (dueAt >= countsFrom) times.push(performance.now() - dueAt);
  };
  const delays = monitorEventLoopDelay({ resolution: LOOK_EVERY_MS });
  const lines = Array.from({ length: CONNECTIONS }, () => new Line(Number(new URL(url).port), key, onAnswer));
  const all = Math.round(perSecond * seconds);
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const now = performance.now();
      if (now >= countsFrom) delays.enable();
      const due = Math.min(all, Math.floor(((now - startAt) / 1000) * perSecond));
      for (; sent < due; sent++) {
        const dueAt = startAt + ((sent + 1) / perSecond) * 1000;
        // The one with the fewest waiting: a free one, as long as there is any.
        const line = lines.reduce((best, each) => (each.waiting < best.waiting ? each : best));
        line.send(path.replace('{n}', String(from + sent)), dueAt);
        if (dueAt >= countsFrom) lates.push(performance.now() - dueAt);
      }
      const isOver = now - startAt > (seconds + 10) * 1000;
      if (answered < all && !isOver) return;
      clearInterval(timer);
      resolve();
    }, LOOK_EVERY_MS);
  });
  delays.disable();
  lines.forEach((line) => line.close());
  return {
    times,
    failed: failed + all - answered,
    lateInSending: quantile(lates, 0.99),
    lateInTurning: delays.percentile(99) / 1e6 - LOOK_EVERY_MS,
  };
}

if (process.send !== undefined) {
  process.on('message', (order: Order) => void run(order).then((seen) => process.send!(seen)));
  process.once('disconnect', () => process.exit());
  process.send({ url: '' });
}
