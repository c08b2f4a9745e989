// The answer that carries a page: status, headers and body, whichever way it is sent.

import type { IncomingHttpHeaders } from 'node:http';
import type { Answer } from '../cache/read-through.ts';
import { cacheStatus } from './cache-status.ts';
import type { HeaderList } from './header-list.ts';
import { matchesEtag, type Rendered } from './render.ts';

export interface PageAnswer {
  readonly status: 200 | 304;
  /** All but its length. */
  readonly headers: HeaderList;
  /** Null for a page that the caller has. */
  readonly body: Buffer | null;
}

/** @param vary what answers vary by. */
export function pageAnswer(asked: IncomingHttpHeaders, answer: Answer, { body, etag }: Rendered, vary: string): PageAnswer {
  const headers: HeaderList = [
    'etag',
    etag,
    'cache-control',
    'private, no-cache',
    'age',
    String(Math.max(0, Math.floor(answer.ageMs / 1000))),
    'cache-status',
    cacheStatus(answer),
    'vary',
    vary,
  ];
  if (matchesEtag(asked['if-none-match'], etag)) return { status: 304, headers, body: null };
  headers.push('content-type', 'application/json; charset=utf-8');
  return { status: 200, headers, body };
}
