// Several processes in the place of one: what they read upstream, with a log of readings that all share and without, where a balancer gives
// each request to any of them, and where it gives all of a conversation to one.

import { seededRandom } from '../../test/support/fake-chatwoot/seeded-random.ts';
import type { Query } from '../../src/timeline/query.ts';
import { percent, printTable } from '../table.ts';
import { OPTIONS, PROCESSES } from './options.ts';
import { Backscroll, type Policy, type PolicyAnswer } from './policies.ts';
import { Trace } from './trace.ts';
import { CAUSES, CountingUpstream } from './upstream.ts';
import { ROUND_TRIP_MS, VirtualLevel, VirtualLogs } from './virtual-log.ts';
import type { VirtualTime } from './virtual-time.ts';
import type { World } from './world.ts';

/** Which process a read is given to. */
type Balancing = 'at random' | 'by conversation';

interface ProcessesOptions {
  readonly count: number;
  readonly balancing: Balancing;
  readonly isShared: boolean;
}

const HISTORY = CAUSES.filter((cause) => cause !== 'newest');

class Processes implements Policy {
  readonly name: string;
  readonly upstream: CountingUpstream;
  readonly options: ProcessesOptions;
  readonly logs: VirtualLogs | null;
  sharedHits = 0;
  readonly #processes: readonly Backscroll[];
  readonly #random = seededRandom(2);

  constructor(world: World, time: VirtualTime, options: ProcessesOptions) {
    const { count, balancing, isShared } = options;
    this.name = `${count}, ${balancing}, ${isShared ? 'Redis' : 'alone'}`;
    this.options = options;
    const upstream = new CountingUpstream(world, time);
    const logs = isShared ? new VirtualLogs(time) : null;
    this.#processes = Array.from({ length: count }, () => {
      const shared = logs === null ? {} : { shared: new VirtualLevel(logs, time) };
      return new Backscroll(world, time, { upstream, memoryBytes: OPTIONS.memoryBytes, ...shared });
    });
    this.upstream = upstream;
    this.logs = logs;
  }

  async read(conversationId: number, query: Query): Promise<PolicyAnswer> {
    const answer = await this.#chosen(conversationId).read(conversationId, query);
    if (answer.hit && answer.isShared === true) this.sharedHits++;
    return answer;
  }

  /** What all of them know, MiB. */
  get memoryMiB(): number {
    return this.#processes.reduce((sum, { engine }) => sum + engine.size.bytes, 0) / 2 ** 20;
  }

  #chosen(conversationId: number): Backscroll {
    const { balancing, count } = this.options;
    const at = balancing === 'at random' ? Math.floor(this.#random() * count) : conversationId % count;
    return this.#processes[at]!;
  }
}

const { seed, hours, people, memoryBytes } = OPTIONS;
const startedAt = performance.now();
const trace = new Trace(OPTIONS);
const { time, world } = trace;
const one = new Processes(world, time, { count: 1, balancing: 'at random', isShared: false });
const others = (PROCESSES ?? []).flatMap((count) =>
  (count === 1 ? (['at random'] as const) : (['at random', 'by conversation'] as const)).flatMap((balancing) =>
    [false, true].map((isShared) => new Processes(world, time, { count, balancing, isShared })),
  ),
);
const all = [one, ...others.filter(({ options }) => options.count > 1 || options.isShared)];
const scores = await trace.run(all);

const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
console.log(
  `Reference trace over several processes: seed ${seed}, ${hours} virtual hours, ${people} people, ${seconds} s of real time`,
);
console.log(`Each process has ${memoryBytes / 2 ** 20} MiB. Redis is a log in this program, ${ROUND_TRIP_MS} ms away`);
printTable(
  'Calls to Chatwoot',
  [
    'processes',
    'balancing',
    'Redis',
    'calls',
    '/ one process',
    'for history',
    '/ one process',
    'hits',
    'of these by Redis',
    'MiB known',
    'round trips / read',
  ],
  all.map((policy) => {
    const { upstream, options, sharedHits, memoryMiB, logs } = policy;
    const { history, newest } = scores.get(policy)!;
    const [reads, hits] = [history.reads + newest.reads, history.hits + newest.hits];
    return [
      options.count,
      options.count === 1 ? '' : options.balancing,
      options.isShared ? 'yes' : 'no',
      ...[CAUSES, HISTORY].flatMap((causes) => {
        const calls = upstream.total('calls', causes);
        return [calls, (calls / one.upstream.total('calls', causes)).toFixed(3)];
      }),
      percent(hits, reads),
      options.isShared ? percent(sharedHits, hits) : '',
      memoryMiB.toFixed(1),
      logs === null ? '' : (logs.roundTrips / reads).toFixed(2),
    ];
  }),
);
printTable(
  'Answers against the truth',
  ['processes', 'wrong rows', 'old content', 'misses old row'],
  all.map((policy) => {
    const { history, newest } = scores.get(policy)!;
    return [
      policy.name,
      history.wrongRows + newest.wrongRows,
      history.oldContent + newest.oldContent,
      history.missesRow + newest.missesRow,
    ];
  }),
);
for (const policy of all) for (const example of scores.get(policy)!.examples) console.log(`${policy.name}: ${example}`);
