// The answers that Chatwoot gives, with their exact bodies and headers (contract 2.2, 4).

import { createHash } from 'node:crypto';

import type { Refusal } from './credentials.ts';

/** Header names and values in the order they are sent. */
export type HeaderList = readonly (readonly [string, string])[];

/** One answer, before x-request-id, x-runtime and Content-Length are put to it. */
export interface Answer {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: string;
  /** False for what Puma says itself: such answers have no x-request-id and no x-runtime. */
  readonly fromRails: boolean;
}

const SECURITY: HeaderList = [
  ['x-frame-options', 'SAMEORIGIN'],
  ['x-xss-protection', '0'],
  ['x-content-type-options', 'nosniff'],
  ['x-download-options', 'noopen'],
  ['x-permitted-cross-domain-policies', 'none'],
  ['referrer-policy', 'strict-origin-when-cross-origin'],
];
const JSON_TYPE = ['content-type', 'application/json; charset=utf-8'] as const;
const HTML_TYPE = ['content-type', 'text/html; charset=UTF-8'] as const;

const SIGN_IN: Readonly<Record<string, string>> = {
  en: 'You need to sign in or sign up before continuing.',
  fr: 'Vous devez vous connecter ou vous inscrire avant de continuer.',
};

const REFUSALS: Readonly<Record<Exclude<Refusal, 'sign-in'>, readonly [status: number, error: string]>> = {
  'invalid-token': [401, 'Invalid Access Token'],
  bot: [401, 'Access to this endpoint is not authorized for bots'],
  'no-account': [404, 'Resource could not be found'],
  suspended: [401, 'Account is suspended'],
  'not-a-member': [401, 'You are not authorized to access this account'],
  'no-api': [403, 'API access is not enabled for this account'],
  'no-conversation': [404, 'Resource could not be found'],
  'no-access': [401, 'You are not authorized to do this action'],
};

/** What 4.16 and later say in the account's language. */
const TRANSLATED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  fr: {
    'not-a-member': "Vous n'êtes pas autorisé à accéder à ce compte",
    'no-access': "Vous n'êtes pas autorisé à effectuer cette action",
    'no-api': "L'accès à l'API n'est pas activé pour ce compte",
    'statement-timeout': 'La requête a pris trop de temps. Veuillez réessayer.',
  },
};

/** The weak ETag that Rack makes of a body (contract 4). */
export function etagOf(body: string): string {
  return `W/"${createHash('sha256').update(body).digest('hex').slice(0, 32)}"`;
}

/** A 200 with an ETag, or its 304 where If-None-Match is that ETag byte for byte (contract 4). */
export function jsonAnswer(
  body: string,
  request: {
    readonly ifNoneMatch?: string | undefined;
    readonly sessionHeaders?: HeaderList;
    readonly setCookie?: string | undefined;
  } = {},
): Answer {
  const etag = etagOf(body);
  const matched = request.ifNoneMatch?.trim() === etag;
  const headers: HeaderList = [
    ...SECURITY,
    ...(matched ? [] : [JSON_TYPE]),
    ...(request.sessionHeaders ?? []),
    ['etag', etag],
    ['cache-control', 'max-age=0, private, must-revalidate'],
    ...(request.setCookie === undefined ? [] : [['set-cookie', request.setCookie] as const]),
  ];
  return { status: matched ? 304 : 200, headers, body: matched ? '' : body, fromRails: true };
}

/** Rows 1 to 8 of contract 2.2. `locale` translates the first; `accountLocale`, of 4.16 and later, some of the others. */
export function refusalAnswer(refusal: Refusal, locale: string, accountLocale = 'en'): Answer {
  const [status, body] =
    refusal === 'sign-in'
      ? [401, { errors: [SIGN_IN[locale] ?? SIGN_IN['en']] }]
      : [REFUSALS[refusal][0], { error: TRANSLATED[accountLocale]?.[refusal] ?? REFUSALS[refusal][1] }];
  return errorAnswer(status, body);
}

function errorAnswer(status: number, body: object): Answer {
  const headers: HeaderList = [...SECURITY, JSON_TYPE, ['cache-control', 'no-cache']];
  return { status, headers, body: JSON.stringify(body), fromRails: true };
}

/** The database gave up a statement, as 4.16 and later tell it. */
export function statementTimeoutAnswer(accountLocale: string): Answer {
  const error = TRANSLATED[accountLocale]?.['statement-timeout'] ?? 'The request took too long to complete. Please try again.';
  return errorAnswer(422, { error });
}

/** A record that is not valid (contract 7.2). */
export function unprocessableAnswer(message: string, attribute: string): Answer {
  return errorAnswer(422, { message, attributes: [attribute] });
}

/** Row 9 of contract 2.2: any exception. */
export function serverErrorAnswer(): Answer {
  const headers: HeaderList = [['content-type', 'application/json; charset=UTF-8']];
  return { status: 500, headers, body: '{"status":500,"error":"Internal Server Error"}', fromRails: true };
}

/** Row 10 of contract 2.2: malformed query or body. */
export function badRequestAnswer(): Answer {
  return { status: 400, headers: [HTML_TYPE], body: '', fromRails: true };
}

/** A path that no route has: a static HTML page (contract 1.1), with words of its own. */
export function notFoundPageAnswer(): Answer {
  const body = '<!DOCTYPE html>\n<html><head><title>404</title></head><body><h1>Not found</h1></body></html>\n';
  return { status: 404, headers: [HTML_TYPE], body, fromRails: true };
}

/** `.html`, `.xml`, `.csv`: no such view (contract 1.1). */
export function notAcceptableAnswer(format: string): Answer {
  if (format !== 'xml') return { status: 406, headers: [HTML_TYPE], body: '', fromRails: true };
  const hash = '<hash>\n  <status type="integer">406</status>\n  <error>Not Acceptable</error>\n</hash>';
  const headers: HeaderList = [['content-type', 'application/xml; charset=UTF-8']];
  return { status: 406, headers, body: `<?xml version="1.0" encoding="UTF-8"?>\n${hash}\n`, fromRails: true };
}

/** rack-attack's 429: no Retry-After (contract 2.3). */
export function throttledAnswer(): Answer {
  const headers: HeaderList = [
    ['content-type', 'text/plain'],
    ['cache-control', 'no-cache'],
  ];
  return { status: 429, headers, body: 'Retry later\n', fromRails: true };
}

/** What Puma answers before or around Rails, in plain text without a content type (contract 1.1, 1.2, 2.2). */
export function pumaAnswer(status: number, body: string): Answer {
  return { status, headers: [], body, fromRails: false };
}
