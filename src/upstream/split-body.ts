// Cuts the body of a 200 into rows and what is around them, without ever writing JSON again:
// `head + rows.join(',') + tail` is the body, byte for byte. What is not a page of messages is refused, not guessed at.

import { isUtf8 } from 'node:buffer';
import { BackscrollError } from '../errors.ts';
import { atOnce, COPIED_STEP_BYTES, inTurns, STEP_BYTES, type Steps } from '../steps.ts';
import type { Row } from '../timeline/reading.ts';
import { BodyCutter, type CutPage, NotAPage } from './body-cutter.ts';

/** A body in its parts. */
export interface SplitBody extends Pick<CutPage, 'envelope' | 'rows' | 'conversations'> {
  /** False where the page may be shown to its caller but holds something that speaks against reusing its parts. */
  readonly learnable: boolean;
  /** Whether the rows stand in the order that every mode has. */
  readonly inOrder: boolean;
}

/**
 * Cuts a message page. Raw parts are copies, they do not keep `body` alive.
 * @throws BackscrollError `upstream_invalid` for anything but a page of messages; its message holds nothing of the body.
 */
export function splitBody(body: Buffer): SplitBody {
  return atOnce(split(body));
}

/** The same, a large body in several turns of the event loop. @throws BackscrollError, or rejects with it or the signal's reason */
export function splitBodyInTurns(body: Buffer, signal?: AbortSignal): SplitBody | Promise<SplitBody> {
  return body.length <= STEP_BYTES ? splitBody(body) : inTurns(split(body), signal);
}

function* split(body: Buffer): Steps<SplitBody> {
  yield* checkUtf8(body);
  const cutter = new BodyCutter(body);
  try {
    while (!cutter.readOn(STEP_BYTES)) yield;
    const { envelope, rows, conversations, hasUnknownMembers } = cutter.page;
    const inOrder = isInOrder(rows);
    return { envelope, rows, conversations, learnable: !hasUnknownMembers && inOrder, inOrder };
  } catch (error) {
    throw error instanceof NotAPage ? invalid(error.message) : error;
  }
}

function* checkUtf8(body: Buffer): Steps<void> {
  for (let from = 0; from < body.length;) {
    if (from > 0) yield;
    const to = characterStart(body, from + COPIED_STEP_BYTES);
    if (!isUtf8(body.subarray(from, to))) throw invalid('it is not UTF-8');
    from = to;
  }
}

/** Where a character begins, there or up to three bytes before, if these bytes are UTF-8; the end where that is nearer. */
function characterStart(body: Buffer, near: number): number {
  if (near >= body.length) return body.length;
  let at = near;
  while (near - at < 3 && (body[at]! & 0xc0) === 0x80) at--;
  return at;
}

/** Every mode answers in ascending created_at (contract 5.1). */
function isInOrder(rows: readonly Row[]): boolean {
  let last = 0;
  for (const { createdAt } of rows) {
    if (createdAt < last) return false;
    last = createdAt;
  }
  return true;
}

function invalid(problem: string): BackscrollError {
  return new BackscrollError(
    'upstream_invalid',
    `Chatwoot's answer is not a page of messages: ${problem}. Check that CHATWOOT_URL leads to Chatwoot itself`,
  );
}
