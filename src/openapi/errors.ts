// Errors as the document has them: one response for each status, with an example of each code.

import { Type } from 'typebox';
import { ERROR_STATUS, type ErrorCode } from '../errors.ts';
import { headers, OF_LIMIT } from './described.ts';

/** One that callers can meet. */
export interface ErrorCase {
  readonly code: ErrorCode;
  /** Where it is not the one that goes with the code. */
  readonly status?: number;
  readonly sentence: string;
}

/** A sentence that each has for callers. */
const SENTENCES: Readonly<Record<ErrorCode, string>> = {
  invalid_parameter: 'Parameter before must be a whole number',
  unauthenticated: 'Send a valid key in the api_access_token header or as Authorization: Bearer',
  upstream_forbidden: 'Chatwoot does not let this server read the conversation',
  not_found: 'Resource could not be found',
  not_served: 'Only GET and HEAD /api/v1/accounts/{account_id}/conversations/{conversation_id}/messages are served here',
  rate_limited: 'Too many requests for this client; wait as long as Retry-After says',
  upstream_busy: 'Chatwoot receives too many requests and is left alone for a moment',
  upstream_credentials: "Chatwoot rejects this server's token",
  upstream_error: 'Chatwoot answered with an error',
  upstream_unreachable: 'Chatwoot cannot be reached',
  upstream_redirect: 'Chatwoot redirects elsewhere',
  upstream_invalid: 'Chatwoot answered with something else than a page of messages',
  webhook_refused: 'The body of this webhook is not JSON',
  keys_unavailable: 'The token cannot be checked at the moment; try again later',
  overloaded: 'Too much is asked of this server just now; try again',
  draining: 'This server is shutting down; try again',
  shared_level_unreachable: 'It is forgotten here. Redis does not answer, and the other processes are told as soon as it does',
  upstream_timeout: 'Chatwoot did not answer in time',
  internal: 'Something went wrong here; the log has more under this x-request-id',
};

export const CODES = Object.keys(SENTENCES).filter((code): code is ErrorCode => code in ERROR_STATUS);

export const ErrorSchema = Type.Object(
  {
    error: Type.String({ description: 'A sentence for people' }),
    code: Type.Union(
      CODES.map((code) => Type.Literal(code)),
      { description: 'For programs; it stays as it is' },
    ),
  },
  { additionalProperties: false, description: "An error, in Chatwoot's own shape" },
);

const REF = { $ref: '#/components/schemas/Error' };

/**
 * Errors by status.
 * @param orElse what an answer with a status may be instead, of whatever type.
 */
export function errors(
  cases: readonly (ErrorCase | ErrorCode)[],
  orElse: ReadonlyMap<number, object> = new Map(),
): Record<string, object> {
  const all = cases.map((each) => (typeof each === 'string' ? { code: each, sentence: SENTENCES[each] } : each));
  const statusOf = ({ code, status = ERROR_STATUS[code] }: ErrorCase): number => status;
  return Object.fromEntries(
    [...new Set(all.map(statusOf))].map((status) => {
      const of = all.filter((each) => statusOf(each) === status);
      const other = orElse.get(status);
      return [
        String(status),
        {
          description: [...new Set(of.map(({ code }) => `\`${code}\``))].join(', '),
          headers: headers('x-request-id', 'cache-control', 'vary', 'retry-after', 'www-authenticate', ...OF_LIMIT),
          content: {
            'application/json': {
              schema: other === undefined ? REF : { anyOf: [REF, other] },
              examples: Object.fromEntries(of.map(({ code, sentence }) => [code, { value: { error: sentence, code } }])),
            },
            ...(other === undefined ? {} : { '*/*': { schema: other } }),
          },
        },
      ];
    }),
  );
}
