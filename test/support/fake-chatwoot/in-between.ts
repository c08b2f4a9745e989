// What stands before Chatwoot and answers in its place: firewalls, sign-in walls, gateways. Shapes as such products send them.

import type { Fault } from './fault.ts';

/** A refusal that is none of Chatwoot's, and what is told of who it came from. */
export interface ForeignRefusal {
  readonly name: string;
  readonly fault: Extract<Fault, { readonly kind: 'status' }>;
  readonly tells: RegExp;
}

const HTML = { 'content-type': 'text/html; charset=UTF-8' };
const JSON_TYPE = { 'content-type': 'application/json' };

function refusal(
  name: string,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string,
  tells: RegExp,
): ForeignRefusal {
  return { name, fault: { kind: 'status', status, headers, body }, tells };
}

export const FOREIGN_REFUSALS: readonly ForeignRefusal[] = [
  refusal(
    'a challenge',
    403,
    { ...HTML, server: 'cloudflare', 'cf-mitigated': 'challenge', 'cf-ray': '8c1f00000000abcd-FRA' },
    '<!DOCTYPE html><title>Just a moment...</title>',
    /status 403, server cloudflare, text\/html, cf-mitigated challenge/,
  ),
  refusal(
    'a firewall that says why',
    403,
    { ...JSON_TYPE, server: 'waf/2.1' },
    '{"message":"blocked"}',
    /status 403, server waf, application\/json/,
  ),
  refusal(
    'a gateway without keys',
    401,
    JSON_TYPE,
    '{"message":"No API key found in request","request_id":"7"}',
    /status 401, application\/json/,
  ),
  refusal('an error object of somebody else', 403, JSON_TYPE, '{"error":"Forbidden"}', /status 403/),
  refusal('a list of errors of somebody else', 401, JSON_TYPE, '{"errors":["Unauthorized"]}', /status 401/),
  refusal(
    'a basic login',
    401,
    { ...HTML, server: 'nginx/1.25.3', 'www-authenticate': 'Basic realm="x"' },
    '<html>',
    /status 401, server nginx, text\/html/,
  ),
  refusal('nothing at that place', 404, { ...HTML, server: 'nginx' }, '<html>', /status 404, server nginx/),
  refusal('another application', 404, JSON_TYPE, '{"error":"no such route"}', /status 404/),
  refusal('an unprocessable request', 422, JSON_TYPE, '{"error":"bad header"}', /status 422/),
];
