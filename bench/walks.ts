// Upstream calls of whole walks through one conversation. Ends with 1 where one takes more than it may.
//
//   npm run bench:walks [-- --pause ms] [--tail ms] [--reads]

import { parseArgs } from 'node:util';
import { printTable } from './table.ts';
import { LATENCY_MS, OTHERS_BETWEEN, ROW_LATENCY_MS, walkAll } from './walks/house.ts';

const { values } = parseArgs({
  options: {
    pause: { type: 'string', default: '200' },
    tail: { type: 'string', default: '0' },
    reads: { type: 'boolean', default: false },
  },
});
const pauseMs = Number(values.pause);
const tailMaxAgeMs = Number(values.tail);
const DAY_MS = 86_400_000;

const walked = await walkAll(pauseMs, tailMaxAgeMs);
console.log(
  `Walks: ${OTHERS_BETWEEN} ids of other conversations between two rows, ${pauseMs} ms between two requests, TAIL_MAX_AGE ${tailMaxAgeMs} ms, Chatwoot takes ${LATENCY_MS} ms + ${ROW_LATENCY_MS} ms a row`,
);
printTable(
  'Upstream calls of whole walks, what is read behind included',
  ['walk', 'view', 'process', 'last row', 'requests', 'calls', 'bound', 'kept', 'rows read', 'wrong'],
  walked.map(({ walk, setting, requests, calls, bound, rowsRead, wrong }) => [
    walk,
    setting.publicOnly ? 'customer' : 'agent',
    setting.running ? 'running for a while' : 'just started',
    setting.idleMs >= DAY_MS ? 'days old' : `${setting.idleMs / 1000} s old`,
    requests,
    calls,
    bound,
    calls <= bound ? 'yes' : 'NO',
    rowsRead,
    wrong,
  ]),
);
if (values.reads) for (const { walk, setting, reads } of walked) console.log(`${walk} ${JSON.stringify(setting)}: ${reads}`);
if (walked.some(({ calls, bound, wrong }) => calls > bound || wrong > 0)) process.exitCode = 1;
