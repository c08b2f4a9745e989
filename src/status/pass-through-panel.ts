// The panel of what is passed for callers with a Chatwoot token of their own, from its metrics.

import type { Registry } from 'prom-client';
import type { Panel } from './panel.ts';
import { inMegabytes } from './panel.ts';
import { valuesOf } from './samples.ts';

export async function passThroughPanel(registry: Registry): Promise<Panel> {
  const [requests, bytes, reads] = await Promise.all([
    valuesOf(registry, 'backscroll_passed_requests_total'),
    valuesOf(registry, 'backscroll_passed_bytes_total'),
    valuesOf(registry, 'backscroll_own_token_reads_total'),
  ]);
  const sum = (values: typeof requests, isMeant: (value: (typeof requests)[number]) => boolean = () => true): number =>
    values.filter(isMeant).reduce((total, { value }) => total + value, 0);
  const failed = sum(requests, ({ labels }) => Number(labels['status']) >= 500);
  return {
    name: 'Pass-through',
    state: 'good',
    rows: [
      ['Passed', `${sum(requests)}, of which ${failed} failed`],
      ['Bodies', inMegabytes(sum(bytes))],
      [
        'Messages with own tokens',
        `${sum(reads)}, for ${sum(reads, ({ labels }) => labels['outcome'] === 'asked')} of which Chatwoot was asked`,
      ],
    ],
  };
}
