// Before a Chatwoot whose finder goes by other rules: nothing follows from what it answers, but the same query may be answered again.

import { expect, test } from 'vitest';
import { messagesOf, readsOf, startHouse } from '../support/backscroll.ts';

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };

const FORKS: readonly (readonly [string, readonly number[], string])[] = [
  ['longer pages', Array.from({ length: 25 }, (_, n) => 100 + n), '?before=200'],
  ['rows beyond the cursor', [100, 205, 101], '?before=200'],
];

function pageOf(ids: readonly number[]): string {
  const rows = ids.map((id, at) => ({ id, created_at: 1_700_000_000 + at, message_type: 0, private: false }));
  return JSON.stringify({ meta: {}, payload: rows });
}

test.each(FORKS.flatMap((fork) => [['proved', ...fork] as const, ['exact', ...fork] as const]))(
  'HISTORY=%s, a fork with %s',
  async (mode, _what, ids, search) => {
    const { backscroll, chatwoot } = await startHouse({ env: { HISTORY: mode } });
    const body = pageOf(ids);
    chatwoot.fault = () => ({ kind: 'status', status: 200, headers: JSON_TYPE, body });
    const first = await backscroll.get(messagesOf(1, search));
    const second = await backscroll.get(messagesOf(1, search));
    expect([first.body.toString(), second.body.toString()]).toEqual([body, body]);
    expect(first.headers['cache-status']).toMatch(mode === 'exact' ? /^backscroll; fwd=miss; stored$/ : /^backscroll; fwd=miss$/);
    expect(second.headers['cache-status']).toMatch(mode === 'exact' ? /^backscroll; hit/ : /^backscroll; fwd=miss$/);
    expect(readsOf(chatwoot)).toHaveLength(mode === 'exact' ? 1 : 2);
  },
);
