// Signed tokens over HTTP: what they may read, and every way of forging one.

import { createHmac, createPrivateKey, createSecretKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { exportJWK, exportSPKI, SignJWT, type JWTPayload } from 'jose';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { RefusalLog } from '../../src/http/refusal-log.ts';
import { KEY, messagesOf, readsOf, startHouse, type Backscroll, type Received } from '../support/backscroll.ts';

const SECRET = 'first-secret-of-the-tests-0123456789';
const SECOND = 'second-secret-of-the-tests-0123456789';
const env = { JWT_SECRET: `${SECRET}, ${SECOND}`, CLIENT_KEYS: '' };
const CLAIMS = { account: 1, conversations: [2, 3] };

const seconds = (): number => Math.floor(Date.now() / 1000);
const base64 = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** A token for an hour, unless its claims say otherwise. */
async function sign(claims: JWTPayload = {}, secret = SECRET, header: Record<string, unknown> = {}): Promise<string> {
  const payload = { ...CLAIMS, exp: seconds() + 3600, ...claims };
  return new SignJWT(payload).setProtectedHeader({ alg: 'HS256', ...header }).sign(Buffer.from(secret));
}

/** A token with these very parts, signed by HMAC with any key at all. */
function forge(header: unknown, claims: unknown, key: string | KeyObject): string {
  const signed = `${base64(header)}.${base64(claims)}`;
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
}

const ask = async (backscroll: Backscroll, token: string, target = messagesOf(2)): Promise<Received> =>
  backscroll.send({ target, headers: [['authorization', `Bearer ${token}`]] });

const statusOf = async (backscroll: Backscroll, token: string, target?: string): Promise<number> =>
  (await ask(backscroll, token, target)).status;

const idsOf = (received: Received): number[] => (received.json() as { payload: { id: number }[] }).payload.map(({ id }) => id);

describe('a good token', () => {
  test('reads the conversations that it names and no other, with no clients set up at all', async () => {
    const { backscroll } = await startHouse({ env });
    const token = await sign();
    expect([await statusOf(backscroll, token), await statusOf(backscroll, token, messagesOf(3))]).toEqual([200, 200]);
    for (const target of [messagesOf(1), messagesOf(99), '/api/v1/accounts/2/conversations/2/messages']) {
      const refused = await ask(backscroll, token, target);
      expect([refused.status, refused.json()]).toEqual([404, { error: 'Resource could not be found', code: 'not_found' }]);
    }
    expect(await statusOf(backscroll, await sign({ conversations: '*' }), messagesOf(1))).toBe(200);
    expect(await statusOf(backscroll, await sign({ conversations: [] }))).toBe(404);
  });

  test('gets the customer view unless it says agent', async () => {
    const { backscroll, chatwoot } = await startHouse({ env });
    const isPublic = new Set(chatwoot.table.rows(1, 1).flatMap((row) => (row.private || row.messageType === 2 ? [] : row.id)));
    const [customer, said, agent] = await Promise.all(
      [{}, { view: 'customer' }, { view: 'agent' }].map(async (view) =>
        ask(backscroll, await sign({ conversations: [1], ...view }), messagesOf(1, '?before=1363')),
      ),
    );
    expect(idsOf(customer!).every((id) => isPublic.has(id))).toBe(true);
    expect(said!.body).toEqual(customer!.body);
    expect(idsOf(agent!).every((id) => isPublic.has(id))).toBe(false);
  });

  test('is accepted whichever secret signed it, and no longer once that is gone', async () => {
    const both = await startHouse({ env });
    const old = await sign({}, SECOND);
    expect([await statusOf(both.backscroll, await sign()), await statusOf(both.backscroll, old)]).toEqual([200, 200]);
    const first = await startHouse({ env: { ...env, JWT_SECRET: SECRET } });
    expect([await statusOf(first.backscroll, await sign()), await statusOf(first.backscroll, old)]).toEqual([200, 401]);
  });

  test('is one in Authorization only, and api_access_token comes first', async () => {
    const { backscroll } = await startHouse({ env: { JWT_SECRET: SECRET } });
    const token = await sign({ conversations: [3] });
    const both = (key: string) =>
      backscroll.send({
        target: messagesOf(2),
        headers: [
          ['api_access_token', key],
          ['authorization', `Bearer ${token}`],
        ],
      });
    expect((await both(KEY)).status).toBe(200);
    expect((await both('wrong')).status).toBe(401);
    expect((await backscroll.send({ target: messagesOf(3), headers: [['api_access_token', token]] })).status).toBe(401);
  });

  test('is allowed five seconds of another clock', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2027-01-01T00:00:00Z') });
    onTestFinished(() => void vi.useRealTimers());
    const { backscroll } = await startHouse({ env });
    const now = seconds();
    const statuses = await Promise.all(
      [{ exp: now - 4 }, { exp: now - 5 }, { nbf: now + 5 }, { nbf: now + 6 }].map(async (claims) =>
        statusOf(backscroll, await sign(claims)),
      ),
    );
    expect(statuses).toEqual([200, 401, 200, 401]);
  });

  test('of which issuer and audience it must be, where that is set', async () => {
    const { backscroll } = await startHouse({ env: { ...env, JWT_ISSUER: 'https://login.example', JWT_AUDIENCE: 'backscroll' } });
    const good = { iss: 'https://login.example', aud: 'backscroll' };
    const statusWith = async (claims: JWTPayload): Promise<number> => statusOf(backscroll, await sign(claims));
    expect(await statusWith(good)).toBe(200);
    expect(await statusWith({ ...good, aud: ['other', 'backscroll'] })).toBe(200);
    const wrong = [
      {},
      { iss: good.iss },
      { aud: good.aud },
      { ...good, iss: 'https://login.example/' },
      { ...good, aud: 'other' },
    ];
    for (const claims of wrong) expect(await statusWith(claims)).toBe(401);
  });
});

test('every bad token gets the 401 of no token at all, and Chatwoot is not asked', async () => {
  const { backscroll, chatwoot } = await startHouse({ env });
  const good = await sign();
  const [header = '', payload = '', signature = ''] = good.split('.');
  const claims = { ...CLAIMS, exp: seconds() + 3600 };
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const bad: Record<string, string> = {
    'another secret': await sign({}, 'another-secret-of-the-tests-012345678'),
    'an expired one': await sign({ exp: seconds() - 60 }),
    'one without exp': forge({ alg: 'HS256' }, CLAIMS, SECRET),
    'an exp that is a text': forge({ alg: 'HS256' }, { ...claims, exp: '2099' }, SECRET),
    'one for later': await sign({ nbf: seconds() + 60 }),
    'alg none, unsigned': `${base64({ alg: 'none' })}.${base64(claims)}.`,
    'alg None, with a signature': `${base64({ alg: 'None' })}.${payload}.${signature}`,
    'no alg': forge({ typ: 'JWT' }, claims, SECRET),
    'another alg with the right secret': await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS512' })
      .sign(Buffer.from(SECRET.repeat(2))),
    'an asymmetric alg where no keys are set': await new SignJWT(claims).setProtectedHeader({ alg: 'RS256' }).sign(privateKey),
    'a public key as the secret': forge({ alg: 'HS256' }, claims, await exportSPKI(publicKey)),
    'a key of its own in the header': await new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', jwk: await exportJWK(publicKey) })
      .sign(privateKey),
    'a critical header': forge({ alg: 'HS256', crit: ['x'], x: 1 }, claims, SECRET),
    'a changed payload': `${header}.${base64({ ...claims, conversations: '*' })}.${signature}`,
    'no signature': `${header}.${payload}.`,
    'a payload that is no JSON': forge({ alg: 'HS256' }, 'planted', SECRET),
    'a payload that is a list': forge({ alg: 'HS256' }, [claims], SECRET),
    'a header that is no JSON': `eyJ.${payload}.${signature}`,
    'no account': await sign({ account: undefined }),
    'an account that is a text': await sign({ account: '1' }),
    'account 0': await sign({ account: 0 }),
    'no conversations': await sign({ conversations: undefined }),
    'conversations that are texts': await sign({ conversations: ['2'] }),
    'one conversation': await sign({ conversations: 2 }),
    'half a conversation': await sign({ conversations: [2.5] }),
    'too many conversations': await sign({ conversations: Array<number>(1001).fill(2) }),
    'another view': await sign({ view: 'admin' }),
    'a subject that is too long': await sign({ sub: 'x'.repeat(129) }),
    'a subject that is none': await sign({ sub: 7 as unknown as string }),
  };
  const none = await backscroll.send({ target: messagesOf(2) });
  for (const [what, token] of Object.entries(bad)) {
    const refused = await ask(backscroll, token);
    expect([what, refused.status, refused.body.toString()]).toEqual([what, 401, none.body.toString()]);
    expect(Object.keys(refused.headers)).toEqual(Object.keys(none.headers));
  }
  expect(readsOf(chatwoot)).toEqual([]);
  expect(backscroll.logs.join('')).not.toContain(payload);
  expect(await statusOf(backscroll, good)).toBe(200);
});

describe('a long token', () => {
  const HEADERS_BYTES_MAX = 32 * 1024;
  const ids = (first: number): number[] => Array.from({ length: 1000 }, (_, index) => first - index);

  test.each([
    ['of ten digits', 9_999_999_999, 14_000],
    ['as long as numbers get', Number.MAX_SAFE_INTEGER, 22_000],
  ])('may name 1,000 conversations by ids %s', async (_what, first, length) => {
    const { backscroll } = await startHouse({
      env: { ...env, JWT_ISSUER: 'https://login.example/', JWT_AUDIENCE: 'backscroll' },
    });
    const claims = { iss: 'https://login.example/', aud: 'backscroll', sub: 'x'.repeat(128), iat: seconds() };
    const token = await sign({ ...claims, conversations: [...ids(first).slice(0, 999), 2] });
    expect(token.length).toBeGreaterThan(length);
    expect(await statusOf(backscroll, token)).toBe(200);
    expect(await statusOf(backscroll, token, messagesOf(3))).toBe(404);
    // There it is a key that nobody has, and no reason to break the connection.
    const asKey = await backscroll.send({ target: messagesOf(2), headers: [['api_access_token', token]] });
    expect([asKey.status, asKey.code]).toEqual([401, 'unauthenticated']);
  });

  test('may fill the headers that a request may have; a longer one is told what to do, and nothing is computed', async () => {
    const { backscroll } = await startHouse({ env });
    const verify = vi.spyOn(crypto.subtle, 'verify');
    onTestFinished(() => verify.mockRestore());
    const tokenOf = async (length: number) => {
      const short = await sign({ pad: '' });
      return sign({ pad: 'x'.repeat(Math.floor(((length - short.length) * 3) / 4)) });
    };
    expect(await statusOf(backscroll, await tokenOf(HEADERS_BYTES_MAX - 200))).toBe(200);
    expect(verify).toHaveBeenCalledOnce();
    for (const length of [HEADERS_BYTES_MAX, 10 * HEADERS_BYTES_MAX]) {
      const refused = await ask(backscroll, await tokenOf(length));
      expect([refused.status, refused.json()]).toEqual([
        431,
        { error: expect.stringMatching(/more than 32768 bytes.*token that names fewer/), code: 'invalid_parameter' },
      ]);
    }
    expect(verify).toHaveBeenCalledOnce();
    expect(await statusOf(backscroll, await sign())).toBe(200);
  });
});

describe('why a token or key was refused', () => {
  const reasonsIn = (backscroll: Backscroll): unknown[] =>
    backscroll.logs
      .map((line) => JSON.parse(line) as { level: number; msg: string; reason?: string })
      .filter(({ msg, level }) => msg === 'a credential was refused' && level === 30)
      .map(({ reason }) => reason);

  test('is in the log and counted, never in the answer, and never with the token', async () => {
    const { backscroll } = await startHouse({ env: { ...env, JWT_ISSUER: 'https://login.example', JWT_AUDIENCE: 'backscroll' } });
    const right = { iss: 'https://login.example', aud: 'backscroll' };
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const refused: [string, string][] = [
      ['expired', await sign({ ...right, exp: seconds() - 60 })],
      ['not-yet-valid', await sign({ ...right, nbf: seconds() + 60 })],
      ['issuer', await sign({ ...right, iss: 'https://planted.example' })],
      ['issuer', await sign({ aud: 'backscroll' })],
      ['audience', await sign({ ...right, aud: 'planted' })],
      ['expiry-claim', await sign({ ...right, exp: undefined as unknown as number })],
      ['account-claim', await sign({ ...right, account: undefined })],
      ['conversations-claim', await sign({ ...right, conversations: undefined })],
      ['view-claim', await sign({ ...right, view: 'planted' })],
      ['sub-claim', await sign({ ...right, sub: 'x'.repeat(129) })],
      ['signature', await sign(right, 'another-secret-of-the-tests-012345678')],
      ['algorithm', await new SignJWT({ ...CLAIMS, ...right }).setProtectedHeader({ alg: 'RS256' }).sign(privateKey)],
      ['malformed-token', forge({ alg: 'HS256' }, 'planted', SECRET)],
      ['unknown-key', 'planted-key-of-nobody'],
      ['not-a-credential', 'x'.repeat(5000)],
    ];
    const none = await backscroll.send({ target: messagesOf(2) });
    for (const [, token] of refused) expect((await ask(backscroll, token)).body).toEqual(none.body);
    expect(reasonsIn(backscroll)).toEqual(['no-credential', ...refused.map(([reason]) => reason)]);
    expect(await backscroll.metrics()).toContain('backscroll_credentials_refused_total{reason="issuer"} 2\n');
    const logs = backscroll.logs.join('');
    for (const [, token] of refused) expect(logs).not.toContain(token.split('.')[1] ?? token);
    expect(logs).not.toContain('planted');
  });

  test('is told in five lines a minute for each reason, the next of which counts what was dropped', () => {
    const refusals = new RefusalLog();
    const lines: object[] = [];
    const log = { info: (details: object) => void lines.push(details) };
    for (let n = 0; n < 100; n++) refusals.tell(log, 'unknown-key', 1000 + n);
    refusals.tell(log, 'expired', 1100);
    expect(lines).toEqual([...Array.from({ length: 5 }, () => ({ reason: 'unknown-key' })), { reason: 'expired' }]);
    refusals.tell(log, 'unknown-key', 60_999);
    expect(lines).toHaveLength(6);
    refusals.tell(log, 'unknown-key', 61_000);
    refusals.tell(log, 'unknown-key', 61_001);
    expect(lines.slice(6)).toEqual([{ reason: 'unknown-key', dropped: 96 }, { reason: 'unknown-key' }]);
  });
});

test('past the limit of failures at its address, a good token passes, seen before or not; a bad one gets 429', async () => {
  const { backscroll, chatwoot } = await startHouse({ env });
  const bad = await sign({}, 'a-secret-of-nobody-0123456789-abcdefg');
  const statuses = [];
  for (let n = 0; n < 62; n++) statuses.push(await statusOf(backscroll, bad));
  expect(statuses.slice(59)).toEqual([401, 429, 429]);
  expect(readsOf(chatwoot)).toEqual([]);
  for (const secret of [SECRET, SECOND]) expect(await statusOf(backscroll, await sign({ sub: secret }, secret))).toBe(200);
  expect(await statusOf(backscroll, await sign({ exp: seconds() - 10 }))).toBe(429);
});

test('without JWT_SECRET and JWKS_URL no token is one', async () => {
  const { backscroll } = await startHouse();
  expect(await statusOf(backscroll, await sign())).toBe(401);
});

describe('who it is', () => {
  test('is told in the log by its subject, made safe', async () => {
    const { backscroll } = await startHouse({ env });
    for (const sub of ['visitor-7', 'a b\n{"x":1}', undefined, '']) {
      expect(await statusOf(backscroll, await sign(sub === undefined ? {} : { sub }))).toBe(200);
    }
    const names = backscroll.logs.flatMap((line) => (JSON.parse(line) as { client?: string }).client ?? []);
    expect(names).toEqual(['jwt:visitor-7', expect.stringMatching(/^jwt:a_b___x__1_~[0-9a-f]{8}$/), 'jwt', 'jwt']);
  });

  test('has a limit of its own, whatever the token', async () => {
    const { backscroll } = await startHouse({ env: { ...env, RATE_LIMIT: '1/1m' } });
    const statuses = [];
    for (const sub of ['one', 'one', 'two', 'a b', 'a_b', 'a c', 'a b']) {
      statuses.push(await statusOf(backscroll, await sign({ sub, iat: seconds() })));
    }
    expect(statuses).toEqual([200, 429, 200, 200, 200, 200, 429]);
  });

  test('is its address where it has no subject', async () => {
    const { backscroll } = await startHouse({ env: { ...env, RATE_LIMIT: '1/1m', TRUST_PROXY: 'loopback' } });
    const token = await sign();
    const from = async (address: string) =>
      (
        await backscroll.send({
          target: messagesOf(2),
          headers: [
            ['authorization', `Bearer ${token}`],
            ['x-forwarded-for', address],
          ],
        })
      ).status;
    expect([await from('203.0.113.1'), await from('203.0.113.2'), await from('203.0.113.1')]).toEqual([200, 200, 429]);
  });
});

describe('JWKS_URL', () => {
  interface Signer {
    readonly kid: string;
    readonly privateKey: KeyObject;
    readonly publicKey: KeyObject;
    readonly alg: string;
  }

  const rsa = (kid: string): Signer => ({ kid, alg: 'RS256', ...generateKeyPairSync('rsa', { modulusLength: 2048 }) });
  const ec = (kid: string): Signer => ({ kid, alg: 'ES256', ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) });
  const ed = (kid: string): Signer => ({ kid, alg: 'EdDSA', ...generateKeyPairSync('ed25519') });

  async function signWith({ kid, alg, privateKey }: Signer, claims: JWTPayload = {}): Promise<string> {
    const key = createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }));
    return new SignJWT({ ...CLAIMS, exp: seconds() + 3600, ...claims }).setProtectedHeader({ alg, kid }).sign(key);
  }

  /** A key set on a real socket; what it answers can be changed. */
  async function startKeySet(signers: readonly Signer[]) {
    const set = { signers, status: 200, body: undefined as string | undefined, hangs: false, requests: 0 };
    const server = createServer((_request, response) => {
      set.requests++;
      if (set.hangs) return;
      void Promise.all(set.signers.map(async ({ kid, publicKey }) => ({ ...(await exportJWK(publicKey)), kid }))).then((keys) =>
        response.writeHead(set.status, { location: '/elsewhere' }).end(set.body ?? JSON.stringify({ keys })),
      );
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return { set, env: { CLIENT_KEYS: '', JWKS_URL: `http://127.0.0.1:${address.port}/keys?planted` } };
  }

  test('takes RS256, ES256 and EdDSA; asks for the keys once', async () => {
    const signers = [rsa('a'), ec('b'), ed('c')];
    const { set, env: keys } = await startKeySet(signers);
    const { backscroll } = await startHouse({ env: keys });
    for (const signer of signers) expect(await statusOf(backscroll, await signWith(signer))).toBe(200);
    expect(set.requests).toBe(1);
  });

  test('a public key does not pass for a secret, whatever the header says', async () => {
    const signer = rsa('a');
    const { set, env: keys } = await startKeySet([signer]);
    const claims = { ...CLAIMS, exp: seconds() + 3600 };
    const spki = await exportSPKI(signer.publicKey);
    const der = createSecretKey(signer.publicKey.export({ type: 'spki', format: 'der' }));
    const confused = [spki, spki.trim(), der, signer.publicKey.export({ format: 'jwk' }).n ?? ''];
    for (const settings of [keys, { ...keys, JWT_SECRET: SECRET }]) {
      const { backscroll } = await startHouse({ env: settings });
      expect(await statusOf(backscroll, await signWith(signer))).toBe(200);
      for (const key of confused) {
        expect(await statusOf(backscroll, forge({ alg: 'HS256', kid: 'a' }, claims, key))).toBe(401);
        expect(await statusOf(backscroll, forge({ alg: 'RS256', kid: 'a' }, claims, key))).toBe(401);
      }
    }
    expect(set.requests).toBe(2);
  });

  test('a secret in the key set is none, and other algorithms of a right key are refused', async () => {
    const signer = rsa('a');
    const { set, env: keys } = await startKeySet([]);
    set.body = JSON.stringify({
      keys: [
        { ...(await exportJWK(signer.publicKey)), kid: 'a' },
        { kty: 'oct', k: base64(SECRET), kid: 's' },
      ],
    });
    const { backscroll } = await startHouse({ env: keys });
    expect(await statusOf(backscroll, await sign({}, SECRET, { kid: 's' }))).toBe(401);
    expect(await statusOf(backscroll, await signWith({ ...signer, alg: 'PS256' }))).toBe(401);
    expect(await statusOf(backscroll, await signWith({ ...signer, alg: 'RS512' }))).toBe(401);
    expect(await statusOf(backscroll, await signWith(signer))).toBe(200);
  });

  test('a new key is fetched when a token names it, an unknown one no more than twice a minute', async () => {
    const [old, next] = [rsa('old'), rsa('next')];
    const { set, env: keys } = await startKeySet([old]);
    const { backscroll, clock } = await startHouse({ env: keys });
    expect(await statusOf(backscroll, await signWith(old))).toBe(200);
    set.signers = [old, next];
    expect(await statusOf(backscroll, await signWith(next))).toBe(401);
    expect(backscroll.logs.filter((line) => line.includes('"unknown-signing-key"'))).toHaveLength(1);
    expect(set.requests).toBe(1);
    clock.advance(31_000);
    expect(await statusOf(backscroll, await signWith(next))).toBe(200);
    expect(await statusOf(backscroll, await signWith(old))).toBe(200);
    expect(set.requests).toBe(2);

    // Taken away, it dies when the keys are renewed behind the next token.
    set.signers = [next];
    clock.advance(599_000);
    expect(await statusOf(backscroll, await signWith(old))).toBe(200);
    expect(set.requests).toBe(2);
    clock.advance(1_000);
    await vi.waitFor(async () => expect(await statusOf(backscroll, await signWith(old))).toBe(401));
    expect(await statusOf(backscroll, await signWith(next))).toBe(200);
    expect(set.requests).toBe(3);
  });

  test('keys are renewed in quiet times too, so that one that was taken away is good for nobody after them', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    const [old, next] = [rsa('old'), rsa('next')];
    const { set, env: keys } = await startKeySet([old]);
    const { backscroll, clock } = await startHouse({ env: keys });
    expect(await statusOf(backscroll, await signWith(old))).toBe(200);
    set.signers = [next];
    clock.advance(600_000);
    vi.advanceTimersByTime(60_000);
    await vi.waitFor(async () =>
      expect(await backscroll.metrics()).toContain('backscroll_signing_key_fetches_total{outcome="fetched"} 2'),
    );
    expect(await statusOf(backscroll, await signWith(old))).toBe(401);
    expect(set.requests).toBe(2);
  });

  test('a key server that is down costs known keys nothing for a day; then nobody knows', async () => {
    const [known, next] = [rsa('known'), rsa('next')];
    const { set, env: keys } = await startKeySet([known]);
    const { backscroll, clock } = await startHouse({ env: keys });
    const token = await signWith(known);
    expect(await statusOf(backscroll, token)).toBe(200);
    set.status = 500;
    for (const minutes of [11, 60, 12 * 60]) {
      clock.advance(minutes * 60_000);
      expect(await statusOf(backscroll, token)).toBe(200);
      const unknown = await ask(backscroll, await signWith(next));
      expect([unknown.status, unknown.code]).toEqual([503, 'keys_unavailable']);
    }
    expect(set.requests).toBe(4);
    expect(await backscroll.metrics()).toContain('backscroll_signing_key_fetches_total{outcome="failed"} 3');
    clock.advance(11 * 3_600_000);
    expect(await statusOf(backscroll, token)).toBe(503);
    set.status = 200;
    clock.advance(5_000);
    expect(await statusOf(backscroll, token)).toBe(200);
  });

  test('a key server that hangs keeps nobody with a known key, and others for two seconds, once', async () => {
    const [known, next] = [rsa('known'), rsa('next')];
    const { set, env: keys } = await startKeySet([known]);
    const { backscroll, clock } = await startHouse({ env: keys });
    const [token, unknown] = [await signWith(known), await signWith(next)];
    expect(await statusOf(backscroll, token)).toBe(200);
    set.hangs = true;
    clock.advance(11 * 60_000);
    const msOf = async (of: string, status: number): Promise<number> => {
      const askedAt = performance.now();
      expect(await statusOf(backscroll, of)).toBe(status);
      return performance.now() - askedAt;
    };
    let isAnswered = false;
    const first = msOf(unknown, 503).finally(() => (isAnswered = true));
    await vi.waitFor(() => expect(set.requests).toBe(2));
    await msOf(token, 200);
    expect(isAnswered).toBe(false);
    expect(await first).toBeLessThan(4_000);
    // The fetch is still under way, and nobody waits for it any more.
    expect(await msOf(unknown, 503)).toBeLessThan(1_000);
    expect(set.requests).toBe(2);
  });

  test.each([
    ['fails', { status: 500 }],
    ['redirects', { status: 302 }],
    ['has something else', { body: '<html>planted' }],
    ['has another JSON', { body: '{"keys":{}}' }],
    ['has more than a megabyte', { body: `{"keys":[],"x":"${'x'.repeat(1_100_000)}"}` }],
  ])('that %s: 503, not a judgement; told in the log, not asked again at once', async (_what, change) => {
    const signer = rsa('a');
    const { set, env: keys } = await startKeySet([signer]);
    Object.assign(set, change);
    const { backscroll, chatwoot } = await startHouse({ env: keys });
    for (let n = 0; n < 3; n++) {
      const answer = await ask(backscroll, await signWith(signer));
      expect([answer.status, answer.code, answer.headers['retry-after']]).toEqual([503, 'keys_unavailable', '5']);
    }
    expect(set.requests).toBe(1);
    expect(readsOf(chatwoot)).toEqual([]);
    expect(backscroll.logs.filter((line) => line.includes('the keys at JWKS_URL cannot be fetched'))).toHaveLength(1);
    expect(backscroll.logs.join('')).not.toContain('planted');
  });

  test('keys and secrets of clients work while the key set does not', async () => {
    const { set, env: keys } = await startKeySet([]);
    set.status = 500;
    const { backscroll } = await startHouse({ env: { ...keys, JWT_SECRET: SECRET, CLIENT_KEYS: `test=${KEY}` } });
    expect((await backscroll.get(messagesOf(2))).status).toBe(200);
    expect(await statusOf(backscroll, await sign())).toBe(200);
    expect(set.requests).toBe(0);
  });
});
