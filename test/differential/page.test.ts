import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { flawOf, plainOf, readPage } from './page.ts';

const BODY = '{"meta":{"labels":["],"]},"payload":[{"id":1,"content":"},{\\"id\\":2"},{"id":2,"content":null}]}';
const ETAG = `"${createHash('sha256').update(BODY).digest('base64url')}"`;

test('a page is cut into its parts', () => {
  expect(readPage(BODY)).toEqual({
    meta: '{"labels":["],"]}',
    rows: ['{"id":1,"content":"},{\\"id\\":2"}', '{"id":2,"content":null}'],
  });
  expect(readPage('{"meta":{},"payload":[]}')).toEqual({ meta: '{}', rows: [] });
});

test.each(['', '{"error":"no"}', '{"meta":{},"payload":[', BODY.slice(1)])('what is no page is none: %s', (text) => {
  expect(readPage(text)).toBeNull();
});

const got = { status: 200, method: 'GET', body: Buffer.from(BODY), etag: ETAG, ifNoneMatch: undefined };
const nothing = Buffer.alloc(0);

test.each([
  ['a page', got],
  ['a HEAD', { ...got, method: 'HEAD', body: nothing }],
  ['a 304', { ...got, status: 304, body: nothing, ifNoneMatch: ETAG }],
  ['a page in place of another', { ...got, ifNoneMatch: '"other"' }],
  ['an error', { ...got, status: 502, body: Buffer.from('{}'), etag: undefined }],
])('%s is well', (_name, received) => {
  expect(flawOf(received)).toBeUndefined();
});

test.each([
  ['no page', { ...got, body: Buffer.from('{}') }],
  ['another ETag', { ...got, etag: '"other"' }],
  ['no ETag', { ...got, etag: undefined }],
  ['a HEAD with a body', { ...got, method: 'HEAD' }],
  ['a 304 with a body', { ...got, status: 304, ifNoneMatch: ETAG }],
  ['a 304 for another page', { ...got, status: 304, body: nothing, ifNoneMatch: '"other"' }],
  ['a page that the caller has', { ...got, ifNoneMatch: ETAG }],
])('%s is a flaw', (_name, received) => {
  expect(flawOf(received)).toBeDefined();
});

test('a page in a coding has the ETag of that coding', () => {
  const coded = { body: gzipSync(BODY), coding: 'gzip' };
  const told = (etag: string) => flawOf({ ...got, ...plainOf({ ...coded, etag }) });
  expect(told(ETAG.replace(/"$/, '-gzip"'))).toBeUndefined();
  expect([told(ETAG), told(ETAG.replace(/"$/, '-br"'))]).toEqual(Array(2).fill('an ETag that is not of the body'));
  expect(flawOf({ ...got, ...plainOf({ ...got, coding: undefined, etag: `${ETAG.slice(0, -1)}-gzip"` }) })).toBeDefined();
});
