// What a connection that failed means to a caller: an error of undici, of a socket or of TLS in, error out. The originals
// name addresses and ports, so they are not passed on, not even as a cause.

import { errors } from 'undici';
import { BackscrollError } from '../errors.ts';
import { timedOut } from './deadline.ts';

/** Where the exchange broke: a close means another thing before the answer than in its middle. */
export type Phase = 'head' | 'body';

/** An answer whose connection was cut in the middle of it, which may pass; where it does not, it is trouble of what was read. */
export class AnswerCut extends BackscrollError {
  constructor(code: string) {
    super('upstream_unreachable', `Chatwoot's answer broke off (${code}): ${CUT}`);
  }
}

/** A connection that answered before and says nothing any more: its peer may be gone without a word. */
export class ConnectionSilent extends BackscrollError {
  constructor() {
    super('upstream_unreachable', 'The connection to Chatwoot has fallen silent; try again later');
  }
}

const CUT = 'the connection was cut; try again later';

/** The error for what sending or receiving threw; `undefined` for a fault of our own, which is no answer to a caller. */
export function mapBrokenExchange(error: unknown, phase: Phase): BackscrollError | undefined {
  if (error instanceof errors.HTTPParserError) {
    // It holds what was received. The end of a connection within an answer in chunks has no code of its own.
    return /Invalid EOF state/.test(error.message)
      ? cut('EOF', phase)
      : invalidAnswer('it is not HTTP. If Chatwoot is reached by https there, say so in the URL');
  }
  const code = codeOf(error);
  if (code === undefined) return undefined;
  switch (code) {
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'UND_ERR_HEADERS_TIMEOUT':
    case 'UND_ERR_BODY_TIMEOUT':
      return timedOut();
    case 'UND_ERR_DESTROYED':
    case 'UND_ERR_CLOSED':
      return new BackscrollError('draining', 'This server is shutting down; try again', { retryAfter: 1 });
    case 'UND_ERR_INVALID_ARG':
    case 'UND_ERR_NOT_SUPPORTED':
    case 'Z_MEM_ERROR':
      return undefined;
    case 'UND_ERR_HEADERS_OVERFLOW':
      return invalidAnswer('its headers are too large');
    default:
      // However the other side ended: in good order (UND_ERR_SOCKET, and a length that is not the announced one) or by a reset. Or
      // what is compressed has no end (Z_BUF_ERROR): what compressed it was cut itself.
      return cut(code, phase);
  }
}

function cut(code: string, phase: Phase): BackscrollError {
  return phase === 'body' ? new AnswerCut(code) : unreachable(code);
}

/** `problem` is a fixed sentence of ours, never text of upstream. */
export function invalidAnswer(problem: string): BackscrollError {
  return new BackscrollError('upstream_invalid', `Chatwoot's answer cannot be used: ${problem}. Check CHATWOOT_URL`);
}

function unreachable(code: string): BackscrollError {
  return new BackscrollError('upstream_unreachable', `Chatwoot cannot be reached (${code}): ${whyUnreachable(code)}`);
}

function whyUnreachable(code: string): string {
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the host name in CHATWOOT_URL is not found';
    case 'ECONNREFUSED':
      return 'nothing listens at CHATWOOT_URL, or at the proxy for it where one is set';
    case 'ECONNRESET':
    case 'EPIPE':
    case 'UND_ERR_SOCKET':
      return CUT;
    default:
      if (/CERT|ERR_TLS|SIGNATURE/.test(code)) return 'its TLS certificate is not trusted';
      if (/SSL|EPROTO/.test(code)) return 'the TLS handshake failed. Check http and https in CHATWOOT_URL';
      return 'check CHATWOOT_URL, the network, and the proxy where one is set';
  }
}

/** The code of a system, TLS, zlib or undici error: a fixed word in capitals, never text that holds data. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  return /^[A-Z][A-Z0-9_]+$/.test(error.code) ? error.code : undefined;
}
