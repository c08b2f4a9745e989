// The public keys at JWKS_URL. A token whose key is known never waits for them: they are renewed behind, and kept while the
// key server fails. One that names an unknown key has them fetched, seldom, and waits for that a short time.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Dispatcher, fetch, type Response } from 'undici';
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';

/** Keys are fetched anew after so long, so that a key that was taken away dies. */
const RENEW_MS = 10 * 60_000;
const RENEW_CHECK_MS = 60_000;
/** While they cannot be, the old ones are good for so long and no longer. */
const KEEP_MS = 24 * 60 * 60_000;
/** A token may name any key: an unknown one causes no more than one fetch in this time. */
const COOLDOWN_MS = 30_000;
/** The same while there is no key at all. */
const RETRY_MS = 5_000;
const FETCH_TIMEOUT_MS = 5_000;
/** A caller waits for a fetch until so long after its beginning. */
const WAIT_MS = 2_000;
const BODY_BYTES_MAX = 1024 * 1024;

/** The keys could not be fetched. That says nothing about any token. */
export class SigningKeysUnavailable extends Error {}

export interface SigningKeysOptions {
  readonly url: URL;
  /** What fetches them, where they are not reached directly; is closed with this. */
  readonly dispatcher?: Dispatcher | undefined;
  /** Told of each fetch: null, or what was wrong, in words without the address. */
  readonly onFetched: (problem: string | null) => void;
  /** A clock in milliseconds that never steps. */
  readonly now: () => number;
}

interface KeySet {
  readonly find: JWTVerifyGetKey;
  readonly size: number;
  readonly fetchedAt: number;
}

export class SigningKeys {
  readonly #options: SigningKeysOptions;
  readonly #closing = new AbortController();
  readonly #renewal: NodeJS.Timeout;
  #set: KeySet | null = null;
  /** Until the fetch under way is over, or no caller waits for it any more: whether it brought keys. */
  #fetching: Promise<boolean> | undefined;
  #hasFailed = false;
  #nextFetchAt = -Infinity;

  constructor(options: SigningKeysOptions) {
    this.#options = options;
    // Else a key that was taken away would be good for the first token after a quiet time.
    this.#renewal = setInterval(() => this.#renewWhenDue(), RENEW_CHECK_MS).unref();
  }

  /**
   * The key that a token's header names, as `jwtVerify` asks for it.
   * @throws JWKSNoMatchingKey where there is none, SigningKeysUnavailable where nobody can say
   */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    this.#renewWhenDue();
    const known = await foundIn(this.#kept(), header, token);
    if (known !== null) return known;
    const areCurrent = await this.#current();
    const fetched = await foundIn(this.#kept(), header, token);
    if (fetched !== null) return fetched;
    throw areCurrent ? new errors.JWKSNoMatchingKey() : new SigningKeysUnavailable();
  };

  /** The keys as they are, by identity: each fetch brings others. Null where there are none that are good. */
  readonly now = (): object | null => {
    this.#renewWhenDue();
    return this.#kept();
  };

  /** Fetches the keys now. @returns how many there are @throws SigningKeysUnavailable */
  async fetch(): Promise<number> {
    if (!(await this.#fetch()) || this.#set === null) throw new SigningKeysUnavailable();
    return this.#set.size;
  }

  close(): void {
    clearInterval(this.#renewal);
    this.#closing.abort();
    void this.#options.dispatcher?.close();
  }

  #kept(): KeySet | null {
    if (this.#set !== null && this.#options.now() - this.#set.fetchedAt >= KEEP_MS) this.#set = null;
    return this.#set;
  }

  #renewWhenDue(): void {
    const set = this.#kept();
    if (set !== null && this.#options.now() - set.fetchedAt >= RENEW_MS) void this.#current();
  }

  /** Whether the keys are as the key server has them now; they are fetched where that was not done just before. */
  #current(): Promise<boolean> {
    if (this.#fetching !== undefined) return this.#fetching;
    if (this.#options.now() < this.#nextFetchAt) return Promise.resolve(!this.#hasFailed);
    const fetched = this.#fetch().finally(() => (this.#fetching = undefined));
    this.#fetching = Promise.race([fetched, sleep(WAIT_MS, false, { ref: false })]);
    return this.#fetching;
  }

  /** Resolves to whether it brought keys; never rejects. */
  async #fetch(): Promise<boolean> {
    const { url, onFetched, now, dispatcher } = this.#options;
    try {
      const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(FETCH_TIMEOUT_MS)]);
      const response = await fetch(url, {
        redirect: 'manual',
        headers: { accept: 'application/json' },
        signal,
        ...(dispatcher === undefined ? {} : { dispatcher }),
      });
      if (response.status !== 200) throw new Error(`it answered with status ${response.status}`);
      this.#set = { ...keySetOf(await limitedText(response)), fetchedAt: now() };
      this.#hasFailed = false;
      onFetched(null);
    } catch (error) {
      this.#hasFailed = true;
      if (!this.#closing.signal.aborted) onFetched(problemOf(error));
    }
    this.#nextFetchAt = now() + (this.#set === null ? RETRY_MS : COOLDOWN_MS);
    return !this.#hasFailed;
  }
}

async function foundIn(set: KeySet | null, ...[header, token]: Parameters<JWTVerifyGetKey>) {
  try {
    return set === null ? null : await set.find(header, token);
  } catch (error) {
    if (error instanceof errors.JWKSNoMatchingKey) return null;
    throw error;
  }
}

/** The body, as long as it is not too long. @throws where it is */
async function limitedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // Leaving the loop early cancels the body.
  for await (const chunk of response.body ?? []) {
    const part: Uint8Array = chunk;
    bytes += part.length;
    if (bytes > BODY_BYTES_MAX) throw new Error('its answer is too long');
    chunks.push(part);
  }
  return Buffer.concat(chunks, bytes).toString();
}

function keySetOf(text: string): { find: JWTVerifyGetKey; size: number } {
  try {
    const json: JSONWebKeySet = JSON.parse(text);
    return { find: createLocalJWKSet(json), size: json.keys.length };
  } catch {
    throw new Error('it did not answer with a key set');
  }
}

/** Our own words, or the system's word for why the connection failed. Its whole message would show the address. */
function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return 'it cannot be reached';
  if (error.name === 'TimeoutError') return 'it did not answer in time';
  const { cause } = error;
  if (cause instanceof Error) return `it cannot be reached (${'code' in cause ? String(cause.code) : cause.name})`;
  return error.message;
}
