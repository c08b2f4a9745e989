// What the keys of ADMIN_KEYS open.

import { Type } from 'typebox';
import { ExplanationSchema } from '../status/explanation.ts';
import { StatusDataSchema } from '../status/status-data.ts';
import { answer, CURSORS, Id, inHeader, inQuery, json, Text } from './described.ts';
import { errors } from './errors.ts';

const SECURITY = [{ key: [] }, { bearer: [] }, { basic: [] }];
const ACCOUNT = inQuery('account', 'The account', Id, 1);
const CONVERSATION = inQuery('conversation', 'The conversation', Id, 1);
const Purged = { purged: Type.Integer({ minimum: 0, description: 'Conversations that were known' }) };
/** Where there are others. */
const Reached = {
  processes: Type.Integer({ minimum: 0, description: 'Other processes' }),
  reached: Type.Integer({ minimum: 0, description: 'Those of them that have heard of it' }),
};

/** @param isShared whether processes know together. */
export function administration(isShared: boolean): { paths: object; schemas: object; securitySchemes: object } {
  return {
    paths: paths(isShared),
    schemas: { Explanation: ExplanationSchema, StatusData: StatusDataSchema },
    securitySchemes: {
      basic: { type: 'http', scheme: 'basic', description: 'Any user name; the password is an admin key' },
    },
  };
}

function paths(isShared: boolean): object {
  const refusals = errors(['unauthenticated', 'rate_limited', 'internal']);
  const wrong = errors(['invalid_parameter']);
  return {
    '/status': {
      get: {
        summary: 'The status page',
        security: SECURITY,
        responses: { 200: answer('The page', 'text/html', Text), ...refusals },
      },
    },
    '/status/data': {
      get: {
        summary: 'The numbers of the status page',
        security: SECURITY,
        parameters: [
          inQuery('after', 'History after this moment, unix seconds', Type.Integer({ minimum: 0, maximum: 999_999_999_999 })),
        ],
        responses: { 200: json('The numbers', { $ref: '#/components/schemas/StatusData' }), ...wrong, ...refusals },
      },
    },
    '/admin/explain': {
      get: {
        summary: 'What is known of a conversation, and what a query would meet',
        security: SECURITY,
        parameters: [{ ...ACCOUNT, required: true }, { ...CONVERSATION, required: true }, ...CURSORS],
        responses: { 200: json('The explanation', { $ref: '#/components/schemas/Explanation' }), ...wrong, ...refusals },
      },
    },
    '/admin/cache': {
      delete: {
        summary: 'Forget everything, an account or a conversation',
        security: SECURITY,
        parameters: [
          ACCOUNT,
          { ...CONVERSATION, description: 'The conversation; with `account`' },
          inHeader('x-backscroll-page', 'Anything; needed where the key comes as HTTP Basic', '1'),
        ],
        responses: {
          200: json('Forgotten', Type.Object({ ...Purged, ...(isShared ? Reached : {}) }, { additionalProperties: false })),
          ...wrong,
          ...refusals,
          ...(isShared ? errors(['shared_level_unreachable']) : {}),
        },
      },
    },
  };
}
