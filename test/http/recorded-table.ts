// What Backscroll answers to the recorded requests where that is not the recorded 200. Every recorded request is in exactly one
// line here, or it is answered with the recorded bytes. Chatwoot's users are clients here, each with the conversations of the user.

import type { RecordedExchange } from '../support/fake-chatwoot/load-recordings.ts';

/** What a caller of Backscroll gets. */
export type Expected =
  /** The recorded body. */
  | { readonly kind: 'recorded' }
  /** The page of the same target as Chatwoot answers it where all else about the request is in order. */
  | { readonly kind: 'page'; readonly target?: string }
  | { readonly kind: 'error'; readonly status: number; readonly code: string };

/** How Backscroll stands to Chatwoot in a line of the table. */
export type Stance =
  /** Refused here, answered there. */
  | 'stricter'
  /** Answered here, refused there. */
  | 'looser'
  /** Refused by both, or answered by both, in other words. */
  | 'other words';

export interface Rule {
  readonly stance: Stance;
  readonly reason: string;
  readonly cases: readonly string[];
  readonly expected: Expected;
}

const invalid: Expected = { kind: 'error', status: 400, code: 'invalid_parameter' };
const notFound: Expected = { kind: 'error', status: 404, code: 'not_found' };
const notServed: Expected = { kind: 'error', status: 421, code: 'not_served' };
const wrongMethod: Expected = { kind: 'error', status: 405, code: 'not_served' };
const stranger: Expected = { kind: 'error', status: 401, code: 'unauthenticated' };
const failed: Expected = { kind: 'error', status: 502, code: 'upstream_error' };

const ids = (text: string): string[] => text.split(' ');

export const RULES: readonly Rule[] = [
  {
    stance: 'stricter',
    reason: 'a cursor that is not a whole number is refused; Chatwoot reads the digits that it begins with, or 0',
    cases: ids('x1450 x1452 x1453 x1459 x1460 x1467 x1469 x1470 x1472 x1476 x1477 x1479 x1480 x1489'),
    expected: invalid,
  },
  {
    stance: 'stricter',
    reason: 'so is one that runs on into `;`, `#` or a second `?`',
    cases: ids('x1509 x1522 x1523'),
    expected: invalid,
  },
  { stance: 'stricter', reason: 'more than 18 digits, though within 64 bits', cases: ids('x1502 x1506'), expected: invalid },
  { stance: 'other words', reason: 'over 64 bits: 500 of Chatwoot', cases: ids('x1499 x1500'), expected: invalid },
  {
    stance: 'other words',
    reason: 'a list or a hash as a cursor: 500',
    cases: ids('x1492 x1493 x1496 x1497'),
    expected: invalid,
  },
  {
    stance: 'other words',
    reason: 'bad percent-encoding: 400 without a body',
    cases: ids('x1546 x1547 x1549'),
    expected: invalid,
  },
  {
    stance: 'looser',
    reason: 'unknown parameters are dropped unseen; Chatwoot refuses some that contradict each other or nest too deep',
    cases: ids('x1542 x1553'),
    expected: { kind: 'page' },
  },
  {
    stance: 'looser',
    reason: 'a body is not read, so it cannot be malformed',
    cases: ids('x1559'),
    expected: { kind: 'page' },
  },
  {
    stance: 'other words',
    reason: 'a body is not read, so its parameters do not count',
    cases: ids('x1555 x1556 x1558 x1561'),
    expected: { kind: 'page' },
  },
  {
    stance: 'stricter',
    reason: 'an id of a path is digits only; Chatwoot takes what it begins with, decoded',
    cases: ids('x1591 x1594 x1595 x1597 x1598 x1600'),
    expected: notFound,
  },
  {
    stance: 'other words',
    reason: 'an id that nobody has, the same 404 with a code',
    cases: ids('x1588 x1604 x1605 x1607 x1608 x1610 x1611 x1614 x1650 x1659 x1777'),
    expected: notFound,
  },
  { stance: 'other words', reason: 'not JSON: 406 of Chatwoot', cases: ids('x1577 x1578 x1580'), expected: notServed },
  {
    stance: 'other words',
    reason: 'no such path: a page of HTML',
    cases: ids('x1581 x1584 x1585 x1587 x1617 x1618 x1620 x1621'),
    expected: notServed,
  },
  { stance: 'other words', reason: 'a path that is not UTF-8: 400 without a body', cases: ids('x1615'), expected: notServed },
  { stance: 'other words', reason: 'another method: HTML 404', cases: ids('x1625 x1626 x1627'), expected: wrongMethod },
  { stance: 'other words', reason: 'an unknown method: 501', cases: ids('x1628'), expected: wrongMethod },

  {
    stance: 'other words',
    reason: 'no key, an unknown key, a bot, a token without an owner',
    cases: ids('x1640 x1642 x1643 x1645 x1646 x1649 x1652 x1672 x1673 x1676 x1682 x1683 x1689 x1690 x1695 x1728 x1751'),
    expected: stranger,
  },
  { stance: 'stricter', reason: 'a session is no credential here', cases: ids('x1692 x1693 x1730 x1753'), expected: stranger },
  { stance: 'looser', reason: 'a key counts as Authorization: Bearer too', cases: ids('x1675'), expected: { kind: 'page' } },
  {
    stance: 'other words',
    reason: 'outside its scope a client gets the 404 of what is not there, where Chatwoot says 401',
    cases: ids('x1655 x1656 x1660 x1662 x1729 x1752'),
    expected: notFound,
  },
  {
    stance: 'stricter',
    reason: 'a session beside a key adds nothing to what the key may read',
    cases: ids('x1699 x1700'),
    expected: notFound,
  },
  {
    stance: 'other words',
    reason: 'the account is suspended: Chatwoot says 401 of the server’s own token',
    cases: ids('x1653'),
    expected: { kind: 'error', status: 403, code: 'upstream_forbidden' },
  },
  { stance: 'other words', reason: 'Chatwoot answers 500', cases: ids('x1705 x1706 x2016'), expected: failed },

  {
    stance: 'other words',
    reason: 'ETags are our own: Chatwoot’s is none of them, so its 304 is a 200 here',
    cases: ids('x1710 x1717 x1723 x1727 x1733 x1740 x1746 x1750'),
    expected: { kind: 'page' },
  },
  {
    stance: 'other words',
    reason: '`If-None-Match: *` is met by any page (RFC 9110); Chatwoot compares bytes',
    cases: ids('x1712 x1735'),
    expected: { kind: 'error', status: 304, code: '' },
  },
  {
    stance: 'other words',
    reason: 'HEAD says the length of the page, Chatwoot says 0',
    cases: ids('x1624 x1726 x1749'),
    expected: { kind: 'page' },
  },
  {
    stance: 'looser',
    reason: 'X-Forwarded-For and X-Request-Start of callers are not forwarded, so Chatwoot does not judge by them',
    cases: ids('x2006 x2007 x2012 x2014'),
    expected: { kind: 'page' },
  },
  { stance: 'other words', reason: 'a throttled caller without a key', cases: ids('x2011'), expected: stranger },
];

const byCase = new Map(RULES.flatMap((rule) => rule.cases.map((id) => [id, rule.expected] as const)));

/** What Backscroll answers. */
export function expectedOf({ id }: RecordedExchange): Expected {
  return byCase.get(id) ?? { kind: 'recorded' };
}
