// Numbers of the edge: connections, what callers hold, pages in codings, log lines that went nowhere.

import { Counter, Gauge, type Registry } from 'prom-client';
import { CODING_EVENTS, type CodedPages } from './coded-pages.ts';
import { CODINGS } from './codings.ts';
import type { Connections } from './connections.ts';
import type { Renderer } from './render.ts';
import { CUT_REASONS, type UnreadAnswers } from './unread.ts';

export interface Edge {
  readonly connections: Connections;
  readonly unread: UnreadAnswers;
  readonly renderer: Renderer;
  readonly codedPages: CodedPages;
  readonly logLinesDropped: () => number;
}

export function registerEdgeMetrics(registry: Registry, edge: Edge): void {
  const { connections, unread, renderer, codedPages, logLinesDropped } = edge;
  const registers = [registry];
  gauge('backscroll_connections', "Callers' connections", () => connections.open);
  counter('backscroll_connections_refused_total', 'Connections that were too many to be accepted', () => connections.refused);
  gauge(
    'backscroll_unread_bytes',
    'Bytes of answers that wait to be taken by their callers, and of parts of large pages that wait to be made',
    () => unread.bytes,
  );
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

  const codings: Counter<'coding' | 'event'> = new Counter({
    name: 'backscroll_codings_total',
    help: 'Pages in codings: sent to callers, and what became of those to be made: made, useless, late, full, failed',
    labelNames: ['coding', 'event'],
    registers,
    collect() {
      codings.reset();
      for (const coding of CODINGS) {
        codings.inc({ coding, event: 'sent' }, codedPages.sent(coding));
        for (const event of CODING_EVENTS) codings.inc({ coding, event }, codedPages.count(coding, event));
      }
    },
  });
  const codedBytes: Gauge<'coding'> = new Gauge({
    name: 'backscroll_coded_bytes',
    help: 'Bytes of cached pages in codings, a part of backscroll_cache_bytes',
    labelNames: ['coding'],
    registers,
    collect() {
      for (const coding of CODINGS) codedBytes.set({ coding }, renderer.codedBytes(coding));
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
