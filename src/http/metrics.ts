// Numbers for Prometheus. One registry for each app, so that several can live in one process.

import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { CacheObserver, ReadReason, ShadowDifference } from '../cache/observer.ts';
import { READ_REASONS } from '../cache/observer.ts';
import type { Outcome } from '../cache/outcome.ts';
import { OUTCOMES } from '../cache/outcome.ts';
import { REFUSALS, type Refusal } from '../clients/refusal.ts';
import type { ProtectionEvent } from '../upstream/protected-upstream.ts';
import type { ReadPriority } from '../upstream/upstream.ts';
import type { LearnOutcome } from '../timeline/learn.ts';
import type { Refutation } from '../timeline/sequence.ts';
import type { ConversationId } from '../upstream/upstream.ts';

/** Answered requests that are noted before they are counted. */
const ANSWERED_MAX = 256;

const REQUEST_BUCKETS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export interface CacheSize {
  readonly bytes: number;
  readonly conversations: number;
  readonly inFlight: number;
}

export class Metrics implements CacheObserver {
  readonly registry = new Registry();
  /** Whether history is answered by exact query only since shadow checks differed. */
  hasFallenBack = false;
  readonly #requests: Counter<'outcome' | 'status'>;
  readonly #requestDuration: Histogram<'outcome'>;
  readonly #answered: { readonly outcome: Outcome | null; readonly status: number; readonly durationMs: number }[] = [];
  /** The parts for each outcome and status, found once. */
  readonly #requestsOf = new Map<Outcome | null, Map<number, Counter.Internal>>();
  readonly #durationOf = new Map<Outcome | null, Histogram.Internal<'outcome'>>();
  readonly #upstreamReads: Counter<'reason'>;
  readonly #upstreamAnswers: Counter<'status'>;
  readonly #upstreamDuration: Histogram;
  readonly #upstreamWait: Histogram<'priority'>;
  readonly #readings: Counter<'outcome'>;
  readonly #contradictions: Counter;
  readonly #sequenceRefutations: Counter;
  readonly #cachedUpstream: Counter;
  readonly #withheldRows: Counter;
  readonly #behindFailures: Counter;
  readonly #shadowChecks: Counter<'outcome'>;
  readonly #exactMode: Gauge;
  readonly #protection: Counter<'event'>;
  readonly #breakerOpen: Gauge;
  readonly #clientsFileFailures: Gauge;
  readonly #credentialsRefused: Counter<'reason'>;
  readonly #signingKeyFetches: Counter<'outcome'>;

  readonly #size: () => CacheSize;

  constructor(size: () => CacheSize) {
    this.#size = size;
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    // An answered request is noted, and counted when somebody looks, or there are many: many at once cost much less than each alone.
    const collect = (): void => this.#countAnswered();
    this.#requests = new Counter({
      collect,
      name: 'backscroll_requests_total',
      help: 'Requests for messages by what the cache did (none: answered with an error) and status',
      labelNames: ['outcome', 'status'],
      registers,
    });
    this.#requestDuration = new Histogram({
      collect,
      name: 'backscroll_request_duration_seconds',
      help: 'Time from request to answer by what the cache did',
      labelNames: ['outcome'],
      buckets: REQUEST_BUCKETS_S,
      registers,
    });
    this.#upstreamReads = new Counter({
      name: 'backscroll_upstream_reads_total',
      help: 'Reads asked of Chatwoot by reason: forward and fill for a caller, seal for it and those after it, refresh, meta and shadow behind',
      labelNames: ['reason'],
      registers,
    });
    this.#upstreamAnswers = new Counter({
      name: 'backscroll_upstream_answers_total',
      help: 'Answers of Chatwoot by status, or why there was none',
      labelNames: ['status'],
      registers,
    });
    this.#upstreamDuration = new Histogram({
      name: 'backscroll_upstream_duration_seconds',
      help: 'Time Chatwoot took to answer',
      buckets: REQUEST_BUCKETS_S,
      registers,
    });
    this.#upstreamWait = new Histogram({
      name: 'backscroll_upstream_wait_seconds',
      help: 'Time that reads waited for their turn within UPSTREAM_RATE and UPSTREAM_CONNECTIONS, for callers and behind answers',
      labelNames: ['priority'],
      buckets: REQUEST_BUCKETS_S,
      registers,
    });
    this.#readings = new Counter({
      name: 'backscroll_readings_total',
      help: 'Answers of Chatwoot by what became of them: learnt, contradiction, outdated, foreign',
      labelNames: ['outcome'],
      registers,
    });
    this.#contradictions = new Counter({
      name: 'backscroll_contradictions_total',
      help: 'Readings that showed a row which could not exist; the conversation was forgotten each time',
      registers,
    });
    this.#sequenceRefutations = new Counter({
      name: 'backscroll_sequence_refutations_total',
      help: 'Messages created after a higher id had been read: a restored database, a stray id, a wrong clock; all was forgotten each time',
      registers,
    });
    this.#cachedUpstream = new Counter({
      name: 'backscroll_upstream_cached_answers_total',
      help: 'Pages that came out of a cache between here and Chatwoot; there should be none',
      registers,
    });
    this.#withheldRows = new Counter({
      name: 'backscroll_withheld_rows_total',
      help: 'Internal rows that came although they were filtered, and that the customer view left out; there should be none',
      registers,
    });
    this.#behindFailures = new Counter({
      name: 'backscroll_behind_failures_total',
      help: 'Failed reads that no answer needed',
      registers,
    });
    this.#shadowChecks = new Counter({
      name: 'backscroll_shadow_checks_total',
      help: 'Proved answers that were also read from Chatwoot, by whether it confirmed them',
      labelNames: ['outcome'],
      registers,
    });
    this.#exactMode = new Gauge({
      name: 'backscroll_exact_mode',
      help: '1 after shadow checks differed so often that history is answered by exact query only',
      registers,
    });
    this.#protection = new Counter({
      name: 'backscroll_upstream_protection_total',
      help: 'What kept Chatwoot from being asked too much: opened, closed, probe-failed, paused, retried, refused-… by reason',
      labelNames: ['event'],
      registers,
    });
    this.#breakerOpen = new Gauge({
      name: 'backscroll_upstream_breaker_open',
      help: '1 while Chatwoot keeps failing and is left alone but for probes',
      registers,
    });
    this.#clientsFileFailures = new Gauge({
      name: 'backscroll_clients_file_failures',
      help: 'Reads of CLIENTS_FILE in a row that failed',
      registers,
    });
    this.#credentialsRefused = new Counter({
      name: 'backscroll_credentials_refused_total',
      help: 'Requests whose credential was refused by reason, no-credential for none',
      labelNames: ['reason'],
      registers,
    });
    this.#signingKeyFetches = new Counter({
      name: 'backscroll_signing_key_fetches_total',
      help: 'Fetches of the keys at JWKS_URL by whether they brought any: fetched, failed',
      labelNames: ['outcome'],
      registers,
    });
    for (const outcome of [...OUTCOMES, null]) {
      this.#requestsOf.set(outcome, new Map());
      this.#durationOf.set(outcome, this.#requestDuration.labels({ outcome: outcome ?? 'none' }));
    }
    for (const reason of REFUSALS) this.#credentialsRefused.inc({ reason }, 0);
    gauge('backscroll_cache_bytes', 'Bytes that cached messages hold', () => size().bytes, registers);
    gauge('backscroll_cache_conversations', 'Conversations of which something is known', () => size().conversations, registers);
    gauge('backscroll_in_flight_reads', 'Reads under way or waiting', () => size().inFlight, registers);
    for (const outcome of OUTCOMES) this.#requests.inc({ outcome, status: '200' }, 0);
    for (const reason of READ_REASONS) this.#upstreamReads.inc({ reason }, 0);
  }

  get size(): CacheSize {
    return this.#size();
  }

  /** One answered request. `outcome` is null where it ended in an error. */
  answered(outcome: Outcome | null, status: number, durationMs: number): void {
    this.#answered.push({ outcome, status, durationMs });
    if (this.#answered.length >= ANSWERED_MAX) this.#countAnswered();
  }

  #countAnswered(): void {
    for (const { outcome, status, durationMs } of this.#answered) {
      this.#requestsWith(outcome, status).inc();
      this.#durationOf.get(outcome)!.observe(durationMs / 1000);
    }
    this.#answered.length = 0;
  }

  #requestsWith(outcome: Outcome | null, status: number): Counter.Internal {
    const ofOutcome = this.#requestsOf.get(outcome)!;
    const found = ofOutcome.get(status) ?? this.#requests.labels({ outcome: outcome ?? 'none', status });
    ofOutcome.set(status, found);
    return found;
  }

  /** One exchange with Chatwoot. */
  upstreamAnswered(status: number | string, durationMs: number): void {
    this.#upstreamAnswers.inc({ status: String(status) });
    this.#upstreamDuration.observe(durationMs / 1000);
  }

  /** A read had its turn at Chatwoot. */
  hadTurn(waitedMs: number, priority: ReadPriority): void {
    this.#upstreamWait.observe({ priority }, waitedMs / 1000);
  }

  upstreamRead(reason: ReadReason): void {
    this.#upstreamReads.inc({ reason });
  }

  learnt(outcome: LearnOutcome): void {
    this.#readings.inc({ outcome });
    if (outcome === 'contradiction') this.#contradictions.inc();
  }

  sequenceRefuted(_refutation: Refutation): void {
    this.#sequenceRefutations.inc();
  }

  /** A page that came out of a cache on the way. */
  cachedUpstream(): void {
    this.#cachedUpstream.inc();
  }

  /** Internal rows that only the customer view stopped. */
  withheld(rows: number): void {
    this.#withheldRows.inc(rows);
  }

  behindFailed(_error: unknown): void {
    this.#behindFailures.inc();
  }

  /** What kept Chatwoot from being asked too much. */
  protection(event: ProtectionEvent): void {
    const detail = event.kind === 'refused' ? `refused-${event.reason}` : event.kind;
    this.#protection.inc({ event: detail });
    if (event.kind === 'opened') this.#breakerOpen.set(1);
    if (event.kind === 'closed') this.#breakerOpen.set(0);
  }

  credentialRefused(reason: Refusal): void {
    this.#credentialsRefused.inc({ reason });
  }

  /** One fetch of the keys at JWKS_URL; `problem` is null where it brought them. */
  signingKeysFetched(problem: string | null): void {
    this.#signingKeyFetches.inc({ outcome: problem === null ? 'fetched' : 'failed' });
  }

  /** How many reads of the clients file in a row have failed. */
  clientsFileFailures(failures: number): void {
    this.#clientsFileFailures.set(failures);
  }

  shadowed(difference: ShadowDifference | null): void {
    this.#shadowChecks.inc({ outcome: difference === null ? 'confirmed' : 'different' });
  }

  fellBackToExact(conversation: ConversationId | null): void {
    if (conversation !== null) return;
    this.#exactMode.set(1);
    this.hasFallenBack = true;
  }
}

function gauge(name: string, help: string, value: () => number, registers: Registry[]): Gauge {
  return new Gauge({
    name,
    help,
    registers,
    collect() {
      this.set(value());
    },
  });
}
