// Puts an answer together from the bytes it was cut into. The inverse of upstream/split-body.ts.

import { atOnce, STEP_BYTES, type Steps } from '../steps.ts';
import type { Envelope, Row } from '../timeline/reading.ts';

/** The body's bytes: head, rows with commas between them, tail. */
export function joinBody(envelope: Envelope, rows: readonly Pick<Row, 'raw'>[]): Buffer {
  return atOnce(joinBodySteps(envelope, rows));
}

/** The same in steps. */
export function* joinBodySteps(envelope: Envelope, rows: readonly Pick<Row, 'raw'>[]): Steps<Buffer> {
  const commas = Math.max(0, rows.length - 1);
  let size = envelope.head.length + envelope.tail.length + commas;
  for (const { raw } of rows) size += raw.length;
  // It is kept: one out of Node's pool would keep its neighbours too.
  const body = Buffer.allocUnsafeSlow(size);
  let at = body.write(envelope.head, 0, 'latin1');
  let stepEnd = STEP_BYTES;
  let isFirst = true;
  for (const { raw } of rows) {
    if (!isFirst) body[at++] = COMMA;
    isFirst = false;
    at += body.write(raw, at, 'latin1');
    if (at < stepEnd) continue;
    yield;
    stepEnd = at + STEP_BYTES;
  }
  body.write(envelope.tail, at, 'latin1');
  return body;
}

const COMMA = 0x2c;
