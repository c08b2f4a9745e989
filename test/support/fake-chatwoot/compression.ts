// What a web server before Chatwoot does to its answers where it compresses: as nginx does with `gzip on`.

import { gzipSync } from 'node:zlib';

import type { WireAnswer } from './fault.ts';
import type { LoggedRequest } from './request-log.ts';

/** `unasked`: whatever the request accepts. */
export type Compression = 'off' | 'asked' | 'unasked';

/** The smallest body that is compressed (nginx: gzip_min_length). */
const BYTES_MIN = 20;

/** The answer as it leaves the web server: its ETag is weak, its length is that of the compressed body. */
export function compressed(answer: WireAnswer, request: LoggedRequest, compression: Compression): WireAnswer {
  const isAsked =
    compression === 'unasked' || (compression === 'asked' && /\bgzip\b/.test(request.headers['accept-encoding'] ?? ''));
  if (!isAsked || answer.body.length < BYTES_MIN) return answer;
  const body = gzipSync(answer.body);
  const headers = answer.headers.map((value, at) => (answer.headers[at - 1] === 'Content-Length' ? String(body.length) : value));
  return { ...answer, body, headers: ['content-encoding', 'gzip', 'vary', 'accept-encoding', ...headers] };
}
