// The caches beside each other.

import { percent, printTable } from '../table.ts';
import { FeedFloor } from './feed-floor.ts';
import { Floor } from './floor.ts';
import { OPTIONS, WITH_FEED } from './options.ts';
import type { Policy } from './policies.ts';
import {
  Backscroll,
  feedsFrom,
  FRESHNESS,
  MEMORY_BYTES,
  PageCache,
  SHADOW_RATE,
  ttlByUrl,
  ttlOfClosedPages,
  ttlOfSettledPages,
} from './policies.ts';
import { READER_KINDS, READERS } from './readers.ts';
import { START, Trace } from './trace.ts';
import { BACKGROUND, CAUSES, LATENCY } from './upstream.ts';
import { WORLD } from './world.ts';

const { seed, hours, people } = OPTIONS;
const startedAt = performance.now();

const trace = new Trace(OPTIONS);
const { time, world, none } = trace;
const byPage = new PageCache('page key, closed pages', ttlOfClosedPages, world, time);
const bySettledPage = new PageCache('page key, also short', ttlOfSettledPages, world, time);
const backscroll = new Backscroll(world, time);
const fed = WITH_FEED ? feedsFrom(START, seed).map((feed) => new Backscroll(world, time, { feed })) : [];
const policies: readonly Policy[] = [
  none,
  new PageCache('URL key, TTL', ttlByUrl, world, time),
  byPage,
  bySettledPage,
  backscroll,
  ...fed,
];

const strictFloor = new Floor(world.truth, true);
const floor = new Floor(world.truth, false);
const feedFloor = new FeedFloor(world);

const scores = await trace.run(policies, (conversationId, query) => {
  if (query.mode === 'latest') feedFloor.asked(conversationId, time.now);
  return (rows) => {
    for (const each of [strictFloor, floor]) each.shown(conversationId, query, rows, time.now);
  };
});

const { lengths, events } = world;
const rowsAtStart = lengths.reduce((sum, length) => sum + length, 0);
console.log(
  `Reference trace: seed ${seed}, ${hours} virtual hours, ${((performance.now() - startedAt) / 1000).toFixed(1)} s of real time`,
);
console.log(`world    ${JSON.stringify(WORLD)}`);
console.log(`         rows at start ${rowsAtStart}, longest conversation ${Math.max(...lengths)}, ${JSON.stringify(events)}`);
console.log(`readers  ${JSON.stringify({ ...READERS, people })}`);
console.log(
  `caches   ${JSON.stringify({ ...FRESHNESS, memoryBytes: MEMORY_BYTES, shadowRate: SHADOW_RATE })}, Chatwoot ${JSON.stringify(LATENCY)}`,
);
console.log('         URL key: TTL is HISTORY_MAX_AGE for history, TAIL_MAX_AGE for the newest page');
console.log(
  '         page key: a full `before` page with a settled cursor is kept for HISTORY_MAX_AGE, the rest for TAIL_MAX_AGE;',
);
console.log(
  '         "also short": the last page of a walk, too. All page caches share concurrent reads and have endless memory',
);

const HISTORY = CAUSES.filter((cause) => cause !== 'newest');
printTable(
  'Client reads and upstream calls ("history" counts what is read behind answers)',
  ['cache', 'reads: history', 'newest', 'all', 'calls: history', 'newest', 'all', 'hits: history', 'newest', 'all'],
  policies.map((policy) => {
    const { history, newest } = scores.get(policy)!;
    const { upstream } = policy;
    return [
      policy.name,
      history.reads,
      newest.reads,
      history.reads + newest.reads,
      upstream.total('calls', HISTORY),
      upstream.total('calls', ['newest']),
      upstream.total('calls'),
      percent(history.hits, history.reads),
      percent(newest.hits, newest.reads),
      percent(history.hits + newest.hits, history.reads + newest.reads),
    ];
  }),
);
printTable(
  'Upstream rows, and answers against the truth',
  [
    'cache',
    'rows: history',
    'behind',
    'newest',
    'all',
    'wrong rows',
    'old content',
    'misses old row',
    'outdated settled row in newest page',
  ],
  policies.map((policy) => {
    const { history, newest } = scores.get(policy)!;
    const { upstream } = policy;
    return [
      policy.name,
      upstream.total('rows', HISTORY),
      upstream.total('rows', BACKGROUND),
      upstream.total('rows', ['newest']),
      upstream.total('rows'),
      history.wrongRows + newest.wrongRows,
      history.oldContent + newest.oldContent,
      history.missesRow + newest.missesRow,
      newest.showsPast,
    ];
  }),
);

if (WITH_FEED) {
  printTable(
    'The feed: all calls, pollers included, and messages that answers lack',
    ['cache', 'calls', '/ page key', 'bound', 'lacks what had been told', 'lacks what is older than FEED_MAX_AGE', 'wrong rows'],
    [backscroll, ...fed].map((policy) => {
      const { history, newest } = scores.get(policy)!;
      const total = policy.upstream.total('calls');
      return [
        policy.name,
        total,
        (total / byPage.upstream.total('calls')).toFixed(3),
        policy === fed[0] ? (1 / 12).toFixed(3) : '',
        history.missesTold + newest.missesTold,
        history.missesRow + newest.missesRow,
        history.wrongRows + newest.wrongRows,
      ];
    }),
  );
  const { first, changed, aged } = feedFloor;
  const least = first + changed + floor.historyCalls;
  const share = (calls: number): string => (calls / byPage.upstream.total('calls')).toFixed(3);
  console.log('\nFloor for any cache that hears of every change at once:');
  console.log(
    `  ${first} reads of newest pages for the first time, ${changed} of changed ones, ${floor.historyCalls} of history: ${share(least)}`,
  );
  console.log(`  and ${aged} of newest pages that are older than FEED_MAX_AGE: ${share(least + aged)}`);
  printTable(
    'The feed: calls by reason',
    ['cache', ...CAUSES],
    fed.map(({ name, upstream }) => [name, ...CAUSES.map((cause) => upstream.tallies.get(cause)!.calls)]),
  );
}
for (const [rule, { newestRows, historyRows, historyCalls }] of [
  ['settled rows of newest pages may be as old as history', floor],
  ['newest pages as of now', strictFloor],
] as const) {
  console.log(`\nFloor for any cache, knowing the future (${rule}):`);
  console.log(`  ${newestRows} rows for newest pages, ${historyRows} for history, ${historyCalls} history calls`);
}
const ratio = (part: number, whole: number): string => (part / whole).toFixed(3);
const behindRows = backscroll.upstream.total('rows', BACKGROUND);
const mine = scores.get(backscroll)!;
printTable(
  'Ratios',
  ['what', 'ratio', 'bound'],
  [
    ...[byPage, bySettledPage].flatMap((peer) => [
      [
        `history calls, Backscroll / ${peer.name}`,
        ratio(backscroll.upstream.total('calls', HISTORY), peer.upstream.total('calls', HISTORY)),
        peer === byPage ? '0.2' : '',
      ],
      [
        `all rows, Backscroll / ${peer.name}`,
        ratio(backscroll.upstream.total('rows'), peer.upstream.total('rows')),
        peer === byPage ? '0.5' : '',
      ],
      [
        `history rows, Backscroll / ${peer.name}`,
        ratio(backscroll.upstream.total('rows', HISTORY), peer.upstream.total('rows', HISTORY)),
        '',
      ],
    ]),
    ...(
      [
        ['', floor],
        [' with newest pages as of now', strictFloor],
      ] as const
    ).map(([rule, { newestRows, historyRows }]) => [
      `floor: all rows, any cache${rule} / ${byPage.name}`,
      ratio(newestRows + historyRows, byPage.upstream.total('rows')),
      '',
    ]),
    [`floor: history calls, any cache / ${byPage.name}`, ratio(floor.historyCalls, byPage.upstream.total('calls', HISTORY)), ''],
    ['rows read behind / rows in answers to history reads', ratio(behindRows, mine.history.rows), '2'],
    ['rows read behind / rows in all answers', ratio(behindRows, mine.history.rows + mine.newest.rows), ''],
    [
      'rows read behind / rows read upstream for callers',
      ratio(behindRows, backscroll.upstream.total('rows') - behindRows),
      '2?',
    ],
    [
      'rows read behind / rows read for history callers',
      ratio(behindRows, backscroll.upstream.total('rows', ['history', 'fill'])),
      '',
    ],
  ],
);
printTable(
  "Backscroll's upstream reads by reason",
  ['reason', 'calls', 'rows', 'rows/call', 'rows known before', 'new rows', 'of these shown by a hit', 'modes'],
  [...backscroll.upstream.tallies].map(([cause, { calls, rows, rowsKnown, rowsUsed, modes }]) => [
    cause,
    calls,
    rows,
    calls === 0 ? 0 : rows / calls,
    percent(rowsKnown, rows),
    rows - rowsKnown,
    percent(rowsUsed, rows - rowsKnown),
    [...modes].map(([mode, count]) => `${mode} ${count}`).join(', '),
  ]),
);
printTable(
  'Share of hits by reader (history reads only, poller: newest page)',
  ['cache', ...READER_KINDS],
  policies.map((policy) => {
    const { byReader } = scores.get(policy)!;
    return [
      policy.name,
      ...READER_KINDS.map((reader) => percent(byReader.get(reader)?.hits ?? 0, byReader.get(reader)?.reads ?? 0)),
    ];
  }),
);
printTable(
  "Backscroll's misses of history reads by what the conversation had seen",
  ['what', 'misses', 'share'],
  mine.missTable(),
);
printTable(
  'What the engine learnt',
  ['outcome', 'readings'],
  [...backscroll.learnt, ['shadow checks that differed', backscroll.shadowDifferences]],
);
console.log(
  `\nBackscroll holds ${backscroll.engine.size.conversations} conversations, ${(backscroll.engine.size.bytes / 2 ** 20).toFixed(1)} MiB by its own account`,
);
for (const policy of policies) {
  for (const example of scores.get(policy)!.examples) console.log(`${policy.name}: ${example}`);
}
