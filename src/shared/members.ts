// Which processes there are, and up to which change each has heard: so one can wait for all to have heard.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Reach } from '../cache/shared-level.ts';
import { MEMBERS, PRESENT } from './change-scripts.ts';
import type { Link } from './link.ts';
import { listOf, pairsOf } from './replies.ts';

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
/** How long an announcement waits for the others to hear of it, ms. */
export const REACH_MS = 1_500;
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

  /** Waits for a while until all who are there have heard of the change with this number. */
  async reach(number: number): Promise<Reach> {
    const until = performance.now() + REACH_MS;
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
      const [told, fields] = listOf(await link.run('beat', (client) => MEMBERS.run(client, [key], [])));
      const present = new Map<string, number>();
      for (const [member, text] of pairsOf(fields)) {
        const [heard = 0, at = 0] = text.split(' ').map(Number);
        if (Number(told) - at <= GONE_AFTER_S) present.set(member, heard);
      }
      this.#size = Math.max(1, present.size);
      return present;
    } catch {
      return null;
    }
  }
}
