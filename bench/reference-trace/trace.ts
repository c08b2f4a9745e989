// One run of the trace: everything that happens and is asked, with every policy.

import type { Query } from '../../src/timeline/query.ts';
import type { TraceOptions } from './options.ts';
import { NoCache, type Policy } from './policies.ts';
import { Readers, type Reader } from './readers.ts';
import { Scores } from './scores.ts';
import { VirtualTime } from './virtual-time.ts';
import { World } from './world.ts';

export const START = Date.UTC(2026, 0, 15, 9);

export class Trace {
  readonly time = new VirtualTime(START);
  readonly world: World;
  readonly none: NoCache;
  readonly #options: TraceOptions;

  constructor(options: TraceOptions) {
    this.#options = options;
    this.world = new World(options.seed, this.time);
    this.none = new NoCache(this.world, this.time);
  }

  /** Runs it for these policies, of which `none` may be one. `onAsked` hears of each read, and of Chatwoot's answer. */
  async run(policies: readonly Policy[], onAsked?: Asked): Promise<ReadonlyMap<Policy, Scores>> {
    const { time, world, none } = this;
    const { seed, people, hours } = this.#options;
    const scores = new Map([none, ...policies].map((policy) => [policy, new Scores(world, policy)]));
    /** The reader goes on when the slowest cache has answered: nobody asks for the next page before having this one. */
    const ask = async (reader: Reader, conversationId: number, query: Query) => {
      const answered = onAsked?.(conversationId, query);
      const read = async (policy: Policy) => {
        const askedAt = time.now;
        const answer = await policy.read(conversationId, query);
        scores.get(policy)!.add({ reader, conversationId, query, askedAt, answeredAt: time.now, ...answer });
        return answer.rows;
      };
      const [rows] = await Promise.all([read(none), ...policies.filter((policy) => policy !== none).map(read)]);
      answered?.(rows);
      return rows;
    };
    const readers = new Readers(seed, { time, world, ask, people });
    const until = START + hours * 3_600_000;
    world.start(until, readers.onIncoming);
    readers.start(until);
    await time.run();
    return scores;
  }
}

export type Asked = (conversationId: number, query: Query) => (rows: readonly { readonly id: number }[]) => void;
