// Cuts the body of a 200 into rows and what is around them, without ever writing JSON again:
// `head + rows.join(',') + tail` is the body, byte for byte. What is not a page of messages is refused, not guessed at.

import { isUtf8 } from 'node:buffer';
import { BackscrollError } from '../errors.ts';
import { atOnce, inTurns, STEP_BYTES, type Steps } from '../steps.ts';
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
  if (!isUtf8(body)) throw invalid('it is not UTF-8');
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
