// Writes of every kind, at random.

import { agentJson, contactJson } from '../support/fake-chatwoot/conversation-meta.ts';
import type { MessageDraft, MessageRow } from '../support/fake-chatwoot/message-row.ts';
import type { Chance } from './chance.ts';
import type { Pending, World } from './world.ts';
import { ACCOUNT } from './world.ts';

/** Each kind of write, and how often it comes beside the others. */
const WEIGHTS = {
  new: 30,
  late: 8,
  'tied-second': 6,
  'tied-microsecond': 6,
  'back-dated': 4,
  import: 1,
  burst: 1,
  hole: 5,
  edit: 14,
  'soft-delete': 3,
  'hard-delete': 4,
  meta: 10,
  'conversation-added': 1,
  'conversation-removed': 0.4,
} as const;

/** What throws the sequence of ids out of step. */
export const SEQUENCE_KINDS = ['restored', 'stray'] as const;

export type WriteKind = keyof typeof WEIGHTS | (typeof SEQUENCE_KINDS)[number];

export const WRITE_KINDS: readonly WriteKind[] = [...(Object.keys(WEIGHTS) as (keyof typeof WEIGHTS)[]), ...SEQUENCE_KINDS];

export interface WriterOptions {
  readonly world: World;
  readonly chance: Chance;
  readonly now: () => number;
  readonly settleMs: number;
  /** Kinds that do not occur. */
  readonly without: ReadonlySet<WriteKind>;
}

const SIZES = [1_250, 400, 130, 60, 21, 20, 5, 0];
const CONVERSATIONS_MAX = 14;
const DAY_US = 86_400_000_000;
const AGENTS = [agentJson({ id: 1, name: 'Ada Reyes' }), agentJson({ id: 2, name: 'Ben Okafor', availability: 'online' })];
/** Of SETTLE, when a late row is committed at the latest; what a busy machine delays past this is rolled back. */
const LATE_SHARE = 0.8;
const LATE_SHARE_MAX = 0.95;
/** Back-dated rows that an uncommitted one may come to lie under; past 20 they are taken for history (frontier.ts). */
const BACK_DATED_OVER_OPEN_MAX = 8;
const SEQUENCE_EVERY_MS = 10_000;

export class Writer {
  readonly #options: WriterOptions;
  readonly #choices: readonly (readonly [keyof typeof WEIGHTS, number])[];
  readonly #open: { readonly pending: Pending; readonly due: number; readonly fails: boolean; backDatedOver: number }[] = [];
  readonly #counts = new Map<WriteKind, number>();
  #revision = 0;
  #sequenceAt: number;
  #stray: number | null = null;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#choices = (Object.entries(WEIGHTS) as [keyof typeof WEIGHTS, number][]).filter(([kind]) => !options.without.has(kind));
    this.#sequenceAt = options.now() + options.chance.between(0.5, 1.5) * SEQUENCE_EVERY_MS;
  }

  /** How many writes there were of each kind. */
  get counts(): ReadonlyMap<WriteKind, number> {
    return this.#counts;
  }

  /** Conversations of many sizes that have been there for long, some of them imported. */
  furnish(): void {
    const { world, chance, now } = this.#options;
    const drafts: (MessageDraft & { createdAtUs: number })[] = [];
    for (const [at, size] of SIZES.entries()) {
      world.addConversation(at + 1);
      const newestUs = Math.floor((now() - this.#options.settleMs * 4) * 1000);
      const spanUs = chance.between(0.001, 40) * DAY_US;
      for (let n = 0; n < size; n++) {
        const draft = this.#draft(at + 1);
        // Several in a second, and now and then in a microsecond.
        const createdAtUs =
          chance.isTrue(0.1) && drafts.length > 0
            ? drafts.at(-1)!.createdAtUs
            : newestUs - Math.floor(chance.next() ** 3 * spanUs);
        drafts.push({ ...draft, createdAtUs });
      }
    }
    for (const draft of drafts.toSorted((a, b) => a.createdAtUs - b.createdAtUs)) {
      world.addOld(draft);
      if (chance.isTrue(0.2)) world.table.skipIds(chance.whole(1, 30));
    }
  }

  /** One write, and the commits that are due. */
  write(): void {
    this.#commitDue();
    if (this.#options.now() >= this.#sequenceAt) this.#disturbSequence();
    const kind = this.#options.chance.weighed(this.#choices);
    if (this.#do(kind)) this.#count(kind);
  }

  /** False where there was nothing to do it to. */
  #do(kind: keyof typeof WEIGHTS): boolean {
    const { world, chance } = this.#options;
    const conversation = chance.pick(this.#there());
    switch (kind) {
      case 'new':
        world.insert(this.#draft(conversation));
        return true;
      case 'burst':
        world.insertAll(Array.from({ length: chance.whole(15, 30) }, () => this.#draft(conversation)));
        return true;
      case 'late':
        this.#begin(this.#draft(conversation));
        return true;
      case 'tied-second':
      case 'tied-microsecond':
        return this.#insertTied(conversation, kind);
      case 'back-dated':
        return this.#insertBackDated(conversation, [chance.pick([3, 60, 3_600, 86_400, 30 * 86_400]) * 1_000_000]);
      case 'import': {
        const backUs = chance.between(60, 86_400) * 1_000_000;
        return this.#insertBackDated(
          conversation,
          Array.from({ length: chance.whole(20, 120) }, () => chance.between(0.5, 1) * backUs),
        );
      }
      case 'hole':
        world.table.skipIds(chance.whole(1, 40));
        return true;
      case 'edit': {
        const row = this.#someRow(conversation);
        if (row !== undefined) world.edit(row.id, { content: this.#words(), status: chance.pick(['sent', 'delivered', 'read']) });
        return row !== undefined;
      }
      case 'soft-delete': {
        const row = this.#someRow(conversation);
        if (row !== undefined) world.softDelete(row.id);
        return row !== undefined;
      }
      case 'hard-delete': {
        const row = this.#someRow(conversation);
        if (row !== undefined) world.hardDelete(row.id);
        return row !== undefined;
      }
      case 'meta':
        world.changeMeta(conversation, this.#metaChange(conversation));
        return true;
      case 'conversation-added':
        return this.#addConversation();
      case 'conversation-removed':
        return this.#removeConversation(conversation);
    }
  }

  #there(): readonly number[] {
    const { world } = this.#options;
    return world.ids.filter((id) => world.isThere(id));
  }

  #draft(conversationId: number): MessageDraft {
    const { chance } = this.#options;
    const kind = chance.next();
    const plain = { accountId: ACCOUNT, conversationId, content: this.#words() };
    if (kind < 0.12) return { ...plain, messageType: 2 };
    if (kind < 0.25) return { ...plain, messageType: 1, private: true, sender: chance.pick(AGENTS) };
    if (kind < 0.6) return { ...plain, sender: contactJson({ id: conversationId, name: 'Kim', email: 'kim@example.test' }) };
    const contentAttributes = chance.isTrue(0.1) ? { in_reply_to: chance.whole(1, 1_000), external_error: 'none' } : {};
    return { ...plain, messageType: 1, sender: chance.pick(AGENTS), contentAttributes };
  }

  /** No two rows and no two versions of one say the same. */
  #words(): string {
    return `${this.#options.chance.pick(['Where is <it>?', 'Grüße & Küsse 👋', 'ok', 'A "quoted" \\ word'])} ${this.#revision++}`;
  }

  #begin(draft: MessageDraft): void {
    const { world, chance, now, settleMs } = this.#options;
    const due = now() + chance.between(0.02, LATE_SHARE) * settleMs;
    this.#open.push({ pending: world.begin(draft), due, fails: chance.isTrue(0.15), backDatedOver: 0 });
  }

  #commitDue(): void {
    const { world, now, settleMs } = this.#options;
    const at = now();
    for (const one of this.#open.filter(({ due }) => due <= at)) {
      this.#open.splice(this.#open.indexOf(one), 1);
      const { conversationId } = one.pending.open.row;
      const isTooLate = at - one.pending.handedOutAt > LATE_SHARE_MAX * settleMs;
      if (one.fails || isTooLate || !world.isThere(conversationId)) world.rollback(one.pending);
      else world.commit(one.pending);
    }
  }

  #insertTied(conversation: number, kind: 'tied-second' | 'tied-microsecond'): boolean {
    const { world, chance } = this.#options;
    const last = world.rows(conversation).at(-1);
    if (last === undefined) return false;
    const { createdAtUs } = last;
    const inSecond = Math.floor(createdAtUs / 1e6) * 1e6 + chance.whole(0, 999_999);
    return this.#insertAt(conversation, [kind === 'tied-microsecond' ? createdAtUs : inSecond]);
  }

  #insertBackDated(conversation: number, byUs: readonly number[]): boolean {
    const nowUs = this.#options.now() * 1000;
    return this.#insertAt(
      conversation,
      byUs.map((us) => Math.floor(nowUs - us)),
    );
  }

  /** Not so many that an uncommitted row below them would be taken for history. */
  #insertAt(conversation: number, createdAtUs: readonly number[]): boolean {
    const below = this.#open.filter(({ pending }) => pending.open.row.conversationId === conversation);
    if (below.some(({ backDatedOver }) => backDatedOver + createdAtUs.length > BACK_DATED_OVER_OPEN_MAX)) return false;
    for (const open of below) open.backDatedOver += createdAtUs.length;
    const drafts = createdAtUs.map((us) => ({ ...this.#draft(conversation), createdAtUs: us }));
    if (drafts.length === 1) this.#options.world.insert(drafts[0]!);
    else this.#options.world.insertAll(drafts);
    return true;
  }

  /** One of the newest, mostly. None that was deleted softly: it is not edited any more. */
  #someRow(conversation: number): MessageRow | undefined {
    const { world, chance } = this.#options;
    const rows = world.rows(conversation);
    const row = rows[rows.length - 1 - Math.floor(chance.next() ** 2 * rows.length)];
    return row === undefined || row.json.includes('"deleted":true') ? undefined : row;
  }

  #metaChange(conversation: number): Parameters<World['changeMeta']>[1] {
    const { chance } = this.#options;
    const revision = this.#revision++;
    switch (chance.whole(0, 2)) {
      case 0:
        return { labels: [`label-${revision}`] };
      case 1:
        return { agent_last_seen_at: new Date(1_700_000_000_000 + revision * 1000).toISOString() };
      default:
        return { contact: contactJson({ id: conversation, name: `Contact v${revision}`, phoneNumber: '+15550100' }) };
    }
  }

  #addConversation(): boolean {
    const { world, chance } = this.#options;
    const gone = world.ids.filter((id) => !world.isThere(id));
    if (world.ids.length >= CONVERSATIONS_MAX && gone.length === 0) return false;
    // One that comes back is one from a backup.
    const id = world.ids.length < CONVERSATIONS_MAX ? world.ids.length + 1 : chance.pick(gone);
    world.addConversation(id);
    if (chance.isTrue(0.5)) this.#do('burst');
    return true;
  }

  /** Never so many that little is left to read. */
  #removeConversation(conversation: number): boolean {
    if (conversation <= 3) return false;
    this.#options.world.removeConversation(conversation);
    return true;
  }

  /** A backup is restored, or a row brings an id far ahead of the sequence; later that row goes again. */
  #disturbSequence(): void {
    const { world, chance, now, without } = this.#options;
    this.#sequenceAt = now() + chance.between(0.5, 1.5) * SEQUENCE_EVERY_MS;
    const kind = chance.pick(SEQUENCE_KINDS);
    if (this.#stray !== null) {
      const { table } = world;
      const stray = this.#there()
        .flatMap((id) => world.rows(id))
        .find(({ id }) => id === this.#stray);
      if (stray !== undefined) world.hardDelete(stray.id);
      table.setSequence(Math.max(table.nextId, this.#stray + 1));
      this.#stray = null;
      return;
    }
    if (without.has(kind)) return;
    if (kind === 'restored') {
      for (const { pending } of this.#open.splice(0)) world.rollback(pending);
      world.restore(world.table.nextId - chance.whole(20, 300));
    } else {
      this.#stray = world.table.nextId + chance.whole(50_000, 100_000);
      world.insertAhead({ ...this.#draft(chance.pick(this.#there())), id: this.#stray });
    }
    this.#count(kind);
  }

  #count(kind: WriteKind): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
  }
}
