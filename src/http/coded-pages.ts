// Pages in a coding. One is made when a page is asked for in it again, off the event loop and behind the answers: until it is
// there, they are plain.

import type { Coding } from './codings.ts';
import { compress as compressed } from './compress.ts';
import { codedEtag } from './entity-tags.ts';
import type { Representation, Rendered, Renderer } from './render.ts';

/**
 * What became of a page in a coding.
 * - `made`: it was made and is kept.
 * - `useless`: it would hardly be smaller.
 * - `late`: its page is not kept any more, or was not worth the memory.
 * - `full`: too many were being made; it is made when it is asked for again.
 * - `failed`: it could not be made.
 */
export type CodingEvent = 'made' | 'useless' | 'late' | 'full' | 'failed';
export const CODING_EVENTS: readonly CodingEvent[] = ['made', 'useless', 'late', 'full', 'failed'];

export interface CodedPagesOptions {
  readonly renderer: Renderer;
  /** For tests. */
  readonly compress?: (body: Buffer, coding: Coding) => Promise<Buffer>;
}

/** Less than this fits into one packet or two, whatever it is written in. */
const PAGE_BYTES_MIN = 1024;
/** So large a page is made when it is first asked for: the second time, it would be sent plain once more. */
const AT_ONCE_BYTES = 256 * 1024;
/** What is not made smaller than this share is not worth its memory. */
const USEFUL_SHARE = 0.9;
/** Of the four threads that Node has for files, names and compression. */
const AT_ONCE_MAX = 2;
/** What waits is held, wherever else it is forgotten. */
const WAITING_MAX = 16;
const WAITING_BYTES_MAX = 16 * 1024 * 1024;

interface Job {
  readonly page: Rendered;
  readonly coding: Coding;
}

export class CodedPages {
  readonly #renderer: Renderer;
  readonly #compress: (body: Buffer, coding: Coding) => Promise<Buffer>;
  readonly #waiting: Job[] = [];
  readonly #counts = new Map<string, number>();
  readonly #sent: Record<Coding, number> = { br: 0, gzip: 0 };
  #underWay = 0;
  #idle: (() => void)[] = [];

  constructor({ renderer, compress = compressed }: CodedPagesOptions) {
    this.#renderer = renderer;
    this.#compress = compress;
  }

  /** What is sent of a page to one who wants it so: plain bytes as long as there are no others. */
  shown(page: Rendered, coding: Coding | null): Representation {
    if (coding === null || page.body.length < PAGE_BYTES_MIN) return page;
    const kept = page.coded[coding];
    if (typeof kept === 'object') {
      this.#sent[coding]++;
      return kept;
    }
    if (kept !== 'tried') this.#ask({ page, coding }, kept === 'asked');
    return page;
  }

  /** Answers in a coding so far. */
  sent(coding: Coding): number {
    return this.#sent[coding];
  }

  count(coding: Coding, event: CodingEvent): number {
    return this.#counts.get(`${coding} ${event}`) ?? 0;
  }

  /** Resolves when none is being made. */
  async idle(): Promise<void> {
    if (this.#underWay > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #ask(job: Job, isAgain: boolean): void {
    const { page, coding } = job;
    page.coded[coding] = 'asked';
    if ((!isAgain && page.body.length < AT_ONCE_BYTES) || !this.#renderer.holds(page)) return;
    if (this.#underWay < AT_ONCE_MAX) {
      page.coded[coding] = 'tried';
      return void this.#make(job);
    }
    const bytes = this.#waiting.reduce((sum, { page: { body } }) => sum + body.length, 0);
    if (this.#waiting.length >= WAITING_MAX || bytes > WAITING_BYTES_MAX) return this.#note(coding, 'full');
    page.coded[coding] = 'tried';
    this.#waiting.push(job);
  }

  async #make(first: Job): Promise<void> {
    this.#underWay++;
    for (let job: Job | undefined = first; job !== undefined; job = this.#waiting.shift()) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      this.#note(job.coding, await this.#made(job));
    }
    this.#underWay--;
    if (this.#underWay === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #made({ page, coding }: Job): Promise<CodingEvent> {
    // While it waited, it may have been forgotten.
    if (!this.#renderer.holds(page)) return 'late';
    try {
      const body = await this.#compress(page.body, coding);
      if (body.length > page.body.length * USEFUL_SHARE) return 'useless';
      return this.#renderer.keepCoded(page, coding, { body, etag: codedEtag(page.etag, coding), coding }) ? 'made' : 'late';
    } catch {
      return 'failed';
    }
  }

  #note(coding: Coding, event: CodingEvent): void {
    this.#counts.set(`${coding} ${event}`, this.count(coding, event) + 1);
  }
}
