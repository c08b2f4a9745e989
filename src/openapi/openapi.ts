// The interface as OpenAPI 3.1 has it, at `/openapi.json`: what this server, with its settings, serves, and what it answers.

import type { Config } from '../config/load-config.ts';
import { VERSION } from '../version.ts';
import { ErrorSchema } from './errors.ts';
import { messages, OwnRefusalSchema, PageSchema } from './messages.ts';
import { operations } from './operations.ts';

export type Described = Pick<Config, 'adminKeys' | 'allowAnonymous' | 'corsOrigins' | 'feed' | 'passThrough' | 'redisUrls'>;

const ABOUT = 'A caching read-through proxy in front of one route of Chatwoot.';
const PASSED =
  "All other routes below `/api/v1/` and `/api/v2/`, and `GET /api`, go to Chatwoot with the caller's own Chatwoot token and come back as they are: Chatwoot's own description holds for them. Keys of this server get a 421 there.";
const NOT_PASSED = "Any other path of Chatwoot's API is a 421 `not_served`, any other at all a 404, and any other method a 405.";

/** The document as JSON. It names no setting's value: which routes there are, anybody can find out by asking. */
export async function openapi(config: Described): Promise<string> {
  const admins =
    config.adminKeys.length > 0 ? (await import('./administration.ts')).administration(config.redisUrls.length > 0) : null;
  const webhooks = config.feed.has('webhook') ? (await import('./webhooks.ts')).webhooks() : null;
  const passesThrough = config.passThrough !== 'off';
  const messagesOptions = { passesThrough, isOpen: config.allowAnonymous, hasOrigins: config.corsOrigins.length > 0 };
  return JSON.stringify({
    openapi: '3.1.0',
    info: {
      title: 'Backscroll',
      version: VERSION,
      description: `${ABOUT} ${passesThrough ? PASSED : NOT_PASSED}`,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    paths: {
      '/api/v1/accounts/{account_id}/conversations/{conversation_id}/messages': messages(messagesOptions),
      ...operations(),
      ...admins?.paths,
      ...webhooks?.paths,
    },
    components: {
      schemas: {
        Page: PageSchema,
        Error: ErrorSchema,
        ...(passesThrough ? { OwnRefusal: OwnRefusalSchema } : {}),
        ...admins?.schemas,
      },
      securitySchemes: {
        key: {
          type: 'apiKey',
          in: 'header',
          name: 'api_access_token',
          description: `A key of this server${passesThrough ? ', or for messages a Chatwoot token of one’s own' : ''}. With \`-\` in place of \`_\`, too`,
        },
        bearer: { type: 'http', scheme: 'bearer', description: 'A key of this server, or for messages a signed token' },
        ...admins?.securitySchemes,
      },
    },
  });
}
