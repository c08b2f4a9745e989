// The trace that a caller's request is part of: to Chatwoot and into the log, and nothing else of what it sends.

import { expect, test } from 'vitest';
import { askedByBackscroll, knownPage, messagesOf, startHouse, type Backscroll } from '../support/backscroll.ts';
import { traceparentOf } from '../../src/http/traceparent.ts';

const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

const answered = (backscroll: Backscroll): { traceparent?: string; outcome?: string }[] =>
  backscroll.logs.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'answered');

test('a read for a caller carries its trace, what is read behind the answer does not, and both lines name it', async () => {
  const { backscroll, chatwoot } = await startHouse();
  const page = await knownPage(backscroll);
  const sent = askedByBackscroll(chatwoot).length;
  await backscroll.get(messagesOf(2), { traceparent: TRACE });
  await backscroll.get(page, { traceparent: TRACE }); // The short way.
  await backscroll.app.readThrough.idle();
  const reads = askedByBackscroll(chatwoot).slice(sent);
  expect(reads[0]!.headers['traceparent']).toBe(TRACE);
  expect(reads.slice(1).filter(({ headers }) => headers['traceparent'] !== undefined)).toEqual([]);
  expect(answered(backscroll).slice(-2)).toMatchObject([
    { traceparent: TRACE, outcome: 'miss' },
    { traceparent: TRACE, outcome: 'hit' },
  ]);
});

test('it goes with fills and seals and with what is forwarded and not cached, and into the line about a failure', async () => {
  const { backscroll, chatwoot, clock } = await startHouse();
  const ids = chatwoot.table.rows(1, 1).map(({ id }) => id);
  await backscroll.get(messagesOf(1));
  const sent = askedByBackscroll(chatwoot).length;
  for (const search of [
    '',
    '',
    `?before=${ids[350]}`,
    `?before=${ids[300]}`,
    `?before=${ids[200]}`,
    '?before_timestamp=1700000000',
  ]) {
    clock.advance(1000);
    await backscroll.get(messagesOf(1, search), { traceparent: TRACE });
    await backscroll.app.readThrough.idle();
  }
  const reads = askedByBackscroll(chatwoot).slice(sent);
  const metrics = await backscroll.metrics();
  for (const reason of ['fill', 'seal'])
    expect(metrics).toMatch(new RegExp(`upstream_reads_total\\{reason="${reason}"\\} [1-9]`));
  expect(reads.filter(({ headers }) => headers['traceparent'] === TRACE).length).toBeGreaterThanOrEqual(4);
  chatwoot.fault = () => ({ kind: 'status', status: 404, body: '<html>' });
  await backscroll.get(messagesOf(3), { traceparent: TRACE });
  const failure = backscroll.logs.map((line) => JSON.parse(line)).find(({ msg }) => msg === 'upstream failed');
  expect(failure).toMatchObject({ traceparent: TRACE });
});

test('what is no traceparent, or comes twice, goes nowhere', async () => {
  const { backscroll, chatwoot } = await startHouse();
  const twice = [
    ['traceparent', TRACE],
    ['traceparent', TRACE],
  ] as const;
  await backscroll.get(messagesOf(2), { traceparent: 'canary' });
  await backscroll.get(messagesOf(3), twice);
  await backscroll.get(messagesOf(4), { tracestate: 'vendor=canary', baggage: 'canary' });
  expect(askedByBackscroll(chatwoot).every(({ headers }) => headers['traceparent'] === undefined)).toBe(true);
  expect(backscroll.logs.join('')).not.toContain('canary');
});

test.each([
  [TRACE, true],
  [`01${TRACE.slice(2)}-later`, true],
  [`cc${TRACE.slice(2)}`, true],
  [`${TRACE}-more`, false],
  [`ff${TRACE.slice(2)}`, false],
  [TRACE.toUpperCase(), false],
  [TRACE.slice(0, -1), false],
  [`00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, false],
  [`00-4bf92f3577b34da6a3ce929d0e0e4736-${'0'.repeat(16)}-01`, false],
  [`01${TRACE.slice(2)}-${'x'.repeat(201)}`, false],
  [`01${TRACE.slice(2)}-a\nb`, false],
  ['', false],
])('%s: %s', (text, isValid) => {
  expect(traceparentOf({ traceparent: text })).toBe(isValid ? text : undefined);
});
