// Cutting as tests do it: from text, and back.

import { joinBody } from '../../src/cache/join-body.ts';
import { BackscrollError } from '../../src/errors.ts';
import { type SplitBody, splitBody } from '../../src/upstream/split-body.ts';

export function split(body: string): SplitBody {
  return splitBody(Buffer.from(body));
}

/** The text of raw bytes. */
export function text(raw: string): string {
  return Buffer.from(raw, 'latin1').toString('utf8');
}

/** The refusal of a body; anything else that is thrown fails the test. */
export function refusal(body: string | Buffer): BackscrollError | undefined {
  try {
    splitBody(Buffer.from(body));
    return undefined;
  } catch (error) {
    if (error instanceof BackscrollError && error.code === 'upstream_invalid') return error;
    throw error;
  }
}

export function joined({ envelope, rows }: SplitBody): Buffer {
  return joinBody(envelope, rows);
}
