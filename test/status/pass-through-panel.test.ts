// Operators see whether the rest of Chatwoot's API is passed, and how much of it.

import { expect, test } from 'vitest';
import { messagesOf, startHouse, type Backscroll } from '../support/backscroll.ts';
import { OWN, startPassingHouse } from '../pass-through/house.ts';

const KEY = 'admin-key-of-the-tests';

async function dataOf(backscroll: Backscroll): Promise<{
  readonly panels: readonly { readonly name: string; readonly rows: readonly (readonly [string, string])[] }[];
  readonly text: string;
}> {
  const answer = await backscroll.send({ target: '/status/data', headers: [['authorization', `Basic ${btoa(`ops:${KEY}`)}`]] });
  expect(answer.status).toBe(200);
  return { ...(answer.json() as { panels: [] }), text: answer.body.toString() };
}

test('on, it tells what was passed and names tokens by a part of their hash', async () => {
  const { backscroll, ask } = await startPassingHouse({ env: { ADMIN_KEYS: `ops=${KEY}` } });
  await ask('/api/v1/profile');
  await ask(messagesOf(2));
  await ask(messagesOf(2));
  const { panels, text } = await dataOf(backscroll);
  expect(panels.find(({ name }) => name === 'Pass-through')?.rows).toEqual([
    ['Passed', '1, of which 0 failed'],
    ['Bodies', '0.0 MB'],
    ['Messages with own tokens', '2, for 1 of which Chatwoot was asked'],
  ]);
  expect(text).not.toContain(OWN);
  expect(new Set(text.match(/own-token-[^"]*/g))).toEqual(new Set([expect.stringMatching(/^own-token-[\da-f]{12}$/)]));
});

test('off, there is no panel of it', async () => {
  const { backscroll } = await startHouse({ env: { ADMIN_KEYS: `ops=${KEY}` } });
  expect((await dataOf(backscroll)).panels.map(({ name }) => name)).not.toContain('Pass-through');
});
