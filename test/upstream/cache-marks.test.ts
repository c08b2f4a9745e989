import { describe, expect, it } from 'vitest';
import { cacheMark } from '../../src/upstream/cache-marks.ts';
import type { UpstreamNotice } from '../../src/upstream/chatwoot.ts';
import { answer, CONVERSATION, house, JSON_TYPE, LATEST, PAGE } from './house.ts';

const markOf = (headers: Record<string, string>) => cacheMark((name) => headers[name]);

describe('marks of a cache on the way', () => {
  it.each<[Record<string, string>, ReturnType<typeof markOf>]>([
    [{}, null],
    [{ via: '1.1 varnish', 'x-cache': 'MISS', 'cf-cache-status': 'DYNAMIC', 'cache-status': 'edge; fwd=miss; stored' }, null],
    [{ age: '0' }, null],
    [{ age: 'soon' }, null],
    [{ age: '-5' }, null],
    [{ age: '1.5' }, null],
    [{ age: '7' }, { ageMs: 7000, header: 'age' }],
    [
      { age: '7, 9', 'x-cache': 'HIT' },
      { ageMs: 7000, header: 'age' },
    ],
    [{ age: '9'.repeat(30) }, { ageMs: 2 ** 31 * 1000, header: 'age' }],
    [{ 'x-cache': 'HIT' }, { ageMs: null, header: 'x-cache' }],
    [
      { 'x-cache': 'Hit from cloudfront', age: '0' },
      { ageMs: 0, header: 'x-cache' },
    ],
    [{ 'x-cache': 'TCP_MEM_HIT from proxy' }, { ageMs: null, header: 'x-cache' }],
    [{ 'x-cache-status': 'STALE' }, { ageMs: null, header: 'x-cache-status' }],
    [{ 'cf-cache-status': 'HIT' }, { ageMs: null, header: 'cf-cache-status' }],
    [{ 'x-cache': 'white-hitter' }, null],
    [{ 'cache-status': 'origin; fwd=stale, "edge one"; hit; ttl=5' }, { ageMs: null, header: 'cache-status' }],
    [{ 'cache-status': 'hit; fwd=miss' }, null],
  ])('%j', (headers, mark) => {
    expect(markOf(headers)).toEqual(mark);
  });

  const readWith = async (headers: Record<string, string>) => {
    const notices: UpstreamNotice[] = [];
    const made = await house(answer(200, PAGE, { ...JSON_TYPE, ...headers }), {
      now: () => 100_000,
      onNotice: (notice) => notices.push(notice),
    });
    return { read: await made.upstream.read(CONVERSATION, LATEST), notices };
  };

  it('move askedAt back by the age that they tell', async () => {
    const { read, notices } = await readWith({ age: '12', via: '1.1 varnish' });
    expect(read).toMatchObject({ kind: 'reading', reading: { askedAt: 88_000 } });
    expect(notices).toEqual([{ kind: 'cached', mark: { ageMs: 12_000, header: 'age' } }]);
  });

  it('without an age say too little for anything to be learnt', async () => {
    expect(await readWith({ 'cf-cache-status': 'HIT' })).toMatchObject({
      read: { kind: 'unlearnable', because: 'cached' },
      notices: [{ kind: 'cached' }],
    });
  });
});
