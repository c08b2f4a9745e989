// The form of `/status/data`, for whoever reads it beside the page.

import { Type, type TSchema } from 'typebox';
import { COLUMNS } from './samples.ts';

const strict = { additionalProperties: false };
const Text = Type.String();
const Count = Type.Integer({ minimum: 0 });
const Moment = Type.String({ format: 'date-time' });
const orNull = <T extends TSchema>(type: T) => Type.Union([type, Type.Null()]);
const CountsByName = Type.Record(Type.String(), Count);

const Counts = {
  reads: Type.Integer({ minimum: 0, description: 'Answered with a page' }),
  calls: Type.Integer({ minimum: 0, description: 'Sent to Chatwoot' }),
  refused: Type.Integer({ minimum: 0, description: 'Answered with a 4xx' }),
  savedCalls: Count,
  savedSql: Count,
};
const Ranking = Type.Object(
  {
    top: Type.Array(Type.Object({ name: Text, ...Counts }, strict)),
    others: Type.Object({ count: Count, ...Counts }, { ...strict, description: 'All others together' }),
  },
  strict,
);

export const StatusDataSchema = Type.Object(
  {
    version: Text,
    startedAt: Moment,
    now: Moment,
    totals: Type.Object(
      { requests: CountsByName, calls: CountsByName, pages: Count, savedCalls: Count, savedSql: Count },
      { ...strict, description: 'Since the start: requests by outcome, calls to Chatwoot by reason' },
    ),
    panels: Type.Array(
      Type.Object(
        {
          name: Text,
          state: Type.Union(['good', 'off', 'warn', 'bad'].map((state) => Type.Literal(state))),
          rows: Type.Array(Type.Array(Text, { minItems: 2, maxItems: 2 })),
        },
        strict,
      ),
      { description: 'The state of each part, for people' },
    ),
    clients: Ranking,
    accounts: Ranking,
    errors: Type.Array(
      Type.Object(
        {
          code: Text,
          sentence: Text,
          requestId: Text,
          client: orNull(Text),
          conversation: orNull(Type.Object({ accountId: Count, conversationId: Count }, strict)),
          count: Count,
          at: Moment,
        },
        strict,
      ),
      { description: 'Of each code the last, the latest first' },
    ),
    everyMs: Type.Integer({ description: 'Between two rows of the history' }),
    columns: Type.Array(Text, { description: `What a row of the history holds, in order: ${COLUMNS.join(', ')}` }),
    history: Type.Array(Type.Array(orNull(Type.Number()))),
  },
  strict,
);
