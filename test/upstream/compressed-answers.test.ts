// What comes from Chatwoot compressed, asked or not: decoded within the bounds, or refused, and never taken for what it is not.

import type { ServerResponse } from 'node:http';
import { brotliCompressSync, constants, createGzip, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { AnswerCut } from '../../src/upstream/map-broken-exchange.ts';
import { answer, CONVERSATION, errorJson, failure, house, JSON_TYPE, LATEST, PAGE, signalled } from './house.ts';

const GZIP = { ...JSON_TYPE, 'content-encoding': 'gzip' };
const ZIPPED = gzipSync(PAGE);

describe('a page in gzip', () => {
  it.each([
    ['gzip', GZIP, ZIPPED],
    ['GZIP in capitals', { ...JSON_TYPE, 'content-encoding': 'GZip' }, ZIPPED],
    ['x-gzip', { ...JSON_TYPE, 'content-encoding': 'x-gzip' }, ZIPPED],
    ['gzip beside what is none', { ...JSON_TYPE, 'content-encoding': 'identity, gzip,' }, ZIPPED],
    ['several members', GZIP, Buffer.concat([gzipSync(PAGE.slice(0, 30)), gzipSync(PAGE.slice(30))])],
    ['zeros behind its end', GZIP, Buffer.concat([ZIPPED, Buffer.alloc(500)])],
  ])('is read: %s', async (_name, headers, body) => {
    const plain = await house(answer(200, PAGE));
    const { upstream, events, requests } = await house(answer(200, body, headers));
    expect(await upstream.read(CONVERSATION, LATEST)).toEqual(await plain.upstream.read(CONVERSATION, LATEST));
    expect(requests[0]?.headers['accept-encoding']).toBe('gzip');
    expect(events.map(({ status, bytes }) => [status, bytes])).toEqual([[200, PAGE.length]]);
  });

  it('keeps its connection', async () => {
    const { upstream, connections } = await house(answer(200, ZIPPED, GZIP));
    for (let count = 0; count < 20; count++) await upstream.read(CONVERSATION, LATEST);
    expect(connections()).toBeLessThanOrEqual(2);
  });

  it('is read to its last byte where it comes byte by byte', async () => {
    const { upstream } = await house((_request, response) => {
      response.writeHead(200, GZIP);
      for (const byte of ZIPPED) response.write(Buffer.of(byte));
      response.end();
    });
    expect((await upstream.read(CONVERSATION, LATEST)).kind).toBe('reading');
  });

  it.each([
    ['without its end', ZIPPED.subarray(0, -9)],
    ['without its last byte', ZIPPED.subarray(0, -1)],
    ['without the end of a later member', Buffer.concat([ZIPPED, ZIPPED.subarray(0, 12)])],
  ])('%s broke off on its way', async (_name, body) => {
    const { upstream, events } = await house(answer(200, body, GZIP));
    const error = await failure(upstream.read(CONVERSATION, LATEST));
    expect(error).toBeInstanceOf(AnswerCut);
    expect(events.map(({ status }) => status)).toEqual(['unreachable']);
  });

  it.each([
    ['with a wrong checksum', Buffer.from(ZIPPED.map((byte, at) => (at === ZIPPED.length - 6 ? byte ^ 1 : byte)))],
    ['that is spoilt in its middle', Buffer.from(ZIPPED.map((byte, at) => (at === 20 ? byte ^ 255 : byte)))],
    ['with something else behind it', Buffer.concat([ZIPPED, Buffer.from('something else')])],
  ])('%s is none', async (_name, body) => {
    const { upstream } = await house(answer(200, body, GZIP));
    expect(await failure(upstream.read(CONVERSATION, LATEST))).toMatchObject({
      code: 'upstream_invalid',
      message: /not the gzip/,
    });
  });
});

describe('another coding', () => {
  it.each([
    ['br', brotliCompressSync(PAGE)],
    ['deflate', deflateSync(PAGE)],
    ['zstd', Buffer.from(PAGE)],
    ['gzip, gzip', gzipSync(ZIPPED)],
    [['gzip', 'br'], brotliCompressSync(ZIPPED)],
    ['x-unknown', Buffer.from(PAGE)],
  ])('%s cannot be used, and is not waited for', async (coding, body) => {
    const [close, closed] = signalled();
    const { upstream } = await house((_request, response) => {
      // The rest never comes.
      response.on('close', closed).setHeader('content-encoding', coding);
      response.writeHead(200, JSON_TYPE).write(body);
    });
    expect(await failure(upstream.read(CONVERSATION, LATEST))).toMatchObject({
      code: 'upstream_invalid',
      message: /another way than gzip/,
    });
    await close;
  });
});

describe('errors in gzip', () => {
  it.each([
    [404, errorJson('Resource could not be found'), 'not_found'],
    [401, errorJson('Invalid Access Token'), 'upstream_credentials'],
    [401, errorJson('You are not authorized to do this action'), 'upstream_forbidden'],
  ])('a %d says what it says', async (status, body, code) => {
    const { upstream } = await house(answer(status, gzipSync(body), GZIP));
    expect(await failure(upstream.read(CONVERSATION, LATEST))).toMatchObject({ code });
  });

  it.each([
    ['not to be decoded', Buffer.from(errorJson('Resource could not be found')), 'gzip'],
    ['in another coding', brotliCompressSync(errorJson('Resource could not be found')), 'br'],
    ['larger than 64 kB', gzipSync(errorJson('Resource could not be found') + ' '.repeat(64 * 1024)), 'gzip'],
  ])('a 404 that is %s is none of Chatwoot’s', async (_name, body, coding) => {
    const { upstream, events } = await house(answer(404, body, { ...JSON_TYPE, 'content-encoding': coding }));
    expect(await failure(upstream.read(CONVERSATION, LATEST))).toMatchObject({ code: 'upstream_error' });
    expect(events.map(({ status }) => status)).toEqual([404]);
  });

  it('a 304 tells a coding and has no body', async () => {
    const { upstream } = await house(answer(304, '', GZIP));
    expect(await failure(upstream.read(CONVERSATION, LATEST))).toMatchObject({ code: 'upstream_redirect' });
  });
});

describe('bounds of what is compressed', () => {
  /** Endless, were it not stopped. */
  const pump = (response: ServerResponse, chunk: Buffer): void => {
    const more = (): void => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on('drain', more);
    more();
  };

  it('takes a page of exactly bodyMaxBytes once decoded, and no byte more', async () => {
    const exact = await house(answer(200, ZIPPED, GZIP), { bodyMaxBytes: PAGE.length });
    expect((await exact.upstream.read(CONVERSATION, LATEST)).kind).toBe('reading');
    const { upstream } = await house(answer(200, ZIPPED, GZIP), { bodyMaxBytes: PAGE.length - 1 });
    expect(await failure(upstream.read(CONVERSATION, LATEST))).toMatchObject({ code: 'upstream_invalid', message: /larger/ });
  });

  it('stops a few bytes that stand for very many, though more is to come', async () => {
    const [close, closed] = signalled();
    const bomb = gzipSync(Buffer.alloc(8_000_000, ' '));
    expect(bomb.length).toBeLessThan(10_000);
    const { upstream, events } = await house(
      (_request, response) => {
        response.on('close', closed).writeHead(200, GZIP).write(bomb);
      },
      { timeoutMs: 60_000 },
    );
    expect(await failure(upstream.read(CONVERSATION, LATEST))).toMatchObject({ code: 'upstream_invalid', message: /larger/ });
    await close;
    expect(events.map(({ status, bytes }) => [status, bytes])).toEqual([['invalid', 0]]);
  });

  it('stops what decodes to nothing without end', async () => {
    const [close, closed] = signalled();
    const nothing = gzipSync('');
    const { upstream } = await house((_request, response) => {
      response.on('close', closed).writeHead(200, GZIP);
      pump(response, Buffer.concat(Array.from({ length: 500 }, () => nothing)));
    });
    expect(await failure(upstream.read(CONVERSATION, LATEST))).toMatchObject({ code: 'upstream_invalid', message: /larger/ });
    await close;
  });

  it('closes the connection on which more comes behind the end', async () => {
    const [close, closed] = signalled();
    const withMore = Buffer.concat([ZIPPED, Buffer.alloc(100)]);
    const { upstream } = await house(
      (_request, response) => {
        response.on('close', closed).writeHead(200, GZIP).write(withMore);
      },
      { timeoutMs: 60_000 },
    );
    expect((await upstream.read(CONVERSATION, LATEST)).kind).toBe('reading');
    await close;
  });

  it.each(['deadline', 'caller'])('the %s ends it while more is to come', async (who) => {
    const controller = new AbortController();
    const reason = new Error('the caller left');
    const [close, closed] = signalled();
    const { upstream } = await house(
      (_request, response) => {
        const gzip = createGzip();
        response.on('close', closed).writeHead(200, GZIP);
        gzip.on('data', (chunk: Buffer) => {
          response.write(chunk, () => {
            if (who === 'caller') controller.abort(reason);
          });
        });
        gzip.write(PAGE);
        gzip.flush(constants.Z_SYNC_FLUSH);
      },
      { timeoutMs: who === 'deadline' ? 100 : 20_000 },
    );
    const read = upstream.read(CONVERSATION, LATEST, controller.signal);
    if (who === 'caller') await expect(read).rejects.toBe(reason);
    else expect(await failure(read)).toMatchObject({ code: 'upstream_timeout' });
    await close;
  });
});
