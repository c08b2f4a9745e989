// The public keys at JWKS_URL: fetched when first needed, kept, and fetched again when a token names one that is not known.

import { createRemoteJWKSet, customFetch, type RemoteJWKSet } from 'jose';

/** Keys are fetched anew after so long, so that a key that was taken away dies. */
const MAX_AGE_MS = 10 * 60_000;
/** A token may name any key: an unknown one causes no more than one fetch in this time. */
const COOLDOWN_MS = 30_000;
/** After a fetch that failed, the next one waits so long. */
const RETRY_MS = 5_000;
const TIMEOUT_MS = 5_000;
const BODY_BYTES_MAX = 1024 * 1024;

/** The keys could not be fetched. That says nothing about any token. */
export class SigningKeysUnavailable extends Error {}

export interface SigningKeysOptions {
  readonly url: URL;
  /** Told once for each fetch that fails, in words without the address. */
  readonly onFailure: (problem: string) => void;
}

export function signingKeys({ url, onFailure }: SigningKeysOptions): RemoteJWKSet {
  let failedAt = -Infinity;
  return createRemoteJWKSet(url, {
    cacheMaxAge: MAX_AGE_MS,
    cooldownDuration: COOLDOWN_MS,
    timeoutDuration: TIMEOUT_MS,
    [customFetch]: async (target, options) => {
      if (performance.now() - failedAt < RETRY_MS) throw new SigningKeysUnavailable();
      try {
        const response = await fetch(target, options);
        if (response.status !== 200) throw new Error(`it answered with status ${response.status}`);
        const text = await limitedText(response);
        if (!isKeySet(text)) throw new Error('it did not answer with a key set');
        return new Response(text);
      } catch (error) {
        failedAt = performance.now();
        onFailure(problemOf(error));
        throw new SigningKeysUnavailable();
      }
    },
  });
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

function isKeySet(text: string): boolean {
  try {
    const json: unknown = JSON.parse(text);
    return isObject(json) && Array.isArray(json['keys']) && json['keys'].every(isObject);
  } catch {
    return false;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Our own words, or the system's word for why the connection failed. Its whole message would show the address. */
function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return 'it cannot be reached';
  if (error.name === 'TimeoutError') return 'it did not answer in time';
  const { cause } = error;
  if (cause instanceof Error) return `it cannot be reached (${'code' in cause ? String(cause.code) : cause.name})`;
  return error.message;
}
