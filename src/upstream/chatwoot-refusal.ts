// Whose word it is: whether an answer that is not a page is Chatwoot's own refusal, and which. What stands before Chatwoot
// refuses too, in other forms, and that says nothing of a conversation.
//
// Chatwoot's refusals are an object of JSON with one member: `error`, a sentence, or `errors`, a list of them (contract 2.2).
// Firewalls write such objects as well, so either the sentence is one of Chatwoot's, or, since it translates them (4.16 on),
// the answer has what Rails puts on each of its answers.

/** An answer of whatever status, whole. */
export interface Answered {
  readonly status: number;
  readonly body: Buffer;
  readonly header: (name: string) => string | undefined;
}

/**
 * - `unknown-token`, `bot-token`, `no-token`: what it thinks of the token.
 * - `no-access`, `suspended`: what the token's user may not read.
 * - `untold`: a 401 in words that are not known: of the token, or of what its user may read.
 * - `no-api-access`: the account may not be read by token at all (4.16 on).
 * - `not-found`: there is no such conversation or account.
 * - `statement-timeout`: the database took too long over this read (4.16 on; before, a 500).
 */
export type Refusal =
  | 'unknown-token'
  | 'bot-token'
  | 'no-token'
  | 'no-access'
  | 'suspended'
  | 'untold'
  | 'no-api-access'
  | 'not-found'
  | 'statement-timeout';

const SENTENCES: Readonly<Record<number, ReadonlyMap<string, Refusal>>> = {
  401: new Map([
    ['Invalid Access Token', 'unknown-token'],
    ['Access to this endpoint is not authorized for bots', 'bot-token'],
    ['You need to sign in or sign up before continuing.', 'no-token'],
    ['You are not authorized to do this action', 'no-access'],
    ['You are not authorized to access this account', 'no-access'],
    ['Account is suspended', 'suspended'],
  ]),
  403: new Map([['API access is not enabled for this account', 'no-api-access']]),
  404: new Map([['Resource could not be found', 'not-found']]),
  422: new Map([['The request took too long to complete. Please try again.', 'statement-timeout']]),
};
const UNTOLD: Readonly<Record<number, Refusal>> = {
  401: 'untold',
  403: 'no-api-access',
  404: 'not-found',
  422: 'statement-timeout',
};

/** What Chatwoot refuses; null where these are not its words. */
export function refusalOf(answer: Answered): Refusal | null {
  const said = sentenceIn(answer.body);
  if (said === null) return null;
  const known = SENTENCES[answer.status]?.get(said.sentence);
  if (known !== undefined) return known;
  if (!isOfRails(answer)) return null;
  if (said.member === 'errors') return answer.status === 401 ? 'no-token' : null;
  return UNTOLD[answer.status] ?? null;
}

/** What every answer of its application has, and hardly anything of what stands before it (contract 4). */
function isOfRails({ header }: Answered): boolean {
  const isJson = /^application\/json\s*(?:;|$)/i.test(header('content-type') ?? '');
  return isJson && header('x-request-id') !== undefined && /^\d+\.\d+$/.test(header('x-runtime') ?? '');
}

/** The sentence of an object that has nothing else. */
function sentenceIn(body: Buffer): { readonly member: 'error' | 'errors'; readonly sentence: string } | null {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const members = Object.entries(value);
  const [member, content]: [string?, unknown?] = members.length === 1 ? members[0]! : [];
  const sentence: unknown = member === 'errors' && Array.isArray(content) ? content[0] : content;
  return typeof sentence === 'string' && (member === 'error' || (member === 'errors' && sentence !== content))
    ? { member, sentence }
    : null;
}
