// `backscroll webhook create`: registers a webhook of an account with Chatwoot, for FEED=webhook, and prints its secret, once.

import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { ConfigError, loadSettings } from '../config/load-config.ts';
import { openConnections } from '../upstream/connections.ts';
import { pathPrefix } from '../upstream/chatwoot-url.ts';
import { membersOf } from '../upstream/token-check.ts';
import { VERSION } from '../version.ts';
import type { Terminal } from './terminal.ts';
import { optionsOf, UsageError } from './usage.ts';

/** The events that change something which is cached. */
const SUBSCRIPTIONS = [
  'message_created',
  'message_updated',
  'conversation_created',
  'conversation_updated',
  'conversation_status_changed',
  'contact_updated',
];
const PATH_SECRET_BYTES = 32;

/**
 * Prints the setting on standard output, and what is to be known on standard error.
 * @returns false where Chatwoot did not register it
 * @throws UsageError, ConfigError
 */
export async function webhookCreate(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  { stdout, stderr }: Terminal,
): Promise<boolean> {
  const options = optionsOf(args, ['account', 'url']);
  const account = /^[1-9]\d{0,14}$/.test(options.account ?? '') ? Number(options.account) : NaN;
  if (Number.isNaN(account)) throw new UsageError('--account must be an account id, such as 1');
  const own = ownUrl(options.url ?? '');
  const settings = loadSettings(env, [
    'chatwootUrl',
    'chatwootApiToken',
    'chatwootAccountTokens',
    'httpProxy',
    'httpsProxy',
    'noProxy',
    'upstreamTimeoutMs',
  ]);
  const token = settings.chatwootAccountTokens.get(account) ?? settings.chatwootApiToken;
  if (token === undefined) throw new ConfigError(['CHATWOOT_API_TOKEN or CHATWOOT_ACCOUNT_TOKENS with this account is required']);
  const baseUrl = new URL(settings.chatwootUrl);
  const { upstreamTimeoutMs: timeoutMs } = settings;
  const proxies = { http: settings.httpProxy, https: settings.httpsProxy, except: settings.noProxy };
  const connections = openConnections(baseUrl, { connections: 1, timeoutMs, proxies });
  const path = `${pathPrefix(baseUrl)}/api/v1/accounts/${account}/webhooks`;
  const send = async (method: 'POST' | 'PATCH', to: string, body: object): Promise<Answer> => {
    const headers = {
      'Api-Access-Token': token,
      'Content-Type': 'application/json',
      Accept: 'application/json',
      'User-Agent': `backscroll/${VERSION}`,
    };
    const signal = AbortSignal.timeout(timeoutMs);
    const { statusCode, body: answer } = await connections.request({
      method,
      path: to,
      headers,
      body: JSON.stringify(body),
      signal,
    });
    return { status: statusCode, json: membersOf(Buffer.from(await answer.arrayBuffer())) };
  };
  try {
    const url = `${own}/feed/webhooks/${account}`;
    const created = await send('POST', path, { url, subscriptions: SUBSCRIPTIONS });
    const { id, secret } = webhookOf(created);
    if (created.status !== 200 || typeof id !== 'number') {
      stderr.write(`Chatwoot did not register the webhook: ${whyNot(created, url)}\n`);
      return false;
    }
    if (isPrivate(new URL(own).hostname)) stderr.write(PRIVATE);
    if (typeof secret === 'string' && secret !== '') {
      stdout.write(`WEBHOOK_SECRETS=${JSON.stringify({ [account]: secret })}\n`);
      stderr.write(
        `Webhook ${id} of account ${account} is registered and signed. Its secret, shown this once, is on standard output\n`,
      );
      return true;
    }
    // Before 4.11.2 nothing is signed: the path has to be the secret.
    const pathSecret = randomBytes(PATH_SECRET_BYTES).toString('base64url');
    const changed = await send('PATCH', `${path}/${id}`, { url: `${url}/${pathSecret}` });
    if (changed.status !== 200) {
      stderr.write(
        `This Chatwoot signs no webhooks, and did not take an address with a secret: ${whyNot(changed, url)}. Delete webhook ${id}\n`,
      );
      return false;
    }
    stdout.write(`WEBHOOK_SECRETS=${JSON.stringify({ [account]: pathSecret })}\n`);
    stderr.write(
      `Webhook ${id} of account ${account} is registered. This Chatwoot signs no webhooks, so its address ends in a secret, shown this once on standard output: keep that path out of the logs of what stands before this server\n`,
    );
    return true;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
    stderr.write(`Chatwoot cannot be reached (${code})\n`);
    return false;
  } finally {
    await connections.destroy();
  }
}

const PRIVATE =
  'That address looks private: Chatwoot 4.14 and later sends webhooks there only with SAFE_FETCH_ALLOW_PRIVATE_NETWORK=true in its environment, and says nothing otherwise. Inside one network, FEED=cable is the better feed\n';

interface Answer {
  readonly status: number;
  readonly json: Readonly<Record<string, unknown>>;
}

function webhookOf({ json }: Answer): { readonly id: unknown; readonly secret: unknown } {
  const { payload } = json;
  const webhook = member(payload, 'webhook');
  return { id: member(webhook, 'id'), secret: member(webhook, 'secret') };
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function whyNot({ status, json }: Answer, url: string): string {
  if (status === 401) return 'the token is not valid, or its user is no administrator of this account (status 401)';
  if (status === 404) return 'there is no such account (status 404)';
  const { message } = json;
  if (status === 422 && typeof message === 'string' && /taken/i.test(message))
    return `there is one for ${url} already: delete it first`;
  return `status ${status}`;
}

/** Where Chatwoot reaches this server, without a slash at its end. @throws UsageError */
function ownUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isRight = url !== null && /^https?:\/\//i.test(text) && url.username === '' && url.password === '' && !/[?#]/.test(text);
  if (!isRight) throw new UsageError('--url must be where Chatwoot reaches this server, such as https://backscroll.example.com');
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

/** Whether a host is one that is not reached from everywhere, as far as its name tells. */
function isPrivate(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '');
  if (isIP(bare) === 6) return /^(?:::1$|f[cd]|fe80)/i.test(bare);
  if (isIP(bare) === 4) return /^(?:10|127|169\.254|192\.168|172\.(?:1[6-9]|2\d|3[01]))\./.test(bare);
  return !bare.includes('.') || /\.(?:internal|local|localhost|lan|home\.arpa)$/i.test(bare);
}
