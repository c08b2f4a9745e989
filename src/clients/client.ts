// Clients are entries of the operator's table; a reader is the authenticated caller of one request.

import type { KeyDigest } from './key.ts';
import type { OwnToken } from '../upstream/own-token.ts';
import type { Rate } from '../rate.ts';
import type { Scope } from './scope.ts';

/** `agent`: as Chatwoot answers; `customer`: no private notes, no activities, no personal data. */
export type View = 'agent' | 'customer';

/** One key of a client. From `notAfterAt` on (milliseconds since 1970) it is refused. */
export interface ClientKey {
  readonly digest: KeyDigest;
  readonly notAfterAt?: number;
}

export interface Client {
  readonly name: string;
  readonly keys: readonly ClientKey[];
  readonly scope: Scope;
  readonly view: View;
  /** Whether `Cache-Control: no-cache` gets this client everything as of now, proved history included. */
  readonly mayBypass: boolean;
  /** Its own limit instead of `RATE_LIMIT`. */
  readonly rateLimit?: Rate;
  /** How old the newest messages may be for it, ms, instead of `TAIL_MAX_AGE`. */
  readonly tailMaxAgeMs?: number;
}

/** What the request handlers know of their caller. `clientName` is safe to log and to count by. */
export interface Reader {
  readonly clientName: string;
  readonly scope: Scope;
  readonly view: View;
  readonly mayBypass: boolean;
  readonly rateLimit?: Rate;
  readonly tailMaxAgeMs?: number;
  /** The name is that of many, who are told apart by address. A client may have the same one, and is itself. */
  readonly isNameless?: true;
  /** It brings a Chatwoot token of its own, and is shown what Chatwoot shows with that. */
  readonly ownToken?: OwnToken;
}

/** Names go into logs and metrics: letters, digits and `. _ -`, at most 64 of them. */
export const CLIENT_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** The caller without a credential, where `ALLOW_ANONYMOUS` admits one. No client may take its name. */
export const ANONYMOUS: Reader = Object.freeze({
  clientName: 'anonymous',
  scope: '*',
  view: 'agent',
  mayBypass: false,
  isNameless: true,
});

export function readerOf(client: Client): Reader {
  const { name, keys: _keys, ...rest } = client;
  return { clientName: name, ...rest };
}

/** What reading a source of clients comes to: all of its clients, or all that is wrong with it. */
export type ClientsRead =
  | { readonly kind: 'clients'; readonly clients: readonly Client[] }
  | { readonly kind: 'problems'; readonly problems: readonly string[] };
