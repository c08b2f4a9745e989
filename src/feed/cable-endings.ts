// Why a connection to the cable ended, in words that an operator can act on. They hold no secret: the stream's token is one.

import { BackscrollError } from '../errors.ts';
import type { Ended } from './trust.ts';

export interface EndedBecause {
  readonly why: Ended;
  /** The rest of a sentence that begins with what ended. */
  readonly text: string;
  /** Whether to come back soon, or seldom since it would most likely end the same way. */
  readonly retry: 'soon' | 'late';
}

export const CLOSED_HERE: EndedBecause = { why: 'closed', text: 'it was closed here', retry: 'soon' };
export const NO_UPGRADE: EndedBecause = { why: 'unreachable', text: 'the upgrade was not answered in time', retry: 'soon' };
export const NO_WELCOME: EndedBecause = { why: 'no-cable', text: 'what answers there does not speak ActionCable', retry: 'late' };

/** An answer that is no upgrade. */
export function whyRefused(status: number): EndedBecause {
  if (status === 429 || status >= 500) {
    return {
      why: 'unreachable',
      text: `the upgrade was answered with status ${status}`,
      retry: status === 429 ? 'late' : 'soon',
    };
  }
  const text =
    status === 404
      ? 'there is no /cable: this Chatwoot has none, or a proxy before it does not pass it on'
      : `the upgrade was answered with status ${status}: something before Chatwoot does not pass WebSockets on`;
  return { why: 'no-cable', text, retry: 'late' };
}

/** What failed, without anything that was sent. */
export function sentenceOf(error: unknown): string {
  if (error instanceof BackscrollError) return error.message;
  if (!(error instanceof Error)) return 'for an unknown reason';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') return 'a frame was larger than any that is taken';
  if (/handshake has timed out/i.test(error.message)) return NO_UPGRADE.text;
  if (/CERT|ERR_TLS|SIGNATURE/.test(code)) return `its TLS certificate is not trusted (${code})`;
  return code === '' ? 'what came is no WebSocket' : `the connection failed (${code})`;
}
