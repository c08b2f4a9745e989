// The panel of what several processes share over Redis, from its metrics.

import type { Registry } from 'prom-client';
import type { Panel } from './panel.ts';
import { valuesOf } from './samples.ts';

export async function sharedPanel(registry: Registry): Promise<Panel> {
  const valueOf = async (name: string): Promise<number> => (await valuesOf(registry, `backscroll_shared_${name}`))[0]?.value ?? 0;
  const [up, processes, hits, cutOffs] = await Promise.all(['up', 'processes', 'hits_total', 'cut_off_total'].map(valueOf));
  return {
    name: 'Shared over Redis',
    state: up === 1 ? 'good' : 'warn',
    rows: [
      ['Redis', up === 1 ? 'answers' : 'cannot be used: this process goes on alone'],
      ['Processes', String(processes)],
      ['Hits by what others had read', String(hits)],
      ['Everything forgotten', `${cutOffs} times, for changes that were missed`],
    ],
  };
}
