// Kept targets: what a text asks for is kept for that very text alone, for a bounded number of texts of bounded length.

import { expect, test } from 'vitest';
import { Targets, type Target } from '../../src/http/target.ts';

const PATH = '/api/v1/accounts/1/conversations/1/messages';

/** Texts that differ in one thing from another of them: in letter case, spelling, order, the last of many characters. */
const TEXTS = [
  PATH,
  `${PATH}.json`,
  `${PATH}?`,
  `/${PATH}`,
  `http://elsewhere.example.com${PATH}`,
  PATH.replace('accounts/1', 'accounts/2'),
  PATH.replace('conversations/1', 'conversations/2'),
  `${PATH}?before=50`,
  `${PATH}?Before=50`,
  `${PATH}?%62efore=50`,
  `${PATH}?before=050`,
  `${PATH}?before=500`,
  `${PATH}?before=50#`,
  `${PATH}?before=%205`,
  `${PATH}?before=+5`,
  `${PATH}?after=50`,
  `${PATH}?after=40&before=50`,
  `${PATH}?after=40&before=51`,
  `${PATH}?before=50&before=60`,
  `${PATH}?before=60&before=50`,
  `${PATH}?before=50&filter_internal_messages=true`,
  `${PATH}?before=50&filter_internal_messages=false`,
  `${PATH}?${'x=y&'.repeat(45)}before=50`,
  `${PATH}?${'x=y&'.repeat(45)}before=51`,
  `${PATH}?before=x`,
  `${PATH}/1`,
];

/** What a text comes to, a refusal included. */
function told(targets: Targets, text: string): Target | null | string {
  try {
    return targets.parse(text, () => {});
  } catch (error) {
    return String(error);
  }
}

test('what was kept of another text, however alike, changes nothing', () => {
  const alone = new Map(TEXTS.map((text) => [text, told(new Targets(), text)]));
  for (const before of TEXTS) {
    const targets = new Targets();
    told(targets, before);
    for (const text of TEXTS) {
      if (text !== before) expect(targets.kept(text), `${text} after ${before}`).toBeUndefined();
    }
    expect(told(targets, before)).toEqual(alone.get(before));
  }
  const targets = new Targets();
  for (const text of [...TEXTS, ...TEXTS]) expect(told(targets, text), text).toEqual(alone.get(text));
});

test('two thousand are kept, none of them long, the last ones', () => {
  const targets = new Targets();
  const nth = (n: number): string => `${PATH}?before=${n}`;
  for (let n = 0; n < 2000; n++) targets.parse(nth(n), () => {});
  expect(targets.kept(nth(0))).toBeDefined(); // From now on it is the last that was asked for.
  targets.parse(nth(2000), () => {});
  expect([targets.kept(nth(0)) === undefined, targets.kept(nth(1)) === undefined]).toEqual([false, true]);

  const [longest, longer] = [256, 257].map((length) => `${nth(7)}&`.padEnd(length, 'x'));
  for (const text of [longest!, longer!]) expect(targets.parse(text, () => {})).not.toBeNull();
  expect([targets.kept(longest!) === undefined, targets.kept(longer!) === undefined]).toEqual([false, true]);
});
