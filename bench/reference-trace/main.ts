// The reference trace: what each cache reads upstream, and what it gets wrong, for the same reads.
//
//   npx tsx bench/reference-trace/main.ts [--seed N] [--hours H] [--people N] [--tail ms] [--feed] [--feed-max-age ms]
//   npx tsx bench/reference-trace/main.ts --processes 1,2,4 [--memory 256mb] [--seed N] [--hours H] [--people N] [--tail ms]

import { PROCESSES } from './options.ts';

await (PROCESSES === null ? import('./caches.ts') : import('./processes.ts'));
