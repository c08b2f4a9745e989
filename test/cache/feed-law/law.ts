// The law of the feed, over many random stories.

import fc from 'fast-check';
import type { Query } from '../../../src/timeline/query.ts';
import { FeedWorld, type Mode, type Sabotage, type Tally } from './world.ts';

const WAITS_MS = [1, 40, 300, 1_500, 5_000, 12_000, 50_000, 61_000, 130_000];

interface Step {
  readonly op: number;
  readonly conversation: number;
  readonly argument: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  op: fc.nat({ max: 31 }),
  conversation: fc.constantFrom(1, 1, 1, 2),
  argument: fc.nat({ max: 255 }),
});

async function tell(steps: readonly Step[], { sabotage, mode }: LawOptions, total: Tally): Promise<void> {
  const world = new FeedWorld(sabotage, mode);
  world.begin();
  for (const { op, conversation, argument } of steps) {
    world.wait(1); // Two things of one millisecond have no order.
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await take(world, op, conversation, argument);
  }
  await world.finish();
  for (const key of Object.keys(total) as (keyof Tally)[]) total[key] += world.tally[key];
}

async function take(world: FeedWorld, op: number, conversation: number, argument: number): Promise<void> {
  if (op < 4) world.write(conversation);
  else if (op < 6) world.edit(conversation, argument);
  else if (op === 6) world.changeMeta(conversation);
  else if (op === 7) world.rename(argument);
  else if (op < 14) world.deliver(argument % 4 === 0 ? argument >> 2 : 0, argument % 16 === 1);
  else if (op === 14) world.lose();
  else if (op < 23) await world.ask(conversation, queryOf(argument));
  else if (op < 26) world.wait(WAITS_MS[argument % WAITS_MS.length]!);
  else if (op === 26) world.hold();
  else if (op < 29) await world.release();
  else if (op === 29) world.begin();
  else if (op === 30 && argument < 100) world.end();
  else if (argument < 60) world.purge(conversation);
}

function queryOf(argument: number): Query {
  const publicOnly = argument % 8 === 7;
  const id = 100 + ((argument * 37) % 340);
  if (argument % 4 < 2) return { mode: 'latest', publicOnly };
  return argument % 4 === 2 ? { mode: 'before', before: id, publicOnly } : { mode: 'after', after: id, publicOnly };
}

export interface LawOptions {
  readonly runs: number;
  readonly seed?: number | undefined;
  readonly mode?: Mode;
  readonly sabotage?: Sabotage;
  readonly shrink?: boolean;
}

/** Checks the law over `runs` stories. @returns what was checked. @throws with the shrunk story where it breaks */
export async function runFeedLaw(options: LawOptions): Promise<Tally> {
  const { runs, seed, shrink = true } = options;
  const total: Tally = { answers: 0, hits: 0, fedHits: 0, behind: 0, heldOverEvent: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 80 }), (steps) => tell(steps, options, total)),
    { numRuns: runs, endOnFailure: !shrink, ...(seed === undefined ? {} : { seed }) },
  );
  return total;
}
