// The explanation of one conversation: what is known of its ids, and what a query would meet. Ids, ages and counts; no content.

import { Type, type Static } from 'typebox';
import type { Outlook } from '../cache/outlook.ts';
import { idRange, PAGE_LIMIT, type IdRange, type Query } from '../timeline/query.ts';
import type { Place, Statement } from '../timeline/statement.ts';
import type { KnownRow } from '../timeline/timeline.ts';
import { parametersOf } from '../upstream/chatwoot-url.ts';
import type { ConversationId } from '../upstream/upstream.ts';
import { because } from './explain-words.ts';

const strict = { additionalProperties: false };
const orNull = <T extends Parameters<typeof Type.Union>[0][number]>(type: T) => Type.Union([type, Type.Null()]);
const Count = Type.Integer({ minimum: 0 });
const AgeMs = Type.Integer({ description: 'Milliseconds since it was asked of Chatwoot' });
const IdsSchema = {
  from: Type.Integer({ minimum: 0, description: 'The lowest id' }),
  below: orNull(Type.Integer({ minimum: 0, description: 'One above the highest id; null for no end' })),
};
const PlaceSchema = orNull(Type.Object({ id: Type.Integer(), createdAt: Type.Integer() }, strict));
const ModeSchema = Type.Union([Type.Literal('proved'), Type.Literal('exact')]);
const StandingSchema = Type.Union([Type.Literal('durable'), Type.Literal('settling'), Type.Literal('transient')]);

export const ExplanationSchema = Type.Object(
  {
    account: Type.Integer({ minimum: 1 }),
    conversation: Type.Integer({ minimum: 1 }),
    mode: Type.Union([...ModeSchema.anyOf], {
      description: '`exact` where pages answer only the very query that they were read for',
    }),
    query: Type.Object(
      {
        text: Type.String({ description: 'As a request for messages has it' }),
        ...IdsSchema,
        limit: Type.Integer({ description: 'Rows that a page may have' }),
      },
      { ...strict, description: 'The question, and the ids that it speaks of' },
    ),
    answer: Type.Object(
      {
        outcome: Type.Union([Type.Literal('hit'), Type.Literal('read'), Type.Literal('not_found')]),
        because: Type.String({ description: 'Why, in words' }),
        page: orNull(Type.Array(Type.Integer(), { description: 'The ids on the page, in its order' })),
        ageMs: orNull(AgeMs),
        freshForMs: orNull(Type.Integer({ description: 'Negative where it is read again behind the answer' })),
        read: orNull(
          Type.Object(
            {
              reason: Type.Union([Type.Literal('forward'), Type.Literal('fill'), Type.Literal('seal')]),
              query: Type.String(),
            },
            { ...strict, description: 'The first read that would be sent' },
          ),
        ),
        shownWhileChatwootFails: Type.Boolean(),
      },
      strict,
    ),
    known: Type.Array(
      Type.Object(
        {
          ...IdsSchema,
          standing: StandingSchema,
          ageMs: AgeMs,
          except: orNull(
            Type.Object(
              { from: PlaceSchema, to: PlaceSchema },
              { ...strict, description: 'Messages in this window of the order may be unknown; null on a side for no end' },
            ),
          ),
        },
        strict,
      ),
      { description: 'Ranges of ids of which every message is known, except as told' },
    ),
    unknown: Type.Array(Type.Object(IdsSchema, strict), { description: 'Ranges of ids of which nothing is said' }),
    rows: Type.Object(
      {
        count: Count,
        bytes: Count,
        lowestId: orNull(Type.Integer()),
        highestId: orNull(Type.Integer()),
        bins: Type.Array(Type.Object({ from: Type.Integer(), below: Type.Integer(), count: Count, ageMs: AgeMs }, strict), {
          description: 'Known messages along the ids; the age is that of the one read longest ago',
        }),
      },
      strict,
    ),
    pages: Type.Array(Type.Object({ query: Type.String(), rows: Count, ageMs: AgeMs }, strict), {
      description: 'Of the mode `exact`, what is kept',
    }),
    metaAgeMs: orNull(AgeMs),
    due: Type.Object(
      { tail: Type.Boolean(), meta: Type.Boolean(), rows: Type.Boolean() },
      { ...strict, description: 'What was told to have changed since something of it was read' },
    ),
    committedBelow: Type.Integer({ description: 'Ids below this are surely committed; 0 while that is not known' }),
    contradictions: Count,
  },
  strict,
);

export type Explanation = Static<typeof ExplanationSchema>;

/** More are too thin to be seen. */
const BINS_MAX = 200;

export function explanation({ accountId, conversationId }: ConversationId, query: Query, outlook: Outlook): Explanation {
  const { now, knowledge, mode, found, next, isMissing } = outlook;
  const { timeline, exact, due } = knowledge;
  const statements = mode === 'exact' ? [] : query.publicOnly ? timeline.publicStatements : timeline.statements;
  const rows = query.publicOnly ? timeline.rows.filter((row) => !row.internal) : timeline.rows;
  const envelope = mode === 'exact' ? exact.envelope : timeline.envelope;
  const ids = rows.map(({ id }) => id);
  const age = (at: number): number => Math.max(0, Math.round(now - at));
  const isHit = found.proved && !isMissing;
  return {
    account: accountId,
    conversation: conversationId,
    mode,
    query: { text: parametersOf(query), ...idsOf(idRange(query)), limit: PAGE_LIMIT[query.mode] },
    answer: {
      outcome: isMissing ? 'not_found' : found.proved ? 'hit' : 'read',
      because: because(query, outlook),
      page: isHit ? found.rows.map(({ id }) => id) : null,
      ageMs: isHit ? age(found.asOf) : null,
      freshForMs: isHit ? Math.round(found.freshUntil - now) : null,
      read: isMissing || next === null ? null : { reason: next.reason, query: parametersOf(next.query) },
      shownWhileChatwootFails: outlook.isShownStale,
    },
    known: statements.map((statement) => ({
      ...idsOf(statement),
      standing: statement.standing,
      ageMs: age(statement.askedAt),
      except: statement.unknown === null ? null : { from: placeOf(statement.unknown.from), to: placeOf(statement.unknown.to) },
    })),
    unknown: gapsBetween(statements).map(idsOf),
    rows: {
      count: rows.length,
      bytes: rows.reduce((sum, { raw }) => sum + raw.length, 0),
      lowestId: lowest(ids),
      highestId: highest(ids),
      bins: binsOf(rows, age),
    },
    pages: [...exact.pages].map(([key, page]) => ({ query: key, rows: page.rows.length, ageMs: age(page.askedAt) })),
    metaAgeMs: envelope === null ? null : age(envelope.askedAt),
    due: {
      tail: statements.some(({ standing, askedAt }) => standing === 'transient' && askedAt < due.tailAt),
      meta: envelope !== null && envelope.askedAt < due.envelopeAt,
      rows: due.rows.size > 0 || rows.some(({ readAt }) => readAt < Math.max(due.rowsAt, due.contactRowsAt)),
    },
    committedBelow: outlook.frontier,
    contradictions: timeline.contradictions,
  };
}

function idsOf({ lo, hi }: IdRange): { from: number; below: number | null } {
  return { from: lo, below: hi === Infinity ? null : hi };
}

function placeOf(place: Place | null): { id: number; createdAt: number } | null {
  return place === null ? null : { id: place.id, createdAt: place.createdAt };
}

/** The ids that no statement speaks of. */
function gapsBetween(statements: readonly Statement[]): IdRange[] {
  const gaps: IdRange[] = [];
  let reached = 0;
  for (const { lo, hi } of statements) {
    if (lo > reached) gaps.push({ lo: reached, hi: lo });
    reached = hi;
  }
  if (reached < Infinity) gaps.push({ lo: reached, hi: Infinity });
  return gaps;
}

function binsOf(rows: readonly KnownRow[], age: (at: number) => number): Explanation['rows']['bins'] {
  const ids = rows.map(({ id }) => id);
  const first = lowest(ids);
  if (first === null) return [];
  const width = Math.max(1, Math.ceil((highest(ids)! + 1 - first) / BINS_MAX));
  const bins = new Map<number, { count: number; readAt: number }>();
  for (const { id, readAt } of rows) {
    const at = Math.floor((id - first) / width);
    const bin = bins.get(at);
    if (bin === undefined) bins.set(at, { count: 1, readAt });
    else {
      bin.count++;
      bin.readAt = Math.min(bin.readAt, readAt);
    }
  }
  return [...bins]
    .toSorted(([a], [b]) => a - b)
    .map(([at, { count, readAt }]) => ({
      from: first + at * width,
      below: first + (at + 1) * width,
      count,
      ageMs: age(readAt),
    }));
}

// Spread into Math.min, a long conversation would be more arguments than a call takes.
function lowest(ids: readonly number[]): number | null {
  return ids.length === 0 ? null : ids.reduce((a, b) => Math.min(a, b));
}

function highest(ids: readonly number[]): number | null {
  return ids.length === 0 ? null : ids.reduce((a, b) => Math.max(a, b));
}
