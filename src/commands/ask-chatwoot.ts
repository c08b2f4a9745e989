// What Chatwoot says to a server that wants to read messages from it: each question one short read, nothing is changed.
// Findings hold sentences of ours, ids, version numbers and nothing else of what came back.

import { BackscrollError } from '../errors.ts';
import { openConnections } from '../upstream/connections.ts';
import type { Proxies } from '../upstream/proxies.ts';
import { messagesTarget, pathPrefix } from '../upstream/chatwoot-url.ts';
import { exchange, type ExchangeAnswer } from '../upstream/exchange.ts';
import { type FailureContext, mapFailure, withoutApiAccess } from '../upstream/map-failure.ts';
import {
  ACCOUNTS_SHOWN,
  apiAccessProblem,
  judgeToken,
  LATEST,
  type ListedAccount,
  listedAccounts,
  membersOf,
  NOWHERE,
} from '../upstream/token-check.ts';
import { VERSION } from '../version.ts';

/** `note`: worth knowing, nothing to repair. `problem`: it will not work, or not well. */
export interface Finding {
  readonly kind: 'ok' | 'note' | 'problem';
  readonly text: string;
}

export interface ChatwootQuestions {
  readonly baseUrl: URL;
  readonly tokens: readonly NamedToken[];
  /** How far Chatwoot's clock may be off before proofs suffer. */
  readonly skewMaxMs: number;
  readonly timeoutMs: number;
  readonly proxies: Proxies;
  readonly signal: AbortSignal;
}

export interface NamedToken {
  /** Where it stands, in words. */
  readonly setting: string;
  readonly token: string;
  /** The only account that it is used for. */
  readonly account?: number;
}

const BODY_BYTES_MAX = 1024 * 1024;
/** HTTP tells whole seconds, and the answer has travelled. */
const SKEW_UNSEEN_MS = 2_000;

type Get = (target: string, headers?: Readonly<Record<string, string>>) => Promise<ExchangeAnswer>;

/** Asks everything, in order; ends early where there is no Chatwoot to ask. */
export async function askChatwoot(questions: ChatwootQuestions): Promise<readonly Finding[]> {
  const { baseUrl, tokens, timeoutMs, proxies, signal } = questions;
  const connections = openConnections(baseUrl, { connections: 1, timeoutMs, proxies });
  const get: Get = async (target, headers = {}) => {
    const always = { Accept: 'application/json', 'Cache-Control': 'no-cache', 'User-Agent': `backscroll/${VERSION}` };
    return exchange(connections, { target, headers: { ...always, ...headers }, timeoutMs, bodyMaxBytes: BODY_BYTES_MAX }, signal);
  };
  const findings: Finding[] = [];
  try {
    findings.push(...(await askVersion(get, questions)));
    for (const named of tokens) {
      // One after the other: a check should not be felt.
      // oxlint-disable-next-line no-await-in-loop
      findings.push(...(await askAbout(named, get, questions)));
    }
  } catch (error) {
    if (error instanceof BackscrollError) findings.push({ kind: 'problem', text: error.message });
    else if (signal.aborted) findings.push({ kind: 'problem', text: 'Chatwoot took too long over all questions' });
    else throw error;
  } finally {
    await connections.destroy();
  }
  return findings;
}

/** What answers, and whether its clock is right. */
async function askVersion(get: Get, { baseUrl, skewMaxMs }: ChatwootQuestions): Promise<Finding[]> {
  const sentAt = Date.now();
  const answer = await get(`${pathPrefix(baseUrl)}/api`);
  const receivedAt = Date.now();
  if (answer.status >= 300 && answer.status < 400) throw mapFailure(answer, contextOf(baseUrl));
  const version = membersOf(answer.body)['version'];
  const isVersion = answer.status === 200 && typeof version === 'string' && /^[\w.+-]{1,40}$/.test(version);
  return [
    isVersion
      ? { kind: 'ok', text: `Chatwoot ${version} answers` }
      : { kind: 'note', text: 'Something answers, but it does not tell the version of a Chatwoot (GET /api)' },
    clockFinding(answer.header('date'), { sentAt, receivedAt }, skewMaxMs),
  ];
}

function clockFinding(
  date: string | undefined,
  { sentAt, receivedAt }: { sentAt: number; receivedAt: number },
  maxMs: number,
): Finding {
  const at = Date.parse(date ?? '');
  if (Number.isNaN(at)) return { kind: 'note', text: 'The clocks cannot be compared: the answer has no Date' };
  const aheadMs = at < sentAt ? Math.min(0, at + 1000 - sentAt) : Math.max(0, at - receivedAt);
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  if (Math.abs(aheadMs) <= SKEW_UNSEEN_MS) return { kind: 'ok', text: 'The clocks agree' };
  const text = `Chatwoot's clock is ${seconds} s ${aheadMs > 0 ? 'ahead of' : 'behind'} this machine's`;
  return Math.abs(aheadMs) <= maxMs
    ? { kind: 'note', text }
    : { kind: 'problem', text: `${text}, too far for SETTLE: new messages could be missed. Set both by NTP` };
}

/** Whether a token may list messages, and of which accounts. */
async function askAbout({ setting, token, account }: NamedToken, get: Get, questions: ChatwootQuestions): Promise<Finding[]> {
  const { baseUrl } = questions;
  const prefix = pathPrefix(baseUrl);
  const target = messagesTarget(prefix, NOWHERE, LATEST);
  const context = contextOf(baseUrl, token);
  const withHyphens = judgeToken(await get(target, { 'Api-Access-Token': token }), context);
  const withUnderscores = judgeToken(await get(target, { api_access_token: token }), context);
  const underscores = underscoreFinding(withHyphens === null, withUnderscores === null);
  if (withHyphens !== null) return [{ kind: 'problem', text: `${setting}: ${withHyphens.message}` }, ...underscores];
  const accounts = listedAccounts(await get(`${prefix}/api/v1/profile`, { 'Api-Access-Token': token }));
  return [
    { kind: 'ok', text: `${setting}: Chatwoot accepts it for listing messages; it is no bot's` },
    // Another Chatwoot may tell it in another way, and this is only to help.
    ...(accounts === null ? [] : accountFindings(setting, account, accounts)),
    ...underscores,
  ];
}

/** The same question in both spellings must get the same answer. */
function underscoreFinding(hyphens: boolean, underscores: boolean): Finding[] {
  if (hyphens === underscores) return [];
  return hyphens
    ? [
        {
          kind: 'note',
          text:
            'A proxy before Chatwoot drops headers with underscores (api_access_token). This server sends Api-Access-Token, so nothing ' +
            'is to be done; callers that reach Backscroll through such a proxy must do the same',
        },
      ]
    : [
        {
          kind: 'problem',
          text: 'A proxy before Chatwoot drops the Api-Access-Token header and lets api_access_token pass: let it pass both',
        },
      ];
}

/** Says which accounts may be read by token, and in which of them its user reads everything. */
function accountFindings(setting: string, account: number | undefined, accounts: readonly ListedAccount[]): Finding[] {
  const concerned = accounts.filter(({ id }) => account === undefined || id === account);
  if (concerned.length === 0) {
    const where = account === undefined ? 'of any account' : `of account ${account}`;
    return [{ kind: 'problem', text: `${setting}: its user is not a member ${where}` }];
  }
  const problem = apiAccessProblem(accounts, account);
  if (problem !== null) return [{ kind: 'problem', text: `${setting}: ${problem}` }];
  const closed = concerned.filter(({ hasApiAccess }) => !hasApiAccess);
  const open = concerned.filter(({ hasApiAccess }) => hasApiAccess);
  return [
    ...(closed.length === 0 ? [] : [{ kind: 'note', text: `${setting}: ${withoutApiAccess(idsOf(closed))}` } as const]),
    ...sentence(
      'ok',
      'reads every conversation, as an administrator,',
      open.filter(({ isAdministrator }) => isAdministrator),
    ),
    ...sentence(
      'note',
      'reads only the conversations of its inboxes, as it is no administrator,',
      open.filter(({ isAdministrator }) => !isAdministrator),
    ),
  ];

  function sentence(kind: Finding['kind'], what: string, where: readonly ListedAccount[]): Finding[] {
    if (where.length === 0) return [];
    const more = where.length > ACCOUNTS_SHOWN ? ' and more' : '';
    const list = idsOf(where).join(', ');
    return [{ kind, text: `${setting}: its user ${what} in account${where.length === 1 ? '' : 's'} ${list}${more}` }];
  }
}

function idsOf(accounts: readonly ListedAccount[]): number[] {
  return accounts.slice(0, ACCOUNTS_SHOWN).map(({ id }) => id);
}

function contextOf(baseUrl: URL, token = ''): FailureContext {
  return { baseUrl, token, nowMs: Date.now() };
}
