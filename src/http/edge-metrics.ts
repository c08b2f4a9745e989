// Numbers of the edge: connections, what callers hold, log lines that went nowhere.

import { Counter, Gauge, type Registry } from 'prom-client';
import type { Connections } from './connections.ts';
import { CUT_REASONS, type UnreadAnswers } from './unread.ts';

export interface Edge {
  readonly connections: Connections;
  readonly unread: UnreadAnswers;
  readonly logLinesDropped: () => number;
}

export function registerEdgeMetrics(registry: Registry, { connections, unread, logLinesDropped }: Edge): void {
  const registers = [registry];
  gauge('backscroll_connections', "Callers' connections", () => connections.open);
  counter('backscroll_connections_refused_total', 'Connections that were too many to be accepted', () => connections.refused);
  gauge('backscroll_unread_bytes', 'Bytes of answers that wait to be taken by their callers', () => unread.bytes);
  counter('backscroll_log_lines_dropped_total', 'Log lines that could not be written', logLinesDropped);
  const cuts: Counter<'reason'> = new Counter({
    name: 'backscroll_unread_cut_total',
    help: 'Connections cut because answers were not taken: stalled, full',
    labelNames: ['reason'],
    registers,
    collect() {
      cuts.reset();
      for (const reason of CUT_REASONS) cuts.inc({ reason }, unread.cut(reason));
    },
  });

  function gauge(name: string, help: string, value: () => number): void {
    const metric: Gauge = new Gauge({ name, help, registers, collect: () => metric.set(value()) });
  }

  function counter(name: string, help: string, value: () => number): void {
    const metric: Counter = new Counter({
      name,
      help,
      registers,
      collect() {
        metric.reset();
        metric.inc(value());
      },
    });
  }
}
