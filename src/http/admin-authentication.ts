// Who may use what is for operators: a key of ADMIN_KEYS, sent as any key is, or as the password of HTTP Basic, which browsers
// ask for. A browser sends that by itself, also when another site has it ask; what changes something must then be asked for in a way
// in which no form, image or link can.

import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify';
import type { ClientRegistry } from '../clients/registry.ts';
import { BackscrollError } from '../errors.ts';
import { authentication, type AuthenticationOptions } from './authentication.ts';

/** Pages of other sites cannot send it without asking first (Fetch 4.8), and nobody says yes. */
export const PAGE_HEADER = 'x-backscroll-page';

const BASIC = /^basic +/i;

/** A scope for what is for operators: whatever it registers asks for a key. */
export function forAdmins(
  app: FastifyInstance,
  admins: ClientRegistry,
  addressOf: AuthenticationOptions['addressOf'],
  register: (scope: FastifyInstance) => void,
): void {
  const authenticate = authentication({ clients: () => admins, tokens: null, addressOf, headersOf: asKeys });
  void app.register((scope, _options, done) => {
    scope.addHook('onRequest', authenticate);
    scope.addHook('onRequest', refuseForgery);
    scope.addHook('onSend', (_request, reply, _payload, next) => {
      if (reply.statusCode === 401) void reply.header('www-authenticate', CHALLENGE);
      next();
    });
    register(scope);
    done();
  });
}

const CHALLENGE = 'Basic realm="backscroll", charset="UTF-8", Bearer realm="backscroll"';

const refuseForgery: onRequestHookHandler = (request, _reply, done) => {
  const isReading = request.method === 'GET' || request.method === 'HEAD';
  if (isReading || !sentByItself(request) || request.headers[PAGE_HEADER] !== undefined) return done();
  done(new BackscrollError('unauthenticated', `Send the key in the api_access_token header, or ${PAGE_HEADER} with it`));
};

/** Whether a browser may have sent the key without anybody wanting it. */
function sentByItself({ headers }: FastifyRequest): boolean {
  return BASIC.test(headers.authorization ?? '');
}

/** The headers with each password of HTTP Basic in the place where a key may stand. */
function asKeys({ raw: { rawHeaders } }: FastifyRequest): readonly string[] {
  return rawHeaders.map((value, at) => {
    const isValue = at % 2 === 1 && rawHeaders[at - 1]!.toLowerCase() === 'authorization';
    return isValue && BASIC.test(value) ? `Bearer ${passwordOf(value.replace(BASIC, ''))}` : value;
  });
}

function passwordOf(encoded: string): string {
  const text = Buffer.from(encoded, 'base64').toString();
  return text.slice(text.indexOf(':') + 1);
}
