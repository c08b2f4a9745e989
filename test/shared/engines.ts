// Three engines over one log, in the place of one: what is read is learnt by one of them, which appends it, and any of them answers, from
// what it has taken. The log loses, repeats, delays and reorders entries, is evicted, and is folded at any time; the clocks of the engines
// are hours behind, and that of the log's server is anywhere.

import type { SharedReading } from '../../src/cache/shared-level.ts';
import { ServerClock } from '../../src/shared/clock.ts';
import { foldReadings } from '../../src/shared/fold.ts';
import type { Timeline } from '../../src/timeline/timeline.ts';
import type { Subject } from '../timeline/law/history.ts';
import { FRESHNESS } from '../timeline/law/history.ts';
import { REAL_SUBJECT } from '../timeline/law/law.ts';

const ENGINES = 3;
const HOUR_MS = 3_600_000;
/** No exchange takes that long: else a reading that is taken for younger by as much would be no matter. */
const TRAVEL_MS_MAX = 20_000;

/** Numbers that follow from a script, so that a history tells the same again. */
class Chances {
  #state: number;

  constructor(script: Uint8Array) {
    this.#state = script.reduce((sum, byte) => Math.imul(sum ^ byte, 16_777_619) >>> 0, 2_166_136_261);
  }

  /** A whole number from 0 to below `end`. */
  below(end: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * end);
  }
}

interface Entry {
  readonly readings: readonly SharedReading[];
}

export interface Mistakes {
  /** Takes readings for younger than they are. */
  readonly forgetsTheWay?: boolean;
}

/** @param mistakes for tests that see the law break */
export function enginesOver(script: Uint8Array, tally: { taken: number; folded: number }, mistakes: Mistakes = {}): Subject {
  const chances = new Chances(script);
  const serverAhead = (chances.below(48) - 24) * HOUR_MS;
  const engines = Array.from({ length: ENGINES }, () => {
    const behindMs = chances.below(12) * HOUR_MS + chances.below(1000);
    const clock = new ServerClock();
    return { timeline: REAL_SUBJECT.EMPTY_TIMELINE, behindMs, clock };
  });
  let log: Entry[] = [];
  let latest = 0;
  const sample = (engine: (typeof engines)[number], now: number): void => {
    const [there, back] = [chances.below(TRAVEL_MS_MAX), chances.below(TRAVEL_MS_MAX)];
    const at = now - engine.behindMs;
    engine.clock.sample({ sentAt: at - there - back, toldMs: now - back + serverAhead, receivedAt: at });
  };
  const any = (): (typeof engines)[number] => engines[chances.below(ENGINES)]!;
  const learnInto = (engine: (typeof engines)[number], { reading, vouched }: SharedReading): ReturnType<Subject['learn']> => {
    const context = {
      vouched,
      settleMs: FRESHNESS.settleMs,
      expiredBefore: reading.askedAt - 2 * FRESHNESS.historyMaxAgeMs,
    };
    const learnt = REAL_SUBJECT.learn(engine.timeline, reading, context);
    engine.timeline = learnt.timeline;
    return learnt;
  };

  function take(engine: (typeof engines)[number], now: number): void {
    sample(engine, now);
    // Some come, in any order, and again.
    const entries = log.filter(() => chances.below(4) > 0).toSorted(() => chances.below(3) - 1);
    for (const { readings } of entries) {
      for (const { reading, vouched } of readings) {
        const askedAt = mistakes.forgetsTheWay === true ? now - engine.behindMs : engine.clock.toOurs(reading.askedAt);
        if (now + serverAhead < reading.askedAt) throw new Error('from the future');
        learnInto(engine, { vouched, reading: { ...reading, askedAt } });
        tally.taken++;
      }
    }
  }

  function fold(now: number): void {
    const upTo = chances.below(log.length + 1);
    const readings = log.slice(0, upTo).flatMap((entry) => entry.readings);
    const folded = foldReadings(readings, { now: now + serverAhead, freshness: FRESHNESS });
    log = [...log.slice(upTo), { readings: folded }];
    tally.folded++;
  }

  return {
    ...REAL_SUBJECT,
    learn(timeline: Timeline, reading, { vouched }) {
      latest = Math.max(latest, reading.askedAt);
      const engine = any();
      if (timeline === REAL_SUBJECT.EMPTY_TIMELINE) engine.timeline = timeline;
      sample(engine, latest);
      const ours = { vouched, reading: { ...reading, askedAt: reading.askedAt - engine.behindMs } };
      const learnt = learnInto(engine, ours);
      const isLost = chances.below(5) === 0;
      if (!isLost && (learnt.outcome === 'learnt' || learnt.outcome === 'contradiction')) {
        const askedAt = engine.clock.toServer(ours.reading.askedAt);
        log.push({ readings: [{ vouched, reading: { ...reading, askedAt } }] });
      }
      if (chances.below(12) === 0) log = [];
      if (chances.below(6) === 0) fold(latest);
      return learnt;
    },
    prove(_timeline, query, context) {
      latest = Math.max(latest, context.now);
      const engine = any();
      if (chances.below(2) === 0) take(engine, context.now);
      if (chances.below(20) === 0) engine.timeline = REAL_SUBJECT.EMPTY_TIMELINE;
      const now = context.now - engine.behindMs;
      return REAL_SUBJECT.prove(engine.timeline, query, { ...context, now });
    },
  };
}
