import { describe, expect, it } from 'vitest';
import { protectUpstream } from '../../src/upstream/protected-upstream.ts';
import { answer, CONVERSATION, failure, house, JSON_TYPE, LATEST, PAGE, signalled } from './house.ts';

describe('bounds', () => {
  it('takes a body of exactly bodyMaxBytes, announced or not', async () => {
    const { upstream } = await house(answer(200, PAGE), { bodyMaxBytes: PAGE.length });
    expect((await upstream.read(CONVERSATION, LATEST)).kind).toBe('reading');
    const chunked = await house(
      (_request, response) => {
        response.writeHead(200, JSON_TYPE).write(PAGE.slice(0, 50));
        response.end(PAGE.slice(50));
      },
      { bodyMaxBytes: PAGE.length },
    );
    expect((await chunked.upstream.read(CONVERSATION, LATEST)).kind).toBe('reading');
  });

  it('refuses an announced body that is too large without waiting for it', async () => {
    const { upstream } = await house(
      (_request, response) => {
        // The rest never comes.
        response.writeHead(200, { ...JSON_TYPE, 'content-length': '100001' }).write('{');
      },
      { timeoutMs: 20_000 },
    );
    expect(await failure(upstream.read(CONVERSATION, LATEST))).toMatchObject({ code: 'upstream_invalid', message: /larger/ });
  });

  it('stops at the limit of a body without a length', async () => {
    const [stop, stopped] = signalled();
    const { upstream, events } = await house(
      (_request, response) => {
        response.writeHead(200, JSON_TYPE);
        const more = (): void => {
          // Endless, were it not stopped.
          while (!response.destroyed && response.write(' '.repeat(10_000)));
        };
        response.on('drain', more).on('close', stopped);
        more();
      },
      { timeoutMs: 20_000 },
    );
    expect(await failure(upstream.read(CONVERSATION, LATEST))).toMatchObject({ code: 'upstream_invalid' });
    await stop;
    expect(events.map(({ status, bytes }) => ({ status, bytes }))).toEqual([{ status: 'invalid', bytes: 0 }]);
  });

  it('passes the deadline where no answer comes', async () => {
    const { upstream, events } = await house(() => {}, { timeoutMs: 60 });
    expect(await failure(upstream.read(CONVERSATION, LATEST))).toMatchObject({ code: 'upstream_timeout', status: 504 });
    expect(events.map(({ status }) => status)).toEqual(['timeout']);
  });

  it.each([200, 500])('passes the deadline where a %d drips', async (status) => {
    const { upstream } = await house(
      (_request, response) => {
        response.writeHead(status, JSON_TYPE);
        const drip = setInterval(() => response.write(' '), 10);
        response.on('close', () => clearInterval(drip));
      },
      { timeoutMs: 100 },
    );
    expect(await failure(upstream.read(CONVERSATION, LATEST))).toMatchObject({ code: 'upstream_timeout' });
  });

  it('passes the deadline also where a caller could leave and does not', async () => {
    const { upstream } = await house(
      (_request, response) => {
        response.writeHead(200, JSON_TYPE);
        const drip = setInterval(() => response.write(' '), 10);
        response.on('close', () => clearInterval(drip));
      },
      { timeoutMs: 100 },
    );
    const { signal } = new AbortController();
    expect(await failure(upstream.read(CONVERSATION, LATEST, signal))).toMatchObject({ code: 'upstream_timeout' });
    expect(await upstream.check(signal)).toMatch(/did not answer in time/);
    const guard = protectUpstream(upstream, {
      rate: { max: 9, windowMs: 1000 },
      connections: 1,
      timeoutMs: 50,
      now: () => performance.now(),
    });
    expect(await failure(guard.read(CONVERSATION, LATEST, signal))).toMatchObject({ code: 'upstream_timeout' });
  });

  it('counts waiting for a connection against the deadline', async () => {
    const { upstream, requests } = await house(() => {}, { timeoutMs: 60, connections: 1 });
    const both = [upstream.read(CONVERSATION, LATEST), upstream.read(CONVERSATION, LATEST)];
    for (const read of both) expect(await failure(read)).toMatchObject({ code: 'upstream_timeout' });
    expect(requests.length).toBeLessThanOrEqual(2);
  });

  it('reads again after a deadline', async () => {
    let count = 0;
    const { upstream } = await house(
      (request, response) => {
        if (count++ > 0) answer(200, PAGE)(request, response);
      },
      { timeoutMs: 200, connections: 1 },
    );
    await failure(upstream.read(CONVERSATION, LATEST));
    expect((await upstream.read(CONVERSATION, LATEST)).kind).toBe('reading');
  });
});

describe("a caller's abort", () => {
  const reason = new Error('the caller left');

  it('sends nothing when it came before', async () => {
    const { upstream, requests } = await house(answer(200, PAGE));
    await expect(upstream.read(CONVERSATION, LATEST, AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(requests).toHaveLength(0);
  });

  it.each(['head', 'body'])('ends the read while it waits for the %s, with its own reason', async (part) => {
    const controller = new AbortController();
    const [close, closed] = signalled();
    const { upstream, events } = await house((_request, response) => {
      response.on('close', closed);
      if (part === 'head') controller.abort(reason);
      else response.writeHead(200, JSON_TYPE).write('{', () => controller.abort(reason));
    });
    await expect(upstream.read(CONVERSATION, LATEST, controller.signal)).rejects.toBe(reason);
    await close;
    expect(events.map(({ status }) => status)).toEqual(['aborted']);
  });
});
