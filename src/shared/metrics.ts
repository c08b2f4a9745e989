// Numbers of the shared level for Prometheus.

import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { SharedObserver } from './observer.ts';
import { ENTRY_REFUSALS, EXCHANGES, LEASE_EVENTS } from './observer.ts';

const BUCKETS_S = [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1];
const LAG_BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 30];

/** @param processes how many there are, as far as is known */
export function sharedMetrics(registry: Registry, processes: () => number): SharedObserver {
  const registers = [registry];
  const exchanges = new Counter({
    name: 'backscroll_shared_exchanges_total',
    help: 'Exchanges with Redis by what for and how they ended: ok, late, lost, refused, paused (not sent)',
    labelNames: ['exchange', 'end'],
    registers,
  });
  const duration = new Histogram({
    name: 'backscroll_shared_duration_seconds',
    help: 'Time that Redis took to answer',
    buckets: BUCKETS_S,
    registers,
  });
  const moved = new Counter({
    name: 'backscroll_shared_bytes_total',
    help: 'Sealed bytes of readings that were read from Redis (in) and written to it (out)',
    labelNames: ['direction'],
    registers,
  });
  const refused = new Counter({
    name: 'backscroll_shared_refused_entries_total',
    help: 'Entries that were not used: sealed (do not open), garbled, undated, large (not written)',
    labelNames: ['reason'],
    registers,
  });
  const leases = new Counter({
    name: 'backscroll_shared_leases_total',
    help: 'Reads for all processes: taken, held (by another process), kept (prolonged)',
    labelNames: ['event'],
    registers,
  });
  const lag = new Histogram({
    name: 'backscroll_shared_change_lag_seconds',
    help: 'Time from the announcement of a change to when this process heard of it',
    buckets: LAG_BUCKETS_S,
    registers,
  });
  const hits = new Counter({
    name: 'backscroll_shared_hits_total',
    help: 'Hits that were such only by what other processes had read; the others are by what this one knew',
    registers,
  });
  const readings = new Counter({
    name: 'backscroll_shared_readings_total',
    help: 'Readings of other processes by what became of them: learnt, contradiction, outdated, foreign',
    labelNames: ['outcome'],
    registers,
  });
  const cutOffs = new Counter({
    name: 'backscroll_shared_cut_off_total',
    help: 'How often changes may have been missed, so that everything was forgotten',
    registers,
  });
  const up = new Gauge({ name: 'backscroll_shared_up', help: '0 while Redis cannot be used', registers });
  up.set(1);
  void new Gauge({
    name: 'backscroll_shared_processes',
    help: 'Processes that share what they know, as far as this one has heard',
    registers,
    collect() {
      this.set(processes());
    },
  });
  for (const exchange of EXCHANGES) exchanges.inc({ exchange, end: 'ok' }, 0);
  for (const reason of ENTRY_REFUSALS) refused.inc({ reason }, 0);
  for (const event of LEASE_EVENTS) leases.inc({ event }, 0);
  return {
    exchanged(exchange, end, durationMs) {
      exchanges.inc({ exchange, end });
      if (end !== 'paused') duration.observe(durationMs / 1000);
    },
    moved: (direction, bytes) => moved.inc({ direction }, bytes),
    refused: (reason) => refused.inc({ reason }),
    lease: (event) => leases.inc({ event }),
    heard: (lagMs) => lag.observe(lagMs / 1000),
    hit: () => hits.inc(),
    learnt: (outcome) => readings.inc({ outcome }),
    cutOff: () => cutOffs.inc(),
    lost: () => up.set(0),
    back: () => up.set(1),
  };
}
