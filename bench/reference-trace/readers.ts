// Who reads, and how. Each follows the rows that Chatwoot itself answers, so the reads are the same for every policy.

import type { Query } from '../../src/timeline/query.ts';
import type { Row } from '../../src/timeline/reading.ts';
import { Chance } from './chance.ts';
import type { VirtualTime } from './virtual-time.ts';
import type { Commit, World } from './world.ts';

/**
 * How many people read follows from how many write: of 1.2 messages a second, 30 a minute go out, and who writes one every two
 * minutes is one of 60. Each opens and scrolls a conversation once a minute, and has one open that is polled.
 */
export const READERS = {
  people: 60,
  scrollsPerPersonAndMinute: 1,
  scrollPagesMean: 4,
  scrollPauseMs: [1_000, 5_000],
  pollEveryMs: 5_000,
  pollForMs: 5 * 60_000,
  agentAfterMs: 400,
  agentPages: 4,
  walkEveryMs: 60 * 60_000,
  walkPauseMs: 200,
  /** Conversations that the hourly walk reads at once. */
  walkersAtOnce: 4,
} as const;

const PAGE_ROWS = 20;

export type Reader = 'scroller' | 'poller' | 'agent' | 'walk';
export const READER_KINDS: readonly Reader[] = ['scroller', 'poller', 'agent', 'walk'];

/** Reads with every policy. Resolves to what Chatwoot answers. */
export type Ask = (reader: Reader, conversationId: number, query: Query) => Promise<readonly Row[]>;

export class Readers {
  readonly #time: VirtualTime;
  readonly #world: World;
  readonly #ask: Ask;
  readonly #scrolling: Chance;
  readonly #polling: Chance;
  readonly #people: number;

  constructor(seed: number, { time, world, ask, people }: { time: VirtualTime; world: World; ask: Ask; people: number }) {
    this.#people = people;
    this.#time = time;
    this.#world = world;
    this.#ask = ask;
    this.#scrolling = new Chance(seed, 1);
    this.#polling = new Chance(seed, 2);
  }

  /** Lets all come and go until `until`, except the agent, who waits for messages. */
  start(until: number): void {
    if (this.#people > 0) {
      this.#arrive(this.#scrolling, 60_000 / (this.#people * READERS.scrollsPerPersonAndMinute), until, () => this.#scroll());
      this.#arrive(this.#polling, READERS.pollForMs / this.#people, until, () => this.#poll(until));
    }
    for (let at = this.#time.now + READERS.walkEveryMs; at <= until; at += READERS.walkEveryMs) {
      this.#time.at(at, () => this.#walkChanged());
    }
  }

  /** The agent: reads the newest pages soon after a customer's message. */
  readonly onIncoming: Commit = ({ conversationId }) => {
    this.#time.at(this.#time.now + READERS.agentAfterMs, () =>
      this.#time.spawn(() => this.#readPages('agent', conversationId, READERS.agentPages, () => 0)),
    );
  };

  #arrive(chance: Chance, meanMs: number, until: number, come: () => Promise<void>): void {
    this.#time.at(this.#time.now + chance.exponential(meanMs), () => {
      if (this.#time.now >= until) return;
      this.#time.spawn(come);
      this.#arrive(chance, meanMs, until, come);
    });
  }

  async #scroll(): Promise<void> {
    const conversationId = this.#world.popularity.choose(this.#scrolling);
    const pages = 1 + this.#scrolling.geometric(READERS.scrollPagesMean);
    await this.#readPages('scroller', conversationId, pages, () => this.#scrolling.uniform(...READERS.scrollPauseMs));
  }

  /** The newest page, then `before` the first row of the page before, until one is short. */
  async #readPages(reader: Reader, conversationId: number, pages: number, pauseMs: () => number): Promise<void> {
    let query: Query = { mode: 'latest', publicOnly: false };
    for (let page = 1; ; page++) {
      const rows = await this.#ask(reader, conversationId, query);
      const first = rows[0];
      if (page >= pages || rows.length < PAGE_ROWS || first === undefined) return;
      const pause = pauseMs();
      if (pause > 0) await this.#time.sleep(pause);
      query = { mode: 'before', before: first.id, publicOnly: false };
    }
  }

  async #poll(until: number): Promise<void> {
    const conversationId = this.#world.popularity.choose(this.#polling);
    const endAt = Math.min(until, this.#time.now + READERS.pollForMs);
    while (this.#time.now < endAt) {
      await this.#ask('poller', conversationId, { mode: 'latest', publicOnly: false });
      await this.#time.sleep(READERS.pollEveryMs);
    }
  }

  #walkChanged(): void {
    const waiting = this.#world.takeChanged();
    const work = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await this.#walk(next);
    };
    for (let n = 0; n < READERS.walkersAtOnce; n++) this.#time.spawn(work);
  }

  /** The whole conversation, `before` the smallest id of the page before. */
  async #walk(conversationId: number): Promise<void> {
    let query: Query = { mode: 'latest', publicOnly: false };
    for (;;) {
      const rows = await this.#ask('walk', conversationId, query);
      if (rows.length < PAGE_ROWS) return;
      query = { mode: 'before', before: Math.min(...rows.map((row) => row.id)), publicOnly: false };
      await this.#time.sleep(READERS.walkPauseMs);
    }
  }
}
