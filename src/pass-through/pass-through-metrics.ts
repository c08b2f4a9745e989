// Numbers of what is passed.

import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { PERMITTED, type Permitted } from './own-messages.ts';

/** A request that was passed, or was to be. */
export interface Passed {
  readonly method: string;
  readonly route: string;
  /** Of what the caller got. */
  readonly status: number;
  readonly durationMs: number;
  /** Of bodies, from the caller and to it. */
  readonly bytes: { readonly sent: number; readonly returned: number };
}

const BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export class PassThroughMetrics {
  readonly #requests: Counter<'method' | 'route' | 'status'>;
  readonly #bytes: Counter<'direction'>;
  readonly #duration: Histogram;
  readonly #permissions: Counter<'outcome'>;

  constructor(registry: Registry, running: () => number) {
    const registers = [registry];
    this.#requests = new Counter({
      name: 'backscroll_passed_requests_total',
      help: "Requests for the rest of Chatwoot's API by method, shape of the route and status",
      labelNames: ['method', 'route', 'status'],
      registers,
    });
    this.#bytes = new Counter({
      name: 'backscroll_passed_bytes_total',
      help: 'Bytes of bodies that were passed: sent to Chatwoot, returned to callers',
      labelNames: ['direction'],
      registers,
    });
    this.#duration = new Histogram({
      name: 'backscroll_passed_duration_seconds',
      help: 'Time from a passed request to the end of its answer',
      buckets: BUCKETS_S,
      registers,
    });
    const gauge: Gauge = new Gauge({
      name: 'backscroll_passed_running',
      help: 'Requests that are being passed',
      registers,
      collect: () => gauge.set(running()),
    });
    this.#permissions = new Counter({
      name: 'backscroll_own_token_reads_total',
      help: 'Requests for messages with an own token: live (allowed within the last seconds), asked (Chatwoot was asked and allowed it), refused',
      labelNames: ['outcome'],
      registers,
    });
    for (const direction of ['sent', 'returned']) this.#bytes.inc({ direction }, 0);
    for (const outcome of PERMITTED) this.#permissions.inc({ outcome }, 0);
  }

  passed({ method, route, status, durationMs, bytes }: Passed): void {
    this.#requests.inc({ method, route, status });
    this.#bytes.inc({ direction: 'sent' }, bytes.sent);
    this.#bytes.inc({ direction: 'returned' }, bytes.returned);
    this.#duration.observe(durationMs / 1000);
  }

  permitted(outcome: Permitted): void {
    this.#permissions.inc({ outcome });
  }
}
