// Every error a caller can meet, each with its status, its stable code and a sentence that says what to do.
// Bodies have Chatwoot's own shape, `{"error": …, "code": …}`, so that clients written for Chatwoot read them.

/** The stable codes of the interface, with the status that goes with each. */
export const ERROR_STATUS = {
  invalid_parameter: 400,
  unauthenticated: 401,
  webhook_refused: 401,
  upstream_forbidden: 403,
  not_found: 404,
  not_served: 404,
  rate_limited: 429,
  upstream_busy: 429,
  upstream_credentials: 502,
  upstream_error: 502,
  upstream_unreachable: 502,
  upstream_redirect: 502,
  upstream_invalid: 502,
  keys_unavailable: 503,
  shared_level_unreachable: 503,
  overloaded: 503,
  draining: 503,
  upstream_timeout: 504,
  internal: 500,
} as const;

export type ErrorCode = keyof typeof ERROR_STATUS;

/** What upstream answered where an error comes of an answer of its: the status, and the Retry-After that it named, in seconds. */
export interface UpstreamSaid {
  readonly status: number;
  readonly retryAfter?: number | undefined;
}

interface ErrorOptions {
  readonly retryAfter?: number | undefined;
  readonly status?: number;
  readonly cause?: unknown;
  readonly upstream?: UpstreamSaid;
}

/** An expected failure. Its message is shown to the caller, so it never holds a secret or a detail of the house. */
export class BackscrollError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  /** Seconds after which trying again makes sense; becomes `Retry-After`. */
  readonly retryAfter: number | undefined;
  /** Undefined where there was no answer of upstream, or none that could be used. */
  readonly upstream: UpstreamSaid | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'BackscrollError';
    this.code = code;
    this.status = options.status ?? ERROR_STATUS[code];
    this.retryAfter = options.retryAfter;
    this.upstream = options.upstream;
  }
}

/** Chatwoot's own sentence for what is not there; also the answer to what a caller may not see (the two look alike). */
export function notFound(upstream?: UpstreamSaid): BackscrollError {
  return new BackscrollError('not_found', 'Resource could not be found', upstream === undefined ? {} : { upstream });
}

export function unauthenticated(): BackscrollError {
  return new BackscrollError('unauthenticated', 'Send a valid key in the api_access_token header or as Authorization: Bearer');
}

export function invalidParameter(name: string, problem: string): BackscrollError {
  return new BackscrollError('invalid_parameter', `Parameter ${name} ${problem}`);
}
