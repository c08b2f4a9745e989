// Why a page would be a hit, or what would be read for it, in words for operators.

import type { Outlook } from '../cache/outlook.ts';
import type { Gap, Proof } from '../timeline/prove.ts';
import type { IdRange, Query } from '../timeline/query.ts';
import type { Statement } from '../timeline/statement.ts';
import { parametersOf } from '../upstream/chatwoot-url.ts';

/** Sentences that say why the outcome is what it is. */
export function because(query: Query, outlook: Outlook): string {
  const { found, isMissing } = outlook;
  if (isMissing)
    return 'Chatwoot said within the last seconds that this conversation is not there; that is believed for a moment.';
  return found.proved ? hit(query, outlook, found) : `${lack(query, outlook, found)} ${read(outlook)}`;
}

function hit(query: Query, { mode, now }: Outlook, { rows, freshUntil, refresh, asOf }: Proof): string {
  const why =
    mode === 'exact'
      ? 'This very page was read before, and in this conversation only such pages are answered.'
      : `Every message ${idsInWords(query)} that belongs on this page is known: ${rows.length === 1 ? '1 row' : `${rows.length} rows`}.`;
  const leftMs = freshUntil - now;
  const again = [...(refresh.history ? ['its rows'] : []), ...(refresh.meta ? ['`meta`'] : [])].join(' and ');
  const fresh = again === '' ? `It is fresh for ${seconds(leftMs)} more.` : `Behind the answer, ${again} would be read again.`;
  return `${why} The oldest part was asked for ${seconds(now - asOf)} ago. ${fresh}`;
}

function lack(query: Query, outlook: Outlook, gap: Gap): string {
  const { knowledge, mode } = outlook;
  if (mode === 'exact') {
    return knowledge.timeline.contradictions > 0
      ? 'What Chatwoot answered here did not fit together, so only pages that were read as they are asked are answered, and this one was not, or too long ago.'
      : 'History is answered by exact query only, and this page was not read so, or too long ago.';
  }
  if (knowledge.timeline.rows.length === 0 && knowledge.timeline.statements.length === 0)
    return 'Nothing is known of this conversation.';
  switch (gap.lacks) {
    case 'meta':
      return 'All messages are known, but `meta` is due or too old.';
    case 'due':
      return `All messages are known, but ${gap.rows.length === 1 ? `message ${gap.rows[0]}` : `${gap.rows.length} of them`} changed since.`;
    case 'rows':
      return 'Messages on this page are too old, or their order within one second was never seen.';
    case 'ids':
      return `Not every message ${rangeInWords(gap.ids)} is known: ${reasons(query, outlook, gap.ids).join('; ')}.`;
  }
}

/** What is wrong with each word about these ids, the most telling first; at most three. */
function reasons(query: Query, { knowledge, now }: Outlook, ids: IdRange): string[] {
  const { timeline } = knowledge;
  const about = (query.publicOnly ? timeline.publicStatements : timeline.statements).filter(
    ({ lo, hi }) => lo < ids.hi && hi > ids.lo,
  );
  const found = new Set<string>();
  let reached = ids.lo;
  for (const statement of about) {
    if (statement.lo > reached) found.add(`${rangeInWords({ lo: reached, hi: statement.lo })} nothing was read`);
    reached = statement.hi;
    found.add(reason(statement, now));
  }
  if (reached < ids.hi) found.add(`${rangeInWords({ lo: reached, hi: ids.hi })} nothing was read`);
  return [...found].slice(0, 3);
}

function reason({ lo, hi, unknown, standing, askedAt }: Statement, now: number): string {
  const age = `${rangeInWords({ lo, hi })} what is known is ${seconds(now - askedAt)} old`;
  const parts = [standing === 'transient' ? `${age}, and new messages may have come since` : age];
  if (unknown?.to != null) parts.push(`messages as old as ${unknown.to.id} or older were left out of it`);
  if (unknown?.from != null) parts.push(`messages as new as ${unknown.from.id} or newer were left out of it`);
  return parts.join(', ');
}

function read({ next }: Outlook): string {
  if (next === null) return '';
  const words = parametersOf(next.query) === '' ? 'the newest page' : `\`${parametersOf(next.query)}\``;
  switch (next.reason) {
    case 'forward':
      return next.isInTurn
        ? 'The newest page would be read as it is asked: it is its turn, to see whether ids still rise.'
        : `Chatwoot would be asked for ${words}, as the caller asked.`;
    case 'fill':
      return `Chatwoot would be asked for ${words}, after which the page follows.`;
    case 'seal':
      return `Chatwoot would be asked for ${words}, after which this page follows and those around it.`;
  }
}

function idsInWords(query: Query): string {
  switch (query.mode) {
    case 'latest':
      return 'of all ids';
    case 'before':
      return `below id ${query.before}`;
    case 'after':
      return `above id ${query.after}`;
    case 'between':
      return rangeInWords({ lo: query.after, hi: query.before });
  }
}

function rangeInWords({ lo, hi }: IdRange): string {
  if (hi === Infinity) return lo === 0 ? 'of all ids' : `of ids from ${lo} up`;
  if (lo === 0) return `of ids below ${hi}`;
  return hi - lo === 1 ? `of id ${lo}` : `of ids ${lo} to ${hi - 1}`;
}

function seconds(ms: number): string {
  return ms < 9950
    ? `${Math.max(0, Math.round(ms / 100) / 10)} s`
    : ms < 120_000
      ? `${Math.round(ms / 1000)} s`
      : `${Math.round(ms / 60_000)} min`;
}
