// The answer that carries a page: status, headers and body, whichever way it is sent.

import type { IncomingHttpHeaders } from 'node:http';
import type { Answer } from '../cache/read-through.ts';
import { cacheStatus } from './cache-status.ts';
import type { CodedPages } from './coded-pages.ts';
import type { Accepted, AcceptedCodings } from './codings.ts';
import { codedEtag, namedEtag } from './entity-tags.ts';
import type { HeaderList } from './header-list.ts';
import type { Rendered } from './render.ts';

export interface PageAnswer {
  readonly status: 200 | 304;
  /** All but its length. */
  readonly headers: HeaderList;
  /** Null for a page that the caller has. */
  readonly body: Buffer | null;
}

/** What answers depend on beside the page. */
export interface PageAnswers {
  readonly accepted: AcceptedCodings;
  readonly codedPages: CodedPages;
  /** What answers vary by. */
  readonly vary: string;
}

export function pageAnswer(asked: IncomingHttpHeaders, answer: Answer, page: Rendered, by: PageAnswers): PageAnswer {
  const accepted = by.accepted.of(asked['accept-encoding']);
  const held = asked['if-none-match'] === undefined ? null : heldEtag(asked['if-none-match'], page, accepted);
  if (held !== null) return { status: 304, headers: headersOf(held, answer, by.vary), body: null };
  const { body, etag, coding } = by.codedPages.shown(page, accepted.preferred);
  const headers = headersOf(etag, answer, by.vary);
  headers.push('content-type', 'application/json; charset=utf-8');
  if (coding !== null) headers.push('content-encoding', coding);
  return { status: 200, headers, body };
}

function headersOf(etag: string, answer: Answer, vary: string): HeaderList {
  return [
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
}

/**
 * The ETag under which the caller holds this very page; null where it does not. The same page in a coding that is not kept here is
 * known by its name. One that the caller cannot read now is another's, in a cache that holds both.
 */
function heldEtag(ifNoneMatch: string, { etag, coded }: Rendered, { preferred, readable }: Accepted): string | null {
  const isCoded = preferred !== null && typeof coded[preferred] === 'object';
  const inCodings = readable.map((coding) => codedEtag(etag, coding));
  // What would be sent comes first: `*` means that.
  return namedEtag(ifNoneMatch, isCoded ? [codedEtag(etag, preferred), ...inCodings, etag] : [etag, ...inCodings]);
}
