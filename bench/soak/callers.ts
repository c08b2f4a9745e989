// The honest callers, in a process of their own: what Chatwoot's answers cost beside is not their time.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { partOf, type Course, type Part } from './course.ts';
import { CALLER_CONNECTIONS, Fare, Honest, type Fared } from './honest.ts';
import { serveWorker } from './worker.ts';

/** Questions under way at once. What could not be asked in time is not made up for. */
const ASKING_MAX = 200;

export interface CallersOrders {
  readonly url: string;
  /** When the run began, ms since 1970, and how it goes. */
  readonly startedAt: number;
  readonly course: Course;
  /** Questions a second. */
  readonly rate: number;
}

export interface CallersTold {
  readonly fares: Readonly<Record<Part, Fared>>;
  /** Answers that there should never be. */
  readonly unexpected: number;
  /** How late the process was at most since it was last asked, ms: of its times, what is not the program's. */
  readonly lateMs: number;
}

const fares = { alone: new Fare(), beside: new Fare(), faulty: new Fare() };
const delay = monitorEventLoopDelay({ resolution: 10 });
let unexpected = (): number => 0;

async function begin({ url, startedAt, course, rate }: CallersOrders): Promise<void> {
  delay.enable();
  const honest = new Honest(new Pool(url, { connections: CALLER_CONNECTIONS }));
  unexpected = () => honest.unexpected;
  const offset = startedAt - performance.timeOrigin;
  const fareOf = (from: number, until: number): Fare => fares[partOf(course, from - offset, until - offset)];
  const asking = new Set<Promise<void>>();
  for (let asked = 0; ;) {
    const at = performance.now() - offset;
    if (at >= course.runMs) return;
    for (; asked < (at / 1000) * rate && asking.size < ASKING_MAX; asked++) {
      const one = honest.ask(fareOf).finally(() => asking.delete(one));
      asking.add(one);
    }
    asked = Math.max(asked, Math.floor((at / 1000) * rate) - ASKING_MAX);
    // oxlint-disable-next-line no-await-in-loop -- this is the pace
    await sleep(5);
  }
}

function tell(): CallersTold {
  const lateMs = delay.max / 1e6;
  delay.reset();
  const told = { alone: fares.alone.told, beside: fares.beside.told, faulty: fares.faulty.told };
  return { fares: told, unexpected: unexpected(), lateMs };
}

serveWorker((orders) => void begin(orders as CallersOrders), tell);
