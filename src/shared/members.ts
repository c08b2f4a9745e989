// Which processes there are, and up to which change each has heard: so one can wait for all to have heard.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Reach } from '../cache/shared-level.ts';
import { MEMBERS, PRESENT } from './change-scripts.ts';
import type { Link } from './link.ts';
import { pairsOf } from './replies.ts';

export interface MembersOptions {
  readonly link: Link;
  /** Their key in Redis. */
  readonly key: string;
  /** This one. */
  readonly writer: string;
  readonly keptMs: number;
}

/** A member that has not been heard of for so long has gone, s. */
const GONE_AFTER_S = 3;
const LOOK_EVERY_MS = 5;

export class Members {
  readonly #options: MembersOptions;
  #size = 1;

  constructor(options: MembersOptions) {
    this.#options = options;
  }

  /** How many there are, this one included, as far as was heard. */
  get size(): number {
    return this.#size;
  }

  /** Tells the others. They may be told nothing where Redis takes nothing; then nobody waits for this one. */
  async tell(heard: number): Promise<void> {
    const { link, key, writer, keptMs } = this.#options;
    await link.run('beat', (client) => PRESENT.run(client, [key], [writer, heard, keptMs])).catch(() => undefined);
  }

  async leave(): Promise<void> {
    const { link, key, writer } = this.#options;
    await link.run('beat', (client) => client.hdel(key, writer)).catch(() => undefined);
  }

  /** Waits until all who are there have heard of the change with this number, or until this moment (monotonic, ms). */
  async reach(number: number, until: number): Promise<Reach> {
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- asks again
      const members = await this.ask();
      if (members === null) return null;
      const reached = [...members.values()].filter((heard) => heard >= number).length;
      const isAll = reached === members.size && members.has(this.#options.writer);
      if (isAll || performance.now() > until) return { processes: members.size, reached };
      // oxlint-disable-next-line no-await-in-loop
      await sleep(LOOK_EVERY_MS);
    }
  }

  /** Up to which change each has heard that was there within the last seconds; null where Redis does not say. */
  async ask(): Promise<ReadonlyMap<string, number> | null> {
    const { link, key } = this.#options;
    try {
      const fields = await link.run('beat', (client) => MEMBERS.run(client, [key], [GONE_AFTER_S]));
      const present = [...pairsOf(fields)].map(([member, text]) => [member, Number.parseInt(text, 10)] as const);
      this.#size = Math.max(1, present.length);
      return new Map(present);
    } catch {
      return null;
    }
  }
}
