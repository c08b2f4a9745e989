// Cuts the body of a 200 into rows and what is around them, without ever writing JSON again:
// `head + rows.join(',') + tail` is the body, byte for byte. What is not a page of messages is refused, not guessed at.

import { isUtf8 } from 'node:buffer';
import { BackscrollError } from '../errors.ts';
import type { Envelope, Row } from '../timeline/reading.ts';
import { type ArraySpans, hasMoreValues, NestsTooDeep, skipValue, walkArray, walkObject } from './json-walk.ts';

/** A body in its parts. */
export interface SplitBody {
  readonly envelope: Envelope;
  /** In upstream's order. */
  readonly rows: readonly Row[];
  /** False where the page may be shown to its caller but holds something that speaks against reusing its parts. */
  readonly learnable: boolean;
  /** Whether the rows stand in the order that every mode has. */
  readonly inOrder: boolean;
  /** The conversations that the rows say they are of: display ids (contract 3.2). Rows of a fork may not say. */
  readonly conversations: ReadonlySet<number>;
}

/** Where the rows stand in the body. */
interface Boundaries {
  /** The index of the payload's `[`. */
  readonly open: number;
  readonly payload: ArraySpans;
  /** There are members beside `meta` and `payload`: they may belong to this page alone. */
  readonly hasUnknownMembers: boolean;
}

/**
 * What one page may hold in values. Chatwoot's largest has 1,000 rows of some 20, of an e-mail 100. Each costs a microsecond or
 * two in which nothing else is answered, and a million of them fit into a body that is small by its bytes.
 */
export const VALUES_MAX = 150_000;

const OPEN_BRACKET = 0x5b;
const OPEN_BRACE = 0x7b;

/** The members of a row that are read. JSON.parse takes the last of repeated ones, other readers the first. */
const ROW_MEMBERS: ReadonlySet<string> = new Set(['id', 'created_at', 'message_type', 'private']);

/**
 * Cuts a message page. Raw parts are copies, they do not keep `body` alive.
 * @throws BackscrollError `upstream_invalid` for anything but a page of messages; its message holds nothing of the body.
 */
export function splitBody(body: Buffer): SplitBody {
  if (!isUtf8(body)) throw invalid('it is not UTF-8');
  // One character a byte: indices in the text are those in the body. JSON's own characters are all ASCII and bytes above
  // ASCII stand in strings only, so the grammar cannot tell this text from the decoded one.
  const text = body.toString('latin1');
  if (text.length > VALUES_MAX && hasMoreValues(text, VALUES_MAX)) throw invalid('it has too many values');
  const values = parsePayload(text);
  const { open, payload, hasUnknownMembers } = findBoundaries(text);

  // Cut from the body: a slice of the text would keep all of the text alive.
  const rows = payload.elements.map(({ from, to }, index) => readRow(values[index], body.toString('latin1', from, to)));
  if (new Set(rows.map((row) => row.id)).size !== rows.length) throw invalid('two of its messages have the same id');

  const envelope = {
    // The white space of an empty payload belongs to the head.
    head: body.toString('latin1', 0, rows.length === 0 ? payload.close : open + 1),
    tail: body.toString('latin1', payload.close),
  };
  const inOrder = isInOrder(rows);
  return { envelope, rows, learnable: !hasUnknownMembers && inOrder, inOrder, conversations: conversationsOf(values) };
}

function conversationsOf(values: readonly unknown[]): ReadonlySet<number> {
  const ids = values.map((value) => (isObject(value) ? value['conversation_id'] : undefined));
  return new Set(ids.filter((id) => typeof id === 'number'));
}

/** Judges the whole by JSON.parse: what comes after relies on valid JSON. */
function parsePayload(text: string): readonly unknown[] {
  let page: unknown;
  try {
    page = JSON.parse(text);
  } catch {
    // Its message quotes the body, so it goes no further.
    throw invalid('it is not JSON, or not all of it arrived');
  }
  if (!isObject(page)) throw invalid('it is not an object');
  if (!isObject(page['meta'])) throw invalid('it has no meta object');
  if (!Array.isArray(page['payload'])) throw invalid('it has no payload array');
  return page['payload'];
}

function findBoundaries(text: string): Boundaries {
  let [members, metas, payloads, open] = [0, 0, 0, 0];
  let payload: ArraySpans = { elements: [], close: 0 };
  try {
    walkObject(text, text.indexOf('{'), (key, at) => {
      members++;
      if (key === 'meta') metas++;
      if (key === 'payload') payloads++;
      // A payload that is no array is one of two: refused below.
      if (key !== 'payload' || text.charCodeAt(at) !== OPEN_BRACKET) return skipValue(text, at);
      open = at;
      payload = walkArray(text, at, (rowAt) => endOfRow(text, rowAt));
      return payload.close + 1;
    });
  } catch (error) {
    if (error instanceof NestsTooDeep) throw invalid('it nests too deep');
    throw error;
  }
  if (metas !== 1 || payloads !== 1) throw invalid('it has meta or payload twice');
  return { open, payload, hasUnknownMembers: members > 2 };
}

function endOfRow(text: string, at: number): number {
  if (text.charCodeAt(at) !== OPEN_BRACE) throw invalid('one of its messages is not an object');
  let found = 0;
  const end = walkObject(text, at, (key, valueAt) => {
    if (ROW_MEMBERS.has(key)) found++;
    return skipValue(text, valueAt);
  });
  // One that is missing instead is found by readRow.
  if (found > ROW_MEMBERS.size) throw invalid('one of its messages has a member twice');
  return end;
}

function readRow(value: unknown, raw: string): Row {
  if (!isObject(value)) throw invalid('one of its messages is not an object');
  const { id, created_at: createdAt, message_type: messageType, private: isPrivate } = value;
  if (!isCount(id) || id === 0) throw invalid('one of its messages has no usable id');
  if (!isCount(createdAt)) throw invalid('one of its messages has no usable created_at');
  if (!Number.isSafeInteger(messageType)) throw invalid('one of its messages has no usable message_type');
  if (typeof isPrivate !== 'boolean') throw invalid('one of its messages does not say whether it is private');
  return { id, createdAt, internal: isPrivate || messageType === ACTIVITY, imported: isImported(value['source_id']), raw };
}

/** What Chatwoot's data imports write there (4.16 on): fresh ids under old dates. */
function isImported(sourceId: unknown): boolean {
  return typeof sourceId === 'string' && /^(?:intercom|freshdesk):/.test(sourceId);
}

/** The message_type of what Chatwoot notes by itself: "assigned to …" and the like (contract 3.2). */
const ACTIVITY = 2;

/** Every mode answers in ascending created_at (contract 5.1). */
function isInOrder(rows: readonly Row[]): boolean {
  let last = 0;
  for (const { createdAt } of rows) {
    if (createdAt < last) return false;
    last = createdAt;
  }
  return true;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function invalid(problem: string): BackscrollError {
  return new BackscrollError(
    'upstream_invalid',
    `Chatwoot's answer is not a page of messages: ${problem}. Check that CHATWOOT_URL leads to Chatwoot itself`,
  );
}
