// Changes that all processes hear of: one bounded stream, which each follows from where it left off. Changes are numbered without a gap, so a
// process knows when it has missed one; then it forgets everything. What is shared is used only while this process hears.

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Change } from '../cache/changes.ts';
import { extentTest, type Extent } from '../cache/extent.ts';
import { conversationKey } from '../cache/memory-store.ts';
import type { Announcement, Reach } from '../cache/shared-level.ts';
import type { ConversationId } from '../upstream/upstream.ts';
import { decodeChange, encodeChange, extentOf } from './change-codec.ts';
import { ANNOUNCE, BEAT, JOIN } from './change-scripts.ts';
import type { Clocks } from './clocks.ts';
import { ALL, epochField, Epochs } from './epochs.ts';
import { connect, wordOf, type Client, type Link, type LinkOptions } from './link.ts';
import { Members } from './members.ts';
import type { SharedObserver } from './observer.ts';
import { entriesOf, isBelow, listOf, pairsOf, timeOf } from './replies.ts';
import type { Secrets } from './secrets.ts';

export interface ChangesOptions {
  readonly link: Link;
  readonly linkOptions: LinkOptions;
  readonly prefix: string;
  readonly secrets: Secrets;
  readonly clocks: Clocks;
  readonly now: () => number;
  readonly observer: SharedObserver;
  readonly writer: string;
  /** How long logs are kept, ms: as long, old epochs must be known. */
  readonly logMs: number;
  /** Another process announced it, at `at` of the engine's clock (ms) at the latest. */
  readonly onChange: (change: Change, at: number) => void;
  /** Another process announced, as unknown to it, that a conversation has gone. */
  readonly onUnknownGone: (conversation: ConversationId, epoch: string) => void;
  /** What was announced until `at` (ms) and is no more to be had may have concerned anything. */
  readonly onLost: (at: number) => void;
  /** All processes are to forget. */
  readonly onForget: (extent: Extent, marksFrom?: number) => void;
}

/** Changes that the stream keeps; more than a process misses while it reconnects. */
export const CHANGES_MAX = 10_000;
/** Fields of epochs; beyond it all conversations get a new one. */
export const EPOCHS_MAX = 4_096;
/** Announcements that could not be sent yet. Beyond it all are told to forget everything. */
export const UNSENT_MAX = 1_000;
/** Announcements of its own that a process has not heard. Beyond it, it begins anew. */
export const UNHEARD_MAX = 1_000;
const HEARD_AT_ONCE_MAX = 500;
const WAIT_MS = 400;
const BEAT_EVERY_MS = 250;
const RETRY_MS = 100;

/** What Redis says of a key that holds none of ours. */
const RUBBISH = 'WRONGTYPE';

interface Unsent {
  readonly announcement: Announcement;
  readonly field: string;
  isSent: boolean;
}

export class SharedChanges {
  readonly #options: ChangesOptions;
  readonly #follower: Client;
  readonly #members: Members;
  readonly #epochs = new Epochs();
  readonly #names: { readonly stream: string; readonly epochs: string; readonly members: string };
  /** What this process has had forgotten and has not yet heard of itself. */
  readonly #barred = new Map<Unsent, (key: string) => boolean>();
  #unsent: Unsent[] = [];
  #hasJoined = false;
  #heardNumber = 0;
  #cursor = '0-0';
  /** The last change when this process joined; blank when all up to it have been heard. */
  #joinedAt = '';
  /** The number that the first change in the stream has unless some have been lost; Infinity when that is known. */
  #firstNumber = 0;
  /** The server is as it was some time ago. What was announced since, those who join do not know. */
  #isSetBack = false;
  /** Monotonic, ms. */
  #heardAt = -Infinity;
  #beatAt = -Infinity;
  #expected = 0;
  readonly #closing = new AbortController();
  readonly #following: Promise<void>;

  constructor(options: ChangesOptions) {
    this.#options = options;
    const { prefix, secrets } = options;
    const tag = `${prefix}:{changes-${secrets.installation}}`;
    this.#names = { stream: `${tag}:stream`, epochs: `${tag}:epochs`, members: `${tag}:members` };
    this.#members = new Members({ ...options, key: this.#names.members, keptMs: keptMs(options.logMs) });
    this.#follower = connect(options.linkOptions, false);
    this.#following = this.#follow();
  }

  /** Null while this process does not hear of changes, or waits to hear of its own. */
  epochOf(conversation: ConversationId): string | null {
    if (!this.isHearing) return null;
    if (this.#barred.size > 0) {
      const key = conversationKey(conversation);
      for (const concerns of this.#barred.values()) if (concerns(key)) return null;
    }
    return this.#epochs.of(conversation);
  }

  /** Whether what is shared may be used. */
  get isHearing(): boolean {
    return performance.now() - this.#heardAt <= this.#options.linkOptions.times.deafMs && this.#options.link.isUp;
  }

  /** How many processes there are, this one included, as far as was heard. */
  get members(): number {
    return this.#members.size;
  }

  /** How many of its own announcements this process waits to hear. */
  get unheard(): number {
    return this.#barred.size;
  }

  async announce(announcement: Announcement, { isKnown = true, waitMs = 0 } = {}): Promise<Reach> {
    const until = performance.now() + waitMs;
    const extent = extentOf(announcement);
    const field = extent === null || !isKnown ? '' : epochField(extent);
    const unsent: Unsent = { announcement, field, isSent: false };
    if (field !== '' && extent !== null) this.#bar(unsent, extentTest(extent));
    const number = await this.#send(unsent);
    unsent.isSent = number !== null;
    if (number === null) {
      this.#keepUnsent(unsent);
      return null;
    }
    return waitMs > 0 ? this.#members.reach(number, until) : { processes: 0, reached: 0 };
  }

  #bar(unsent: Unsent, concerns: (key: string) => boolean): void {
    if (this.#barred.size >= UNHEARD_MAX) {
      for (const each of this.#barred.keys()) if (each.isSent) this.#barred.delete(each);
      // What it joins has them.
      this.#missed();
    }
    this.#barred.set(unsent, concerns);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#follower.disconnect();
    await this.#following;
    await this.#members.leave();
  }

  /** @returns its number; null where it could not be sent */
  async #send({ announcement, field }: Unsent): Promise<number | null> {
    const { link, writer, logMs, secrets } = this.#options;
    const sealed = encodeChange(secrets.changesKey, announcement);
    const args = [sealed, writer, field, newEpoch(), CHANGES_MAX, EPOCHS_MAX, keptMs(logMs)];
    try {
      const keys = [this.#names.epochs, this.#names.stream];
      const number = Number(await link.run('announce', (client) => ANNOUNCE.run(client, keys, args)));
      return Number.isSafeInteger(number) ? number : null;
    } catch (error) {
      if (wordOf(error) === RUBBISH) await this.#clear();
      return null;
    }
  }

  /** What is under our names is not ours. Whoever follows finds nothing there and begins anew. */
  async #clear(): Promise<void> {
    const names = Object.values(this.#names);
    await this.#options.link.run('forget', (client) => client.unlink(...names)).catch(() => undefined);
  }

  #keepUnsent(unsent: Unsent): void {
    this.#unsent.push(unsent);
    if (this.#unsent.length <= UNSENT_MAX) return;
    for (const each of this.#unsent) this.#barred.delete(each);
    const everything: Unsent = { announcement: { kind: 'purge', extent: {} }, field: ALL, isSent: false };
    this.#barred.set(everything, () => true);
    this.#unsent = [everything];
  }

  async #follow(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        await this.#step();
      } catch (error) {
        // oxlint-disable-next-line no-await-in-loop
        if (wordOf(error) === RUBBISH) await this.#clear();
        // oxlint-disable-next-line no-await-in-loop
        await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async #step(): Promise<void> {
    if (!this.#hasJoined) await this.#join();
    await this.#sendUnsent();
    const askedAt = performance.now();
    const isAll = await this.#hear();
    // What the server told of before this answer was asked for is in it, or is lost.
    if (isAll && this.#heardNumber < this.#expected) return this.#missed();
    await this.#beat();
    // As of when the answer was asked for, all is known.
    if (isAll && this.#hasJoined && this.#heardNumber >= this.#expected) this.#heardAt = askedAt;
  }

  /** Begins to follow. What was announced before this process heard may have been for it, so it knows nothing. */
  async #join(): Promise<void> {
    const { link, clocks, now, logMs, onForget, onLost } = this.#options;
    const sentAt = now();
    const reply = await link.run('beat', (client) =>
      JOIN.run(client, [this.#names.epochs, this.#names.stream], [newEpoch(), keptMs(logMs)]),
    );
    const [seconds, micros, number, fields, last] = listOf(reply);
    clocks.sample(this.#names.epochs, { sentAt, toldMs: timeOf(seconds, micros), receivedAt: now() });
    const epochs = pairsOf(fields);
    this.#firstNumber = Number(epochs.get('from')) + 1;
    for (const name of ['n', 'from']) epochs.delete(name);
    this.#isSetBack ||= epochs.get(ALL) === this.#epochs.all && Number(number) < this.#heardNumber;
    this.#epochs.adopt(epochs);
    this.#heardNumber = this.#expected = Number(number);
    this.#cursor = '0-0';
    this.#joinedAt = String(last);
    this.#hasJoined = true;
    // The epochs are those after what has been sent.
    for (const each of this.#barred.keys()) if (each.isSent) this.#barred.delete(each);
    onForget({});
    if (this.#joinedAt === '' && this.#firstNumber <= this.#heardNumber) {
      onLost(now());
      this.#firstNumber = Infinity;
    }
    if (this.#isSetBack) void this.announce({ kind: 'purge', extent: {} });
    this.#isSetBack = false;
    await this.#members.tell(this.#heardNumber);
  }

  async #sendUnsent(): Promise<void> {
    while (this.#unsent.length > 0) {
      const [first] = this.#unsent;
      // oxlint-disable-next-line no-await-in-loop -- in their order
      if ((await this.#send(first!)) === null) return;
      first!.isSent = true;
      if (this.#unsent[0] === first) this.#unsent.shift();
    }
  }

  /** @returns whether there was no more to hear */
  async #hear(): Promise<boolean> {
    const [stream, after] = [this.#names.stream, this.#cursor];
    // Who has just joined hears what there is, and can share.
    const reply: unknown = await (this.#heardAt === -Infinity
      ? this.#follower.xreadBuffer('COUNT', HEARD_AT_ONCE_MAX, 'STREAMS', stream, after)
      : this.#follower.xreadBuffer('COUNT', HEARD_AT_ONCE_MAX, 'BLOCK', WAIT_MS, 'STREAMS', stream, after));
    const [heard] = reply === null ? [] : listOf(reply);
    const entries = heard === undefined ? [] : entriesOf(listOf(heard)[1]);
    if (entries.length === 0) return true;
    const clock = this.#options.clocks.of(this.#names.epochs);
    const now = this.#options.now();
    for (const { id, fields } of entries) {
      this.#cursor = id;
      const number = Number(fields.get('n')?.toString('latin1'));
      const announcedAt = clock.isKnown ? Math.min(now, clock.toOursAtMost(Number(id.slice(0, id.indexOf('-'))) + 1)) : now;
      if (number > this.#firstNumber) this.#options.onLost(announcedAt);
      this.#firstNumber = Infinity;
      if (this.#joinedAt !== '' && !isBelow(this.#joinedAt, id)) {
        this.#heardBefore(fields, announcedAt);
        if (id === this.#joinedAt) this.#joinedAt = '';
      } else if (number === this.#heardNumber + 1) {
        this.#joinedAt = '';
        this.#heard(number, fields, announcedAt);
      } else {
        this.#isSetBack = number <= this.#heardNumber && textOf(fields, 'a') === this.#epochs.all;
        this.#missed();
        return false;
      }
    }
    // Whoever waits for all to have heard is waiting.
    await this.#members.tell(this.#heardNumber);
    return entries.length < HEARD_AT_ONCE_MAX;
  }

  /** Of what was announced before this process came, readings in the logs may be older: parts of them are due. */
  #heardBefore(fields: ReadonlyMap<string, Buffer>, announcedAt: number): void {
    const announcement = decodeChange(this.#options.secrets.changesKey, fields.get('e'));
    if (textOf(fields, 'w') === this.#options.writer) this.#heardOwn(announcement);
    if (announcement === null || announcement.kind === 'purge' || extentOf(announcement) !== null) return;
    this.#options.onChange(announcement, announcedAt);
  }

  #heard(number: number, fields: ReadonlyMap<string, Buffer>, announcedAt: number): void {
    const { observer, now, writer, secrets, onChange, onForget, onUnknownGone } = this.#options;
    this.#heardNumber = number;
    this.#expected = Math.max(this.#expected, number);
    const field = textOf(fields, 'f');
    if (field !== '') this.#epochs.move(field, String(number), textOf(fields, 'a'));
    observer.heard(Math.max(0, now() - announcedAt));
    const announcement = decodeChange(secrets.changesKey, fields.get('e'));
    if (textOf(fields, 'w') === writer) return this.#heardOwn(announcement);
    // What cannot be read may be anything.
    if (announcement === null) {
      observer.refused('sealed');
      return onForget({});
    }
    if (announcement.kind === 'purge') return onForget(announcement.extent, announcement.marksFrom);
    onChange(announcement, announcedAt);
    if (announcement.kind !== 'gone' || field !== '') return;
    const epoch = this.#epochs.of(announcement.conversation);
    if (epoch !== null) onUnknownGone(announcement.conversation, epoch);
  }

  #heardOwn(announcement: Announcement | null): void {
    const extent = announcement === null ? null : extentOf(announcement);
    if (extent === null) return;
    const field = epochField(extent);
    for (const unsent of this.#barred.keys()) {
      if (unsent.field === field) return void this.#barred.delete(unsent);
    }
  }

  async #beat(): Promise<void> {
    if (performance.now() - this.#beatAt < BEAT_EVERY_MS) return;
    const { link, clocks, now, logMs } = this.#options;
    const sentAt = now();
    const reply = await link.run('beat', (client) => BEAT.run(client, [this.#names.epochs, this.#names.stream], [keptMs(logMs)]));
    this.#beatAt = performance.now();
    const [seconds, micros, number, all] = listOf(reply);
    clocks.sample(this.#names.epochs, { sentAt, toldMs: timeOf(seconds, micros), receivedAt: now() });
    const isAnother = String(all) !== this.#epochs.all && Number(number) <= this.#heardNumber;
    if (isAnother || Number(number) < this.#heardNumber) return this.#missed();
    this.#expected = Math.max(this.#expected, Number(number));
    await this.#members.tell(this.#heardNumber);
    await this.#members.ask();
  }

  /** Something was announced that this process did not hear, or the stream is another. */
  #missed(): void {
    this.#hasJoined = false;
    this.#heardAt = -Infinity;
    this.#options.observer.cutOff();
    this.#options.onForget({});
  }
}

function textOf(fields: ReadonlyMap<string, Buffer>, name: string): string {
  return fields.get(name)?.toString('latin1') ?? '';
}

function newEpoch(): string {
  return randomBytes(9).toString('base64url');
}

/** Longer than any log. */
function keptMs(logMs: number): number {
  return Math.max(24 * 3_600_000, 2 * logMs);
}
