// The line of an answered request is the one that pino would write.

import fc from 'fast-check';
import { pino } from 'pino';
import { expect, test, vi } from 'vitest';
import { OUTCOMES } from '../../src/cache/outcome.ts';
import { answeredLines } from '../../src/http/answered-line.ts';

test('it is the line that pino would write, whatever is in it', () => {
  let line = '';
  const logger = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, { write: (text: string) => void (line = text) });
  const lineOf = answeredLines();
  const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
  const reader = fc.string().map((clientName) => ({ clientName, scope: '*', view: 'agent', mayBypass: false }) as const);
  const answered = fc.record({
    id: fc.string(),
    reader: fc.option(reader),
    conversation: fc.option(fc.record({ accountId: id, conversationId: id })),
    status: fc.integer({ min: 200, max: 599 }),
    outcome: fc.option(fc.constantFrom(...OUTCOMES)),
    durationMs: fc.double({ min: 0, max: 1e7, noNaN: true }),
  });
  try {
    fc.assert(
      fc.property(answered, fc.integer({ min: 0, max: 4e12 }), (each, now) => {
        vi.spyOn(Date, 'now').mockReturnValue(now);
        const { id: reqId, conversation, status, outcome, durationMs } = each;
        const ms = Math.round(durationMs * 10) / 10;
        logger.info({ reqId, client: each.reader?.clientName, ...conversation, status, outcome, ms }, 'answered');
        expect(lineOf(each, now)).toBe(line);
      }),
    );
  } finally {
    vi.restoreAllMocks();
  }
});
