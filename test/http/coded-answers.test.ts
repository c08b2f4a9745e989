// Pages in gzip and brotli, as callers meet them.

import { execFile } from 'node:child_process';
import { get } from 'node:http';
import { promisify } from 'node:util';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { fetch } from 'undici';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { ReadThrough } from '../../src/cache/read-through.ts';
import { KEY, knownPage, messagesOf, startHouse, type Backscroll, type Received } from '../support/backscroll.ts';

const plainOf = ({ body, headers }: Received): string => {
  const coding = headers['content-encoding'];
  return (coding === 'gzip' ? gunzipSync(body) : coding === 'br' ? brotliDecompressSync(body) : body).toString();
};

/** Asks for a page in a coding until it comes in it. */
async function coded(backscroll: Backscroll, page: string, coding: string): Promise<Received> {
  return vi.waitFor(async () => {
    const answer = await backscroll.get(page, { 'accept-encoding': coding });
    expect(answer.headers['content-encoding']).toBe(coding);
    return answer;
  }, 10_000);
}

async function startWithPage(env: Readonly<Record<string, string>> = {}) {
  const house = await startHouse({ env });
  const page = await knownPage(house.backscroll);
  const plain = await house.backscroll.get(page);
  return { ...house, page, plain };
}

test.each(['gzip', 'br'])('a page that is asked for in %s again comes in it, with its own ETag', async (coding) => {
  const { backscroll, page, plain } = await startWithPage();
  const first = await backscroll.get(page, { 'accept-encoding': coding });
  expect(first.headers['content-encoding']).toBeUndefined();
  expect(first.body).toEqual(plain.body);
  const answer = await coded(backscroll, page, coding);
  expect(plainOf(answer)).toBe(plain.body.toString());
  expect(answer.body.length).toBeLessThan(plain.body.length / 4);
  expect(answer.headers).toMatchObject({
    etag: plain.headers['etag']!.replace(/"$/, `-${coding}"`),
    vary: 'accept-encoding',
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(answer.body.length),
    'cache-status': expect.stringMatching(/^backscroll; hit/),
  });
  // Others get what they asked for.
  const again = await backscroll.get(page);
  expect([again.headers['content-encoding'], again.headers['etag']]).toEqual([undefined, plain.headers['etag']]);
  expect(again.body).toEqual(plain.body);
  expect((await backscroll.get(page, { 'accept-encoding': 'deflate, identity;q=0' })).body).toEqual(plain.body);
  const metrics = await backscroll.metrics();
  expect(metrics).toContain(`backscroll_codings_total{coding="${coding}",event="made"} 1`);
  expect(metrics).toContain(`backscroll_codings_total{coding="${coding}",event="sent"} 1`);
  expect(metrics).toContain(`backscroll_coded_bytes{coding="${coding}"} ${answer.body.length}`);
});

test('it comes the short way too', async () => {
  const { backscroll, page, plain } = await startWithPage();
  const short = vi.spyOn(ReadThrough.prototype, 'knownHit');
  onTestFinished(() => short.mockRestore());
  await coded(backscroll, page, 'gzip');
  await vi.waitFor(async () => {
    const before = short.mock.results.length;
    const answer = await backscroll.get(page, { 'accept-encoding': 'gzip' });
    expect(short.mock.results.slice(before)).toMatchObject([{ value: { outcome: 'hit' } }]);
    expect([answer.headers['content-encoding'], plainOf(answer)]).toEqual(['gzip', plain.body.toString()]);
  }, 10_000);
});

test.each(['gzip', 'br'])('HEAD tells of %s what GET does', async (coding) => {
  const { backscroll, page } = await startWithPage();
  const told = await coded(backscroll, page, coding);
  const headers: [string, string][] = [
    ['api_access_token', KEY],
    ['accept-encoding', coding],
  ];
  const head = await backscroll.send({ method: 'HEAD', target: page, headers });
  const names = ['content-length', 'content-encoding', 'etag', 'vary', 'content-type'];
  expect(names.map((name) => head.headers[name])).toEqual(names.map((name) => told.headers[name]));
  expect(head.body).toHaveLength(0);
  const plainHead = await backscroll.send({ method: 'HEAD', target: page, headers: headers.slice(0, 1) });
  expect(plainHead.headers['content-encoding']).toBeUndefined();
});

describe('If-None-Match', () => {
  const conditional = async (backscroll: Backscroll, page: string, tag: string, accept: string | null) => {
    const { status, headers, body } = await backscroll.get(page, {
      'if-none-match': tag,
      ...(accept === null ? {} : { 'accept-encoding': accept }),
    });
    if (status === 304)
      expect([body.length, headers['content-encoding'], headers['vary']]).toEqual([0, undefined, 'accept-encoding']);
    return [status, headers['etag']];
  };

  test('is met by the page in any writing that the caller can read, and answered with the tag that it holds', async () => {
    const { backscroll, page, plain } = await startWithPage();
    const etag = plain.headers['etag']!;
    const [gzip, br] = [etag.replace(/"$/, '-gzip"'), etag.replace(/"$/, '-br"')];
    const met = async (): Promise<void> => {
      // Also where it is not kept in that coding (any more), or somebody on the way has compressed: Apache writes -gzip.
      expect(await conditional(backscroll, page, gzip, 'gzip')).toEqual([304, gzip]);
      expect(await conditional(backscroll, page, br, 'gzip, br')).toEqual([304, br]);
      expect(await conditional(backscroll, page, gzip, 'gzip, br')).toEqual([304, gzip]);
      // nginx makes a strong tag weak.
      expect(await conditional(backscroll, page, `W/${gzip}`, 'gzip')).toEqual([304, gzip]);
      expect(await conditional(backscroll, page, `W/${etag}`, 'gzip')).toEqual([304, etag]);
      expect(await conditional(backscroll, page, etag, 'gzip')).toEqual([304, etag]);
      expect(await conditional(backscroll, page, `"another", ${br} , "third"`, 'br')).toEqual([304, br]);
      // Where Accept-Encoding was taken out on the way.
      expect(await conditional(backscroll, page, gzip, null)).toEqual([304, gzip]);
      // A cache that holds it for others must not use it for this one.
      expect(await conditional(backscroll, page, gzip, 'br')).toEqual([200, expect.anything()]);
      expect(await conditional(backscroll, page, gzip, 'identity')).toEqual([200, etag]);
      expect(await conditional(backscroll, page, br, 'gzip;q=1, br;q=0')).toEqual([200, expect.anything()]);
      expect(await conditional(backscroll, page, etag.replace(/"$/, '-zstd"'), 'zstd')).toEqual([200, etag]);
      expect(await conditional(backscroll, page, gzip.slice(1, -1), 'gzip')).toEqual([200, expect.anything()]);
    };
    await met();
    expect(await conditional(backscroll, page, '*', 'identity')).toEqual([304, etag]);
    await coded(backscroll, page, 'gzip');
    await coded(backscroll, page, 'br');
    await met();
    expect(await conditional(backscroll, page, '*', 'gzip')).toEqual([304, gzip]);
    expect(await conditional(backscroll, page, `${etag}, ${gzip}`, 'gzip')).toEqual([304, gzip]);
    expect(await conditional(backscroll, page, '*', 'identity')).toEqual([304, etag]);
  });

  test('is not met by a page that has changed', async () => {
    const { backscroll, chatwoot, clock } = await startHouse();
    const page = messagesOf(2, '?after=0');
    const old = (await backscroll.get(page)).headers['etag']!;
    chatwoot.table.edit(chatwoot.table.rows(1, 2)[0]!.id, { content: 'edited' });
    clock.advance(10_000_000);
    expect(await conditional(backscroll, page, old.replace(/"$/, '-gzip"'), 'gzip')).toEqual([
      200,
      expect.not.stringContaining(old),
    ]);
  });
});

test('after a purge, nothing of what was erased comes in any coding', async () => {
  const { backscroll, chatwoot, page } = await startWithPage();
  for (const coding of ['gzip', 'br']) expect(plainOf(await coded(backscroll, page, coding))).not.toContain('EDITED');
  const before = Number(new URLSearchParams(page.split('?')[1]).get('before'));
  const { id } = chatwoot.table.rows(1, 1).findLast((row) => row.id < before)!;
  chatwoot.table.edit(id, { content: 'EDITED' });
  backscroll.app.readThrough.purge({ accountId: 1, conversationId: 1 });
  expect(await backscroll.metrics()).toMatch(/^backscroll_coded_bytes\{coding="gzip"\} 0$/m);
  for (const coding of ['gzip', 'br']) {
    for (let n = 0; n < 5; n++) {
      expect(plainOf(await backscroll.get(page, { 'accept-encoding': coding }))).toContain('EDITED');
    }
  }
});

test('each view is coded for itself', async () => {
  const customer = { name: 'customer', key: 'key-of-the-customer', view: 'customer' } as const;
  const { backscroll } = await startHouse({ clients: [{ name: 'test', key: KEY }, customer] });
  const page = await knownPage(backscroll);
  const asCustomer = async () =>
    backscroll.send({
      target: page,
      headers: [
        ['api_access_token', customer.key],
        ['accept-encoding', 'gzip'],
      ],
    });
  const plain = (await backscroll.send({ target: page, headers: [['api_access_token', customer.key]] })).body.toString();
  await coded(backscroll, page, 'gzip');
  const told = await vi.waitFor(async () => {
    const answer = await asCustomer();
    expect(answer.headers['content-encoding']).toBe('gzip');
    return answer;
  }, 10_000);
  expect(plainOf(told)).toBe(plain);
  expect(plainOf(await coded(backscroll, page, 'gzip'))).not.toBe(plain);
});

test('a short page is plain, however often it is asked for', async () => {
  const { backscroll } = await startHouse();
  const page = messagesOf(1, '?before=1');
  for (let n = 0; n < 5; n++) {
    const { status, body, headers } = await backscroll.get(page, { 'accept-encoding': 'gzip, br' });
    expect([status, headers['content-encoding'], body.length < 1024]).toEqual([200, undefined, true]);
  }
});

describe('clients that decode by themselves get the page', () => {
  test('fetch', async () => {
    const { backscroll, page, plain } = await startWithPage();
    const asked = async () => fetch(backscroll.url + page, { headers: { api_access_token: KEY } });
    const codings: (string | null)[] = [];
    for (let n = 0; n < 6; n++) {
      const answer = await asked();
      codings.push(answer.headers.get('content-encoding'));
      expect(await answer.text()).toBe(plain.body.toString());
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect([codings[0], codings.at(-1)]).toEqual([null, 'gzip']); // It asks for br by https only.
  });

  test('node:http, which does not, where it asks', async () => {
    const { backscroll, page, plain } = await startWithPage();
    await coded(backscroll, page, 'gzip');
    const chunks: Buffer[] = [];
    const coding = await new Promise((resolve, reject) => {
      const headers = { api_access_token: KEY, 'accept-encoding': 'gzip' };
      get(backscroll.url + page, { headers }, (response) => {
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve(response.headers['content-encoding']));
      }).on('error', reject);
    });
    expect([coding, gunzipSync(Buffer.concat(chunks)).toString()]).toEqual(['gzip', plain.body.toString()]);
  });

  test('curl', async (context) => {
    const run = promisify(execFile);
    const hasCurl = await run('curl', ['--version']).then(
      () => true,
      () => false,
    );
    if (!hasCurl) return context.skip();
    const { backscroll, page, plain } = await startWithPage();
    await coded(backscroll, page, 'gzip');
    const args = ['-s', '--compressed', '-H', `api_access_token: ${KEY}`, '-w', '%{size_download}', backscroll.url + page];
    const { stdout } = await run('curl', args, { maxBuffer: 10_000_000 });
    const text = plain.body.toString();
    expect(stdout.slice(0, text.length)).toBe(text);
  });
});
