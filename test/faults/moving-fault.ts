// A fault moves through a scenario: it hits the first read of Chatwoot, the second, the third …, once and for good, and each answer
// is judged. `npm test` tries one fault of each kind, `npm run test:faults` all.

import { once } from 'node:events';
import { Pool } from 'undici';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ERROR_STATUS } from '../../src/errors.ts';
import type { Backscroll, TestClock } from '../support/backscroll.ts';
import { KEY, messagesOf, startBackscroll, testClock } from '../support/backscroll.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import type { Fault } from '../support/fake-chatwoot/fault.ts';
import type { FinderParams } from '../support/fake-chatwoot/finder.ts';
import { startSampleChatwoot } from '../support/fake-chatwoot/sample-account.ts';
import { Front } from './front.ts';
import { Ledger } from './ledger.ts';

/** UPSTREAM_TIMEOUT: so short that it can be waited for where the fault takes time, else so long that a slow machine keeps it. */
const TIMEOUT_MS = { slow: 150, quick: 4000 };
/** 1.5 times the timeout is the promise; the rest is for a machine that does other things too. */
const answeredWithinMs = (timeoutMs: number): number => 1.5 * timeoutMs + 5000;
/** Of conversation 1, enough for six pages and for a seal. */
const LONG_ROWS = 120;
/** Longer than any pause, any breaker and any memory of a missing conversation. */
const ALL_QUIET_MS = 120_000;
const MINUTE = 60_000;
const ADMIN_KEY = 'admin-key-of-the-tests';
const POSITIONS_MAX = 40;

type Kind = Fault | { readonly kind: 'refused' };

const status = (code: number, body?: string, headers?: Record<string, string>): Fault => ({
  kind: 'status',
  status: code,
  headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
  ...(body === undefined ? {} : { body }),
});
const said = (error: string): string => JSON.stringify({ error });
const row = (id: unknown, more: object = {}): string =>
  JSON.stringify({ meta: {}, payload: [{ id, created_at: 1_700_000_000, message_type: 0, private: false, ...more }] });

const ALL_KINDS: Readonly<Record<string, Kind>> = {
  refused: { kind: 'refused' },
  'reset before headers': { kind: 'refuse-headers-reset' },
  'reset mid-body': { kind: 'reset-mid-body' },
  truncated: { kind: 'truncated' },
  'not JSON': { kind: 'not-json' },
  'JSON cut short': status(200, '{"meta":{},"payload":[{"id":1'),
  'wrong shape': { kind: 'wrong-shape' },
  'no meta': { kind: 'wrong-shape', body: '{"payload":[]}' },
  'rows of no id': { kind: 'wrong-shape', body: row('x') },
  'the same row twice': { kind: 'wrong-shape', body: row(1).replace(/\[(.*)\]/, '[$1,$1]') },
  huge: { kind: 'huge', bytes: 300_000 },
  'huge, unannounced': { kind: 'huge', bytes: 300_000, chunked: true },
  'slow drip': { kind: 'slow-drip', bytesPerChunk: 20, everyMs: 40 },
  hang: { kind: 'hang' },
  '401 unknown token': status(401, said('Invalid Access Token')),
  '401 no access': status(401, said('You are not authorized to do this action')),
  '404': status(404, said('Resource could not be found')),
  '404 of something else': { kind: 'status', status: 404, body: '<html>' },
  '429': status(429, 'Retry later\n'),
  '429 with Retry-After': status(429, 'Retry later\n', { 'retry-after': '7' }),
  '500': status(500, said('Something went wrong')),
  '502': { kind: 'status', status: 502, body: '<html>' },
  // More than there is time for: it is not sent again.
  '503': { kind: 'status', status: 503, body: '<html>', headers: { 'retry-after': '9' } },
  '504': { kind: 'status', status: 504, body: '<html>' },
  redirect: { kind: 'redirect', location: 'https://elsewhere.example/' },
};

/** Variants that differ in how an answer is judged, not in what becomes of it: one scenario is enough for them. */
const VARIANTS = new Set([
  'JSON cut short',
  'no meta',
  'rows of no id',
  'the same row twice',
  'huge, unannounced',
  '401 no access',
  '404 of something else',
  '429 with Retry-After',
]);
const isVariant = (name: string): boolean => VARIANTS.has(name);

/** One of each sort: the connection, the time, the body, what is refused, what is not there, what has broken. */
const FEW = new Set(['refused', 'reset mid-body', 'hang', 'not JSON', '401 unknown token', '404', '503']);

/** Kinds that say of a conversation that it is not to be shown. */
const ENDS_STALE = new Set(['401 unknown token', '401 no access', '404']);

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** One Backscroll before the fake, and what is noted about it. */
class Stage {
  readonly chatwoot: FakeChatwoot;
  readonly backscroll: Backscroll;
  readonly clock: TestClock;
  readonly problems: string[] = [];
  readonly #ledgers: ReadonlyMap<number, Ledger>;
  /** Where the run is, for problems. */
  at = '';
  mayBeStale = true;
  mustSucceed = false;
  readonly #timeoutMs: number;
  readonly #pool: Pool;

  constructor(chatwoot: FakeChatwoot, backscroll: Backscroll, clock: TestClock, timeoutMs: number) {
    this.chatwoot = chatwoot;
    this.backscroll = backscroll;
    this.clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#pool = new Pool(backscroll.url, { connections: 8 });
    this.#ledgers = new Map([1, 2].map((id) => [id, new Ledger(chatwoot, id, clock.now)]));
  }

  problem(text: string): void {
    this.problems.push(`${this.at}: ${text}`);
  }

  /** Asks, and judges the answer. `since`: nothing of it may be older than that, ms. */
  async ask(conversation: number, params: FinderParams = {}, options: { fresh?: boolean; since?: number } = {}): Promise<void> {
    const search = searchOf(params);
    const askedAt = performance.now();
    const now = this.clock.now();
    const headers = options.fresh === true ? { 'cache-control': 'no-cache' } : {};
    const what = `${conversation}${search}`;
    let answer: Answer;
    try {
      answer = await this.#get(messagesOf(conversation, search), headers);
      // All is well, but this machine may be slower than the short timeout, which opens the breaker too.
      for (let n = 0; n < 5 && this.mustSucceed && answer.status !== 200 && this.#timeoutMs === TIMEOUT_MS.slow; n++) {
        this.clock.advance(ALL_QUIET_MS);
        // oxlint-disable-next-line no-await-in-loop
        answer = await this.#get(messagesOf(conversation, search), headers);
      }
    } catch (error) {
      return this.problem(`${what} was not answered: ${String(error)}`);
    }
    const tookMs = performance.now() - askedAt;
    if (!this.mustSucceed && tookMs > answeredWithinMs(this.#timeoutMs)) this.problem(`${what} took ${Math.round(tookMs)} ms`);
    if (answer.status !== 200) return this.#judgeError(what, answer);
    const cache = String(answer.headers['cache-status']);
    const age = String(answer.headers['age']);
    const stale = cache.includes('fwd=stale');
    if (stale && !this.mayBeStale) this.problem(`${what} is stale after Chatwoot said that it is not to be shown`);
    const ageMs = (Number(age) + 1) * 1000;
    const limitMs = stale ? 30 * MINUTE + 60 * MINUTE : 30 * MINUTE;
    if (ageMs > limitMs + 1000) this.problem(`${what} is ${ageMs} ms old: ${cache}`);
    const isLatest = params.before === undefined && params.after === undefined;
    const problem = this.#ledgers.get(conversation)!.problemOf({
      body: answer.body,
      params,
      notBefore: Math.max(now - ageMs, options.since ?? 0),
      // The newest page is no older than TAIL_MAX_AGE, unless it says that it is stale.
      idsNotBefore: Math.max(isLatest && !stale ? now - 1000 : now - ageMs, options.since ?? 0),
    });
    if (problem !== null) this.problem(`${what} (${cache}, age ${age}): ${problem}`);
  }

  async #get(path: string, headers: Record<string, string>): Promise<Answer> {
    const answer = await this.#pool.request({ method: 'GET', path, headers: { api_access_token: KEY, ...headers } });
    return { status: answer.statusCode, headers: answer.headers, body: await answer.body.text() };
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  #judgeError(what: string, answer: Answer): void {
    const body = JSON.parse(answer.body) as { error?: unknown; code?: unknown };
    const { code } = body;
    if (this.mustSucceed) this.problem(`${what} is ${answer.status} ${String(code)} though all is well`);
    if (typeof code !== 'string' || !(code in ERROR_STATUS) || typeof body.error !== 'string') {
      return this.problem(`${what} answers ${answer.status} ${answer.body.slice(0, 100)}`);
    }
    const expected = ERROR_STATUS[code as keyof typeof ERROR_STATUS];
    if (expected !== answer.status || code === 'internal' || code === 'draining' || code === 'invalid_parameter') {
      this.problem(`${what} answers ${answer.status} ${code}`);
    }
    if (answer.status === 503 && !/^[1-9]\d*$/.test(String(answer.headers['retry-after']))) {
      this.problem(`${what} answers ${code} without Retry-After`);
    }
  }

  /** Changes the table, a moment later than all before. */
  change(conversation: number, change: () => void): void {
    this.clock.advance(1);
    change();
    this.#ledgers.get(conversation)!.note();
  }

  /** Waits for what is read behind the answers; then nothing may be under way. */
  async idle(): Promise<void> {
    const { readThrough } = this.backscroll.app;
    await readThrough.idle();
    for (let turn = 0; turn < 20 && readThrough.size.inFlight > 0; turn++) await new Promise((done) => setImmediate(done));
    if (readThrough.size.inFlight > 0) this.problem(`${readThrough.size.inFlight} reads are left in flight`);
  }

  reset(): void {
    this.backscroll.app.readThrough.purge({});
    for (const ledger of this.#ledgers.values()) ledger.forget();
  }
}

function searchOf({ before, after }: FinderParams): string {
  const parts = [...(after === undefined ? [] : [`after=${after}`]), ...(before === undefined ? [] : [`before=${before}`])];
  return parts.length === 0 ? '' : `?${parts.join('&')}`;
}

interface Scenario {
  readonly conversation: 1 | 2;
  /** Before any fault. */
  readonly prepare?: (stage: Stage) => Promise<void>;
  readonly play: (stage: Stage) => Promise<void>;
}

/** The id of the row that has so many rows above it. */
function idAt(stage: Stage, conversation: number, fromTop: number): number {
  return stage.chatwoot.table.rows(1, conversation).at(-1 - fromTop)!.id;
}

const counter = { value: 0 };
function edit(stage: Stage, conversation: number, fromTop: number): void {
  const id = idAt(stage, conversation, fromTop);
  stage.change(conversation, () => stage.chatwoot.table.edit(id, { content: `edited ${++counter.value}` }));
}

/** A row at the top. */
function write(stage: Stage, conversation: number): void {
  stage.change(conversation, () => {
    const { table } = stage.chatwoot;
    table.insert({ accountId: 1, conversationId: conversation, content: `written ${++counter.value}` });
  });
}

/** Pages backwards, from `from` rows below the top. */
async function walk(stage: Stage, conversation: number, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += 20) await stage.ask(conversation, { before: idAt(stage, conversation, at) });
}

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'cold read': {
    conversation: 2,
    async play(stage) {
      const history = { before: idAt(stage, 2, 30) };
      await Promise.all([stage.ask(2), stage.ask(2), stage.ask(2, history)]);
      await stage.ask(2, { after: idAt(stage, 2, 30) });
      await stage.ask(2, { after: idAt(stage, 2, 30), before: idAt(stage, 2, 10) });
    },
  },
  'warm read': {
    conversation: 2,
    async prepare(stage) {
      await stage.ask(2);
      await stage.ask(2, { before: idAt(stage, 2, 19) });
    },
    async play(stage) {
      const history = { before: idAt(stage, 2, 19) };
      await Promise.all([stage.ask(2), stage.ask(2, history)]);
      stage.clock.advance(2000);
      write(stage, 2);
      await Promise.all([stage.ask(2), stage.ask(2, {}, { fresh: true }), stage.ask(2, history)]);
      edit(stage, 2, 5);
      stage.clock.advance(11_000);
      await stage.ask(2, history);
      await stage.idle();
      await stage.ask(2);
      await stage.ask(2, history);
    },
  },
  'walk backwards': {
    conversation: 1,
    async play(stage) {
      await stage.ask(1);
      await walk(stage, 1, 19, 119);
    },
  },
  seal: {
    conversation: 1,
    async prepare(stage) {
      await stage.ask(1, { before: idAt(stage, 1, 20) });
    },
    async play(stage) {
      await Promise.all([40, 80, 60].map(async (at) => stage.ask(1, { before: idAt(stage, 1, at) })));
      edit(stage, 1, 70);
      await stage.idle();
      await walk(stage, 1, 33, 93);
      await stage.ask(1, { after: idAt(stage, 1, 110), before: idAt(stage, 1, 70) });
      await stage.idle();
    },
  },
  'refresh behind': {
    conversation: 1,
    async prepare(stage) {
      await stage.ask(1);
      await walk(stage, 1, 19, 59);
      await stage.idle();
    },
    async play(stage) {
      const history = { before: idAt(stage, 1, 39) };
      edit(stage, 1, 45);
      stage.clock.advance(16 * MINUTE);
      await stage.ask(1, history);
      await stage.idle();
      stage.clock.advance(61_000);
      await stage.ask(1, history);
      await stage.idle();
      await stage.ask(1, history);
      edit(stage, 1, 50);
      stage.clock.advance(31 * MINUTE);
      await Promise.all([stage.ask(1, history), stage.ask(1)]);
      await stage.idle();
    },
  },
  'purge in flight': {
    conversation: 2,
    async play(stage) {
      // Later callers want what is being read, while it is being read; then what was read, when it has been.
      for (const during of [true, false]) {
        const history = { before: idAt(stage, 2, during ? 19 : 40) };
        const gate = stage.chatwoot.hold('after-read');
        const early = [stage.ask(2, history), stage.ask(2, history)];
        await Promise.race([gate.arrived, ...early]);
        edit(stage, 2, during ? 25 : 45);
        const purge = { method: 'DELETE', target: '/admin/cache?account=1&conversation=2' };
        const purged = await stage.backscroll.send({ ...purge, headers: [['api_access_token', ADMIN_KEY]] });
        if (purged.status !== 200) stage.problem(`the purge answers ${purged.status}`);
        const since = stage.clock.now();
        const late = during ? stage.ask(2, history, { since }) : undefined;
        if (late !== undefined) await once(stage.backscroll.app.http.server, 'request');
        gate.release();
        await Promise.all([...early, late]);
        await stage.ask(2, history, { since });
      }
    },
  },
};

/** What a caller asks when all is over. */
async function readAll(stage: Stage, conversation: number): Promise<void> {
  await stage.ask(conversation);
  await walk(stage, conversation, 19, 50);
  await stage.idle();
}

interface Run {
  readonly kind: Kind;
  readonly position: number;
  readonly forGood: boolean;
  readonly front: Front | undefined;
}

/** @returns how often the fault hit. */
async function run(stage: Stage, scenario: Scenario, { kind, position, forGood, front }: Run): Promise<number> {
  const { chatwoot, clock } = stage;
  let hits = 0;
  let reads = 0;
  stage.reset();
  stage.mustSucceed = true;
  await scenario.prepare?.(stage);
  await stage.idle();
  stage.mustSucceed = false;
  chatwoot.fault = () => {
    reads++;
    if (forGood ? reads < position : reads !== position) return undefined;
    hits++;
    if (kind.kind !== 'refused') return kind;
    front?.shut();
    if (!forGood) setTimeout(() => void front?.reopen(), 25);
    return undefined;
  };
  await scenario.play(stage);
  await stage.idle();

  chatwoot.fault = undefined;
  await front?.reopen();
  clock.advance(ALL_QUIET_MS);
  stage.mustSucceed = true;
  await readAll(stage, scenario.conversation);
  clock.advance(31 * MINUTE);
  // Older than anything kept may be: from here on, all must be as it is now.
  const since = clock.now();
  await stage.ask(scenario.conversation, { before: idAt(stage, scenario.conversation, 19) }, { since });
  await stage.idle();
  return hits;
}

const ENV = {
  UPSTREAM_RATE: '20000/1s',
  UPSTREAM_BODY_MAX: '256kb',
  ADMIN_KEYS: `ops=${ADMIN_KEY}`,
};

/** What a kind of fault needs of its stage: a front to shut, a short timeout, or nothing. */
type Needs = 'front' | 'short timeout' | 'nothing';

function needsOf({ kind }: Kind): Needs {
  if (kind === 'refused') return 'front';
  return kind === 'hang' || kind === 'slow-drip' ? 'short timeout' : 'nothing';
}

async function withStage(needs: Needs, work: (stage: Stage, front: Front | undefined) => Promise<void>): Promise<void> {
  const clock = testClock();
  const chatwoot = await startSampleChatwoot({ now: clock.now });
  for (const { id } of chatwoot.table.rows(1, 1).slice(0, -LONG_ROWS)) chatwoot.table.hardDelete(id);
  const front = needs === 'front' ? await Front.open(chatwoot.port) : undefined;
  const timeoutMs = needs === 'short timeout' ? TIMEOUT_MS.slow : TIMEOUT_MS.quick;
  const url = front === undefined ? {} : { CHATWOOT_URL: front.url };
  const env = { ...ENV, ...url, UPSTREAM_TIMEOUT: `${timeoutMs}ms` };
  const backscroll = await startBackscroll({ chatwoot, env, now: clock.now });
  const stage = new Stage(chatwoot, backscroll, clock, timeoutMs);
  try {
    await work(stage, front);
  } finally {
    await stage.close();
    await backscroll.close();
    front?.shut();
    await chatwoot.close();
  }
}

/** The fault hits each read of the scenario, until there is none left to hit. */
async function moveThrough(stage: Stage, scenario: Scenario, name: string, kind: Kind, front: Front | undefined): Promise<void> {
  stage.mayBeStale = !ENDS_STALE.has(name);
  for (const forGood of [false, true]) {
    let position = 1;
    for (; position <= POSITIONS_MAX; position++) {
      stage.at = `${name}, read ${position} ${forGood ? 'and all after it' : 'once'}`;
      if ((await run(stage, scenario, { kind, position, forGood, front })) === 0) break;
      stage.chatwoot.clearLog();
    }
    if (position === 1 || position > POSITIONS_MAX) stage.problem(`${position} positions were tried`);
  }
}

/** The tests of a file: each of the faults moves through each scenario. */
export function testMovingFaults(which: 'few' | 'all'): void {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);

  beforeAll(() => {
    process.on('unhandledRejection', note);
    // Retries wait for a share of 200 ms and more by chance: here a small one.
    const chance = Math.random.bind(Math);
    vi.spyOn(Math, 'random').mockImplementation(() => chance() / 10);
  });
  afterAll(() => {
    process.off('unhandledRejection', note);
    vi.restoreAllMocks();
  });

  describe.concurrent('a fault moves through', () => {
    test.each(Object.entries(SCENARIOS))('%s', { timeout: 300_000 }, async (title, scenario) => {
      const problems: string[] = [];
      const isTried = (name: string): boolean => (which === 'all' ? title === 'cold read' || !isVariant(name) : FEW.has(name));
      const kinds = Object.entries(ALL_KINDS).filter(([name]) => isTried(name));
      for (const needs of ['front', 'short timeout', 'nothing'] as const) {
        await withStage(needs, async (stage, front) => {
          for (const [name, kind] of kinds) {
            if (needsOf(kind) === needs) await moveThrough(stage, scenario, name, kind, front);
          }
          problems.push(...stage.problems);
        });
      }
      expect(problems).toEqual([]);
    });
  });

  test('no fault leaves a timer or a connection behind, nor a rejection that nobody handles', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const sockets = (): number => process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP')).length;
    for (const [name, kind] of Object.entries(ALL_KINDS)) {
      const before = { timers: timers(), sockets: sockets() };
      await withStage(needsOf(kind), async (stage, front) => {
        stage.at = name;
        await run(stage, SCENARIOS['cold read']!, { kind, position: 1, forGood: true, front });
        expect(stage.problems).toEqual([]);
      });
      for (let turn = 0; turn < 50 && sockets() > before.sockets; turn++) await new Promise((done) => setImmediate(done));
      expect({ name, timers: Math.max(0, timers() - before.timers), sockets: Math.max(0, sockets() - before.sockets) }).toEqual({
        name,
        timers: 0,
        sockets: 0,
      });
    }
    expect(unhandled).toEqual([]);
  });
}
