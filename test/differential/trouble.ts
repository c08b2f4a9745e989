// What goes wrong with Chatwoot, and when: long times of health, short ones in which every read meets the same fault, and now and
// then a single read that does.

import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import type { Fault } from '../support/fake-chatwoot/fault.ts';
import { Gate } from '../support/fake-chatwoot/gate.ts';
import type { LoggedRequest } from '../support/fake-chatwoot/request-log.ts';
import type { Front } from '../faults/front.ts';
import type { Chance } from './chance.ts';
import { ACCOUNT } from './world.ts';

export interface TroubleOptions {
  readonly chatwoot: FakeChatwoot;
  /** What the program knows as Chatwoot's address. */
  readonly front: Front;
  readonly chance: Chance;
  readonly now: () => number;
  /** Which of the lasting faults comes first; the others follow in turn. */
  readonly first: number;
}

/**
 * After a fault has gone callers may still hear of it: reads under way run into their time-out, a breaker that has opened probes
 * every five seconds, and a probe may itself be slow.
 */
const RECOVERY_MS = 10_000;
/** A caller may have joined a read that met the fault a little earlier. */
const ECHO_MS = 500;

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };

const HTML = { 'content-type': 'text/html; charset=UTF-8' };
const PAGE = '<!DOCTYPE html><html><body>Just a moment</body></html>';

/** Nothing listens; the answer is that to the same question about another conversation. */
type OwnFault = 'closed' | 'off by one';

/** Every read meets it while it lasts. Those with another's page or words are not Chatwoot's, whatever their status. */
const LASTING: readonly (Fault | OwnFault)[] = [
  'closed',
  'off by one',
  { kind: 'status', status: 401, headers: HTML, body: PAGE },
  { kind: 'status', status: 403, headers: { ...HTML, 'cf-mitigated': 'challenge' }, body: PAGE },
  { kind: 'status', status: 403, headers: JSON_TYPE, body: '{"message":"blocked"}' },
  { kind: 'status', status: 404, headers: HTML, body: PAGE },
  { kind: 'status', status: 500, headers: JSON_TYPE, body: '{"status":500,"error":"Internal Server Error"}' },
  { kind: 'status', status: 502 },
  { kind: 'status', status: 503 },
  { kind: 'status', status: 504 },
  { kind: 'status', status: 429, headers: { 'retry-after': '1' } },
  { kind: 'refuse-headers-reset' },
  { kind: 'reset-mid-body' },
  { kind: 'truncated' },
  { kind: 'hang' },
  { kind: 'slow-drip', bytesPerChunk: 200, everyMs: 50 },
  { kind: 'not-json' },
  { kind: 'wrong-shape' },
  { kind: 'redirect', location: 'https://chatwoot.example.test/' },
];

/** A read that meets one of these is sent again, and nobody hears of it. */
const PASSING: readonly Fault[] = [
  { kind: 'status', status: 502 },
  { kind: 'status', status: 503 },
  { kind: 'status', status: 504 },
  { kind: 'refuse-headers-reset' },
];

/** Conversations that are always there. */
const OTHER = [1, 2] as const;

const PASSING_SHARE = 0.003;
const FAILING_SHARE = 0.001;
const SLOW_SHARE = 0.04;
const SLOW_MAX_MS = 500;

export class Trouble {
  readonly #options: TroubleOptions;
  readonly #times: { readonly from: number; until: number }[] = [];
  #fault: Fault | OwnFault | undefined;
  #isLasting = false;
  #changeAt: number;
  readonly #seen = new Set<string>();
  #turns: number;

  constructor(options: TroubleOptions) {
    this.#options = options;
    this.#turns = options.first;
    this.#changeAt = options.now() + options.chance.between(4_000, 8_000);
    options.chatwoot.fault = (_number, request) => this.#faultOfOne(request);
  }

  /** The kinds of faults that there were. */
  get kinds(): readonly string[] {
    return [...this.#seen];
  }

  /** Whether callers may hear of a fault at some moment from `from` to `until`. */
  wasOn(from: number, until: number): boolean {
    return this.#times.some((time) => time.from <= until && time.until > from);
  }

  /** Begins or ends a fault where its time has come. */
  async turn(): Promise<void> {
    const { now, chance, front } = this.#options;
    const at = now();
    if (at < this.#changeAt) return;
    if (this.#isLasting) {
      this.#isLasting = false;
      this.#fault = undefined;
      await front.reopen();
      this.#times.at(-1)!.until = now() + RECOVERY_MS;
      this.#changeAt = now() + RECOVERY_MS + chance.between(5_000, 9_000);
      return;
    }
    const next = LASTING[this.#turns++ % LASTING.length]!;
    this.#isLasting = true;
    this.#changeAt = at + chance.between(500, 3_000);
    this.#times.push({ from: at, until: Infinity });
    this.#seen.add(typeof next === 'string' ? next : next.kind === 'status' ? String(next.status) : next.kind);
    this.#fault = next;
    if (next === 'closed') front.shut();
  }

  #faultOfOne(request: LoggedRequest): Fault | undefined {
    const { now, chance } = this.#options;
    if (this.#fault === 'off by one') return this.#offByOne(request);
    if (this.#fault !== undefined && this.#fault !== 'closed') return this.#fault;
    const share = chance.next();
    const at = now();
    if (share < SLOW_SHARE) return this.#slow();
    // A breaker on its way to close is not to be kept from it: that time is in RECOVERY_MS once.
    if (this.wasOn(at, at)) return undefined;
    if (share < SLOW_SHARE + PASSING_SHARE) return chance.pick(PASSING);
    if (share > SLOW_SHARE + PASSING_SHARE + FAILING_SHARE) return undefined;
    this.#times.push({ from: at, until: at + ECHO_MS });
    return { kind: 'status', status: 500, headers: JSON_TYPE, body: '{"status":500,"error":"Internal Server Error"}' };
  }

  /** Undefined where the other page is empty: nothing on it says whose it is. */
  #offByOne({ path, search }: LoggedRequest): Fault | undefined {
    const { table } = this.#options.chatwoot;
    const other = Number(/conversations\/(\d+)\//.exec(path)?.[1]) === OTHER[0] ? OTHER[1] : OTHER[0];
    const parameters = new URLSearchParams(search);
    const [before, after] = ['before', 'after'].map((name) => parameters.get(name));
    const body = table.body(ACCOUNT, other, {
      ...(before == null ? {} : { before: Number(before) }),
      ...(after == null ? {} : { after: Number(after) }),
      publicOnly: parameters.has('filter_internal_messages'),
    });
    return body.endsWith('"payload":[]}') ? undefined : { kind: 'status', status: 200, headers: JSON_TYPE, body };
  }

  #slow(): Fault {
    const { chance } = this.#options;
    const gate = new Gate();
    setTimeout(() => gate.release(), chance.between(10, SLOW_MAX_MS));
    return { kind: 'delay-gate', gate, point: chance.isTrue(0.5) ? 'after-read' : 'before-read' };
  }
}
