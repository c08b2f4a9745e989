// Bodies on their way, in both directions, before a Chatwoot that does with them whatever a test wants.

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  createServer,
  request as httpRequest,
  type ClientRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { listen } from '../../src/http/listen.ts';
import { pino } from 'pino';
import { KEY, messagesOf } from '../support/backscroll.ts';
import { CANARY, searchForCanary } from '../support/canary.ts';
import { OWN } from './house.ts';

const PAGE = '{"meta":{"labels":[],"contact":{"id":1}},"payload":[]}';
const MB = 1024 * 1024;
const UPLOAD = '/api/v1/accounts/1/conversations/1/messages';

type Act = (request: IncomingMessage, response: ServerResponse) => void;

interface House {
  readonly url: string;
  readonly port: number;
  readonly server: Server;
  /** Chatwoot's requests so far. */
  readonly arrived: readonly IncomingMessage[];
}

/** Messages are always answered; anything else as `act` does. */
async function start(act: Act, env: Readonly<Record<string, string>> = {}, prefix = ''): Promise<House> {
  const arrived: IncomingMessage[] = [];
  const chatwoot = createServer((request, response) => {
    if (request.method === 'GET' && request.url!.includes('/messages')) {
      response.writeHead(200, { 'content-type': 'application/json' }).end(PAGE);
      return;
    }
    arrived.push(request);
    act(request, response);
  });
  chatwoot.listen(0, '127.0.0.1');
  await once(chatwoot, 'listening');
  onTestFinished(async () => {
    chatwoot.close();
    chatwoot.closeAllConnections();
  });
  const config = loadConfig({
    CHATWOOT_URL: `http://127.0.0.1:${(chatwoot.address() as AddressInfo).port}${prefix}`,
    CHATWOOT_API_TOKEN: CANARY,
    CLIENT_KEYS: `test=${KEY}`,
    PASS_THROUGH: 'own-token',
    SHUTDOWN_TIMEOUT: '100ms',
    ...env,
  });
  const write = (line: string): void => searchForCanary('a log line', line);
  const app = await buildApp({ config, logger: pino({ level: 'trace' }, { write }), eventLoopDelayMaxMs: 0 });
  onTestFinished(() => app.close());
  const url = await listen(app.http, { host: '127.0.0.1', port: 0 });
  return { url, port: Number(new URL(url).port), server: app.http.server, arrived };
}

function send(url: string, method: string, headers: Readonly<Record<string, string | number>> = {}): ClientRequest {
  const request = httpRequest(url, { method, headers: { api_access_token: OWN, ...headers }, agent: false });
  request.on('error', () => {});
  return request;
}

async function answerOf(
  request: ClientRequest,
): Promise<{ readonly status: number; readonly body: Buffer; readonly code: unknown }> {
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const body = Buffer.concat((await response.toArray()) as Buffer[]);
  searchForCanary('an answer', body);
  const isOurs = response.headers['cache-control'] === 'no-store';
  return {
    status: response.statusCode!,
    body,
    code: isOurs ? (JSON.parse(body.toString()) as { code: unknown }).code : undefined,
  };
}

const echoDigest: Act = (request, response) => {
  const digest = createHash('sha256');
  request.on('data', (chunk: Buffer) => digest.update(chunk));
  request.on('end', () => response.end(digest.digest('hex')));
};

test.each(['announced', 'chunked', 'announced, and waited for 100 Continue'])(
  'an upload of 5 MB in parts arrives as it is, %s',
  async (how) => {
    const { url, arrived } = await start(echoDigest);
    const boundary = '----of-a-form';
    const body = Buffer.concat([
      Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="attachments[]"; filename="a.bin"\r\n\r\n`),
      randomBytes(5 * MB),
      Buffer.from(`\r\n--${boundary}--\r\n`),
    ]);
    const type = `multipart/form-data; boundary=${boundary}`;
    const request = send(url + UPLOAD, 'POST', {
      'content-type': type,
      ...(how === 'chunked' ? { 'transfer-encoding': 'chunked' } : { 'content-length': body.length }),
      ...(how.includes('100') ? { expect: '100-continue' } : {}),
    });
    if (how.includes('100')) await once(request, 'continue');
    request.end(body);
    const { status, body: digest } = await answerOf(request);
    expect([status, digest.toString()]).toEqual([200, createHash('sha256').update(body).digest('hex')]);
    expect(arrived[0]!.headers['content-type']).toBe(type);
    expect(arrived[0]!.headers['content-length']).toBe(how === 'chunked' ? undefined : String(body.length));
  },
);

test('of an upload no more is taken than Chatwoot takes', async () => {
  let taken: IncomingMessage | undefined;
  const { url, server } = await start((request, response) => {
    taken = request;
    request.pause();
    request.on('end', () => response.end('all'));
  });
  const sockets: Socket[] = [];
  server.on('connection', (socket: Socket) => sockets.push(socket));
  const size = 31 * MB;
  const request = send(url + UPLOAD, 'POST', { 'content-length': size });
  const answer = answerOf(request);
  const chunk = Buffer.alloc(MB);
  for (let n = 0; n < 31; n++) request.write(chunk);
  request.end();
  await expect.poll(() => taken !== undefined).toBe(true);
  // Beside it there are only the buffers of the system, on both ways.
  let before = -1;
  await expect.poll(() => before === (before = sockets[0]!.bytesRead) && before > 0, { interval: 200, timeout: 8000 }).toBe(true);
  expect(before).toBeLessThan(20 * MB);
  taken!.resume();
  const { status, body } = await answer;
  expect([status, body.toString(), sockets[0]!.bytesRead > size]).toEqual([200, 'all', true]);
});

test('of an answer no more is taken than its caller takes', async () => {
  let sent: Socket | undefined;
  const size = 31 * MB;
  const { url } = await start((request, response) => {
    sent = request.socket;
    response.writeHead(200, { 'content-length': size });
    for (let n = 0; n < 31; n++) response.write(Buffer.alloc(MB));
    response.end();
  });
  const request = send(`${url}/api/v1/profile`, 'GET');
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let left = -1;
  await expect.poll(() => left === (left = sent!.writableLength), { interval: 200, timeout: 8000 }).toBe(true);
  expect(left).toBeGreaterThan(11 * MB);
  let taken = 0;
  for await (const chunk of response) taken += (chunk as Buffer).length;
  expect(taken).toBe(size);
});

test('a body past its bound is refused: announced, before Chatwoot hears of it; else, as soon as it is', async () => {
  let aborted = 0;
  const { url, arrived } = await start((request) => {
    request.resume();
    request.on('close', () => aborted++);
  });
  const announced = send(url + UPLOAD, 'POST', { 'content-length': 40 * MB });
  announced.write('x');
  const early = await answerOf(announced);
  announced.destroy();
  expect([early.status, early.code, arrived.length]).toEqual([413, 'invalid_parameter', 0]);
  const chunked = send(url + UPLOAD, 'POST', { 'transfer-encoding': 'chunked' });
  const late = answerOf(chunked);
  const chunk = Buffer.alloc(MB);
  for (let n = 0; n < 40; n++) chunked.write(chunk);
  chunked.end();
  const { status, code } = await late;
  expect([status, code]).toEqual([413, 'invalid_parameter']);
  await expect.poll(() => aborted).toBe(1);
});

test('a caller that leaves ends its request at Chatwoot, waiting or half answered', async () => {
  let closed = 0;
  const { url, arrived } = await start((request, response) => {
    response.on('close', () => closed++);
    if (request.url!.includes('half')) response.write('half of it');
  });
  const waiting = send(`${url}/api/v1/profile`, 'GET');
  waiting.end();
  await expect.poll(() => arrived.length).toBe(1);
  waiting.destroy();
  await expect.poll(() => closed).toBe(1);
  const half = send(`${url}/api/v1/accounts/1/half`, 'GET');
  half.end();
  const [response] = (await once(half, 'response')) as [IncomingMessage];
  response.on('error', () => {});
  await once(response, 'data');
  half.destroy();
  await expect.poll(() => closed).toBe(2);
  const upload = send(url + UPLOAD, 'POST', { 'content-length': MB });
  upload.write('the beginning');
  await expect.poll(() => arrived.length).toBe(3);
  upload.destroy();
  await expect.poll(() => closed).toBe(3);
});

test('the body of a GET goes nowhere, and its connection takes the next request', async () => {
  const { port, arrived } = await start((request, response) => {
    request.on('data', () => response.destroy()).on('end', () => response.end('no body'));
  });
  const socket = connect(port, '127.0.0.1');
  let received = '';
  socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
  for (const length of ['Content-Length: 5\r\n\r\nhello', 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n']) {
    received = '';
    socket.write(`GET /api/v1/profile HTTP/1.1\r\nHost: x\r\napi_access_token: ${OWN}\r\n${length}`);
    // oxlint-disable-next-line no-await-in-loop -- on one connection
    await expect.poll(() => received).toMatch(/^HTTP\/1\.1 200 .*no body/s);
  }
  expect(arrived.map(({ headers }) => headers['content-length'] ?? headers['transfer-encoding'])).toEqual([undefined, undefined]);
  socket.destroy();
});

test('what is passed goes below the path of CHATWOOT_URL', async () => {
  const { url, arrived } = await start((_request, response) => response.end('ok'), {}, '/at/home');
  for (const target of ['/api', '/api/v1/profile?a=/b']) {
    const request = send(url + target, 'GET');
    request.end();
    // oxlint-disable-next-line no-await-in-loop
    expect((await answerOf(request)).status).toBe(200);
  }
  expect(arrived.map((request) => request.url)).toEqual(['/at/home/api', '/at/home/api/v1/profile?a=/b']);
  for (const { headers, socket } of arrived) expect(headers.host).toBe(`127.0.0.1:${socket.localPort}`);
});

test('a connection on which an upload was refused takes the next request', async () => {
  const { port } = await start((_request, response) => response.end('ok'), { UPSTREAM_RATE: '1/1h', UPSTREAM_TIMEOUT: '400ms' });
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  let received = '';
  socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
  const head = (method: string, more = ''): string =>
    `${method} /api/v1/profile HTTP/1.1\r\nHost: x\r\napi_access_token: ${OWN}\r\n${more}\r\n`;
  socket.write(head('GET'));
  await expect.poll(() => received).toMatch(/200 OK/);
  for (let n = 0; n < 3; n++) {
    received = '';
    socket.write(head('POST', `Content-Length: ${MB}\r\n`));
    socket.write(Buffer.alloc(MB));
    await expect.poll(() => received).toMatch(/429 .*"code":"upstream_busy"/s);
  }
  // Nothing is left that would end the process later on: a body that nobody takes.
  await new Promise((resolve) => setTimeout(resolve, 600));
  received = '';
  socket.write(head('GET'));
  await expect.poll(() => received).toMatch(/429/);
  socket.destroy();
});

test('a Chatwoot that stalls ends in 504: before its answer, and in the middle of an upload', async () => {
  const { url } = await start((request) => request.pause(), { UPSTREAM_TIMEOUT: '500ms' });
  const waiting = send(`${url}/api/v1/profile`, 'GET');
  waiting.end();
  expect(await answerOf(waiting)).toMatchObject({ status: 504, code: 'upstream_timeout' });
  const upload = send(url + UPLOAD, 'POST', { 'content-length': 31 * MB });
  const answer = answerOf(upload);
  const chunk = Buffer.alloc(MB);
  for (let n = 0; n < 31; n++) upload.write(chunk);
  expect(await answer).toMatchObject({ status: 504, code: 'upstream_timeout' });
  upload.destroy();
});

test('a caller that does not go on with its upload is not waited for', async () => {
  let closed = 0;
  const { url } = await start((request) => void request.on('close', () => closed++).resume(), { UPSTREAM_TIMEOUT: '500ms' });
  const upload = send(url + UPLOAD, 'POST', { 'content-length': MB });
  upload.write('the beginning');
  const startedAt = performance.now();
  const { status, code } = await answerOf(upload);
  expect([status, code, performance.now() - startedAt < 5000]).toEqual([408, 'invalid_parameter', true]);
  await expect.poll(() => closed).toBe(1);
  upload.destroy();
});

test('an answer that stalls is cut off, so that its caller sees that it is not whole', async () => {
  const { url } = await start((_request, response) => void response.writeHead(200, { 'content-length': 100 }).write('some'), {
    UPSTREAM_TIMEOUT: '500ms',
  });
  const request = send(`${url}/api/v1/profile`, 'GET');
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  await expect(response.toArray()).rejects.toThrow();
});

test('what is broken or not there is told as such, and is not sent twice', async () => {
  const { url, arrived } = await start((request) => void request.socket.destroy());
  for (const method of ['GET', 'POST']) {
    const request = send(`${url}/api/v1/profile`, method);
    request.end();
    expect(await answerOf(request)).toMatchObject({ status: 502, code: 'upstream_unreachable' });
  }
  expect(arrived).toHaveLength(2);
});

test('slow callers hold no connection of the cache, and one of them not all of the others', async () => {
  const part = Buffer.alloc(MB);
  const { url, arrived } = await start(
    (request, response) => {
      if (request.url!.includes('large')) for (let n = 0; n < 40; n++) response.write(part);
      else response.end('quick');
    },
    { UPSTREAM_CONNECTIONS: '8', UPSTREAM_TIMEOUT: '20s' },
  );
  const slow = (token: string): ClientRequest[] =>
    Array.from({ length: 10 }, () => {
      const request = send(`${url}/api/v1/accounts/1/large`, 'GET', { api_access_token: token });
      request.on('response', (response) => response.pause().on('error', () => {}));
      request.end();
      return request;
    });
  const ofOne = slow(OWN);
  await expect.poll(() => arrived.length, { timeout: 10_000 }).toBe(2); // A quarter.
  const reads = await Promise.all(
    Array.from({ length: 20 }, (_, n) => fetch(`${url}${messagesOf(n + 1)}`, { headers: { 'api-access-token': KEY } })),
  );
  expect(reads.map(({ status }) => status)).toEqual(reads.map(() => 200));
  const other = await fetch(`${url}/api/v1/profile`, { headers: { 'api-access-token': 'aTokenOfAnother' } });
  expect([other.status, await other.text(), arrived.length]).toEqual([200, 'quick', 3]);
  // Several have all of the connections that there are for what is passed, and none of the cache's.
  const ofMany = ['one', 'two', 'three', 'four'].flatMap((name) => slow(`slowTokenOf${name}`));
  await expect.poll(() => arrived.length, { timeout: 10_000 }).toBe(9);
  const more = await Promise.all(
    Array.from({ length: 20 }, (_, n) => fetch(`${url}${messagesOf(n + 30)}`, { headers: { 'api-access-token': KEY } })),
  );
  expect(more.map(({ status }) => status)).toEqual(more.map(() => 200));
  for (const request of [...ofOne, ...ofMany]) request.destroy();
});

test('who takes nothing of an answer is cut off', async () => {
  let closed = 0;
  const { port } = await start(
    (_request, response) => {
      response.on('close', () => closed++);
      for (let n = 0; n < 40; n++) response.write(Buffer.alloc(MB));
    },
    { UNREAD_TIMEOUT: '1s' },
  );
  const socket = connect(port, '127.0.0.1').pause();
  socket.on('error', () => {});
  socket.write(`GET /api/v1/profile HTTP/1.1\r\nHost: x\r\napi_access_token: ${OWN}\r\n\r\n`);
  await expect.poll(() => closed, { timeout: 10_000 }).toBe(1);
  socket.destroy();
});

test('status, headers and body are as Chatwoot sent them, whatever they are', async () => {
  const hidden = {
    'set-cookie': ['a=1', 'b=2'],
    'access-token': 's',
    client: 's',
    uid: 's',
    expiry: '1',
    'token-type': 'Bearer',
    authorization: 'Bearer s',
    Access_Token: 's',
    'x-named': 's',
    'keep-alive': 'timeout=9',
    'proxy-authenticate': 'Basic',
    upgrade: 'h2c',
    'access-control-allow-origin': '*',
    'set-cookie2': 'a=1',
    'proxy-connection': 'keep-alive',
    te: 'trailers',
  };
  const shown = {
    'content-type': 'text/csv',
    etag: 'W/"1"',
    'content-encoding': 'gzip',
    location: 'http://chatwoot.internal/x',
    link: ['<a>', '<b>'],
    'x-own': 'é',
    'retry-after': '7',
  };
  const statuses = [200, 201, 204, 301, 304, 400, 401, 403, 404, 422, 429, 500, 503];
  const { url, arrived } = await start((request, response) => {
    const status = Number(request.url!.split('/').at(-1));
    const id = request.headers['x-request-id']!;
    response.writeHead(status, { ...shown, ...hidden, connection: 'keep-alive, x-named', 'x-request-id': id });
    response.end(status === 204 || status === 304 ? undefined : `not gzip, ${status}`);
  });
  for (const status of statuses) {
    const request = send(`${url}/api/v1/accounts/1/status/${status}`, 'POST', { 'content-length': 0 });
    request.end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const body = Buffer.concat((await response.toArray()) as Buffer[]).toString();
    const bodiless = status === 204 || status === 304;
    expect([response.statusCode, body]).toEqual([status, bodiless ? '' : `not gzip, ${status}`]);
    const names = Object.keys(response.headers);
    expect(names.filter((name) => name in hidden && name !== 'keep-alive')).toEqual([]);
    expect(response.headers['keep-alive']).not.toBe(hidden['keep-alive']);
    // Each side has its own.
    expect(response.headers['x-request-id']).not.toBe(arrived.at(-1)!.headers['x-request-id']);
    expect(response.headers).toMatchObject({
      etag: 'W/"1"',
      location: shown.location,
      'x-own': 'é',
      'retry-after': '7',
      link: '<a>, <b>',
    });
    if (!bodiless) expect(response.headers).toMatchObject({ 'content-type': 'text/csv', 'content-encoding': 'gzip' });
  }
});

test('an answer to another question is shown to nobody', async () => {
  const { url } = await start((_request, response) => {
    response.writeHead(200, { 'x-request-id': 'backscroll-00000000-0000-4000-8000-000000000000' }).end('of somebody else');
  });
  const request = send(`${url}/api/v1/profile`, 'GET');
  request.end();
  const answer = await answerOf(request);
  expect([answer.status, answer.code]).toEqual([502, 'upstream_invalid']);
});

test('more requests than UPSTREAM_RATE allows are told so', async () => {
  const { url, arrived } = await start((_request, response) => response.end('ok'), { UPSTREAM_RATE: '3/1h' });
  const answers = [];
  for (let n = 0; n < 4; n++) {
    const request = send(`${url}/api/v1/profile`, 'GET');
    request.end();
    answers.push(await answerOf(request));
  }
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
  expect([answers[3]!.code, arrived.length]).toEqual(['upstream_busy', 3]);
  // It is one budget.
  expect((await fetch(`${url}${messagesOf(1)}`, { headers: { 'api-access-token': KEY } })).status).toBe(429);
});
