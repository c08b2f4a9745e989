// Where Chatwoot's webhooks arrive.

import { Type } from 'typebox';
import { headers, inHeader, inPath, Text } from './described.ts';
import { errors, type ErrorCase } from './errors.ts';

const REFUSED: readonly ErrorCase[] = [
  { code: 'webhook_refused', status: 400, sentence: 'The body of this webhook is not JSON' },
  { code: 'webhook_refused', status: 401, sentence: 'This webhook has no signature that is valid here' },
  { code: 'webhook_refused', status: 409, sentence: 'This delivery has been taken before' },
  { code: 'webhook_refused', status: 413, sentence: 'A webhook has at most 1048576 bytes' },
  { code: 'webhook_refused', status: 422, sentence: 'This webhook is of another account than its path says' },
  { code: 'rate_limited', sentence: 'Too many webhooks; wait as long as Retry-After says' },
];

export function webhooks(): { paths: object } {
  const account = inPath('account_id', 'The account');
  const post = {
    summary: 'What Chatwoot announces',
    security: [],
    requestBody: {
      required: true,
      content: {
        'application/json': { schema: Type.Object({ event: Text }, { description: 'An event, as Chatwoot sends it' }) },
      },
    },
    responses: {
      204: { description: 'Taken', headers: headers('x-request-id', 'vary') },
      ...errors([...REFUSED, 'internal']),
    },
  };
  const signed = [
    { ...inHeader('x-chatwoot-timestamp', 'When it was signed, unix seconds'), required: true },
    { ...inHeader('x-chatwoot-signature', 'HMAC-SHA256 of timestamp and body, with the secret of the webhook'), required: true },
    inHeader('x-chatwoot-delivery', 'The id of the delivery, which is taken once'),
  ];
  const secret = inPath('path_secret', 'The secret, of a Chatwoot that signs nothing', Text, 'a-long-secret');
  return {
    paths: {
      '/feed/webhooks/{account_id}': { post: { ...post, parameters: [account, ...signed] } },
      '/feed/webhooks/{account_id}/{path_secret}': { post: { ...post, parameters: [account, secret] } },
    },
  };
}
