// The form of an answer: a page cut into the JSON of its meta and of its rows, and what is wrong whatever Chatwoot could have said.

import { createHash } from 'node:crypto';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import type { Observation } from './judge.ts';

const PAYLOAD = ',"payload":[';

/** Null where it is no page as the fake, or the program in the view `customer`, writes it. */
export function readPage(body: string): NonNullable<Observation['page']> | null {
  // A meta never holds a payload.
  const cut = body.indexOf(PAYLOAD);
  if (!body.startsWith('{"meta":') || cut < 0 || !body.endsWith(']}')) return null;
  const inner = body.slice(cut + PAYLOAD.length, -2);
  return {
    meta: body.slice('{"meta":'.length, cut),
    rows: inner === '' ? [] : inner.split(/,(?=\{"id":\d+,"content":)/),
  };
}

/** An answer without its coding, and with the ETag that it has without; none where its ETag is not of its coding. */
export function plainOf({ body, etag, coding }: { body: Buffer; etag: string | undefined; coding: string | undefined }): {
  body: Buffer;
  etag: string | undefined;
} {
  const bare = etag?.replace(/-(?:gzip|br)"$/, '"');
  if (body.length === 0) return { body, etag: bare };
  if (coding === undefined) return { body, etag };
  const plain = coding === 'gzip' ? gunzipSync(body) : brotliDecompressSync(body);
  return { body: plain, etag: etag?.endsWith(`-${coding}"`) === true ? bare : undefined };
}

/** An answer, without its coding. */
export interface Received {
  readonly status: number;
  readonly method: string;
  readonly body: Buffer;
  readonly etag: string | undefined;
  /** The If-None-Match that was sent. */
  readonly ifNoneMatch: string | undefined;
}

/** What is wrong with its form, or undefined. */
export function flawOf({ status, method, body, etag, ifNoneMatch }: Received): string | undefined {
  if (method === 'HEAD' || status === 304) {
    if (body.length > 0) return `a body of ${body.length} bytes where there is none`;
    return status === 304 && etag !== ifNoneMatch ? `304 with ETag ${etag} for ${ifNoneMatch}` : undefined;
  }
  if (status !== 200) return undefined;
  if (readPage(body.toString()) === null) return 'no page of messages';
  const expected = `"${createHash('sha256').update(body).digest('base64url')}"`;
  if (etag !== expected) return 'an ETag that is not of the body';
  return ifNoneMatch === expected ? '200 where the ETag that was sent is right' : undefined;
}
