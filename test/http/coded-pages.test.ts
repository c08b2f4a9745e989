// When a page is made in a coding, how many at once, and that none is kept longer than what it was made of.

import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CODING_EVENTS, CodedPages } from '../../src/http/coded-pages.ts';
import { CODINGS, type Coding } from '../../src/http/codings.ts';
import { Renderer, type Rendered, type Subject } from '../../src/http/render.ts';

const ENVELOPE = { head: '{"meta":{},"payload":[', tail: ']}' };
const pageOf = (raw: string) => ({ rows: [{ id: 1, createdAt: 1, internal: false, raw }], envelope: ENVELOPE });

interface Asked {
  readonly body: Buffer;
  readonly coding: Coding;
  readonly finish: (made: Buffer) => void;
  readonly fail: () => void;
}

/** A house in which nothing is made before the test says so. */
function gatedHouse(bytesMax = 1_000_000) {
  const renderer = new Renderer(bytesMax);
  const asked: Asked[] = [];
  const compress = (body: Buffer, coding: Coding): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      asked.push({ body, coding, finish: resolve, fail: () => reject(new Error('no memory')) });
    });
  const codedPages = new CodedPages({ renderer, compress });
  return { renderer, asked, codedPages, ...rendering(renderer) };
}

function house(bytesMax = 1_000_000) {
  const renderer = new Renderer(bytesMax);
  return { renderer, codedPages: new CodedPages({ renderer }), ...rendering(renderer) };
}

function rendering(renderer: Renderer) {
  const subject = (conversationId: number): Subject => ({
    conversation: { accountId: 1, conversationId },
    query: 'latest',
    view: 'agent',
    forgets: renderer.forgets,
  });
  return { render: (conversationId: number, text: string): Rendered => renderer.render(subject(conversationId), pageOf(text)) };
}

/** What became of pages, without what did not happen. */
function counts(codedPages: CodedPages, coding: Coding): object {
  return Object.fromEntries(
    CODING_EVENTS.map((event) => [event, codedPages.count(coding, event)]).filter(([, count]) => count !== 0),
  );
}

const TEXT = 'words and words '.repeat(200);

test('a page is plain until it was asked for in a coding again and that has been made', async () => {
  const { render, codedPages, renderer } = house();
  const page = render(1, TEXT);
  const plain = renderer.bytes;
  expect(codedPages.shown(page, 'gzip') === page).toBe(true);
  await codedPages.idle();
  expect(codedPages.shown(page, 'br') === page).toBe(true); // The first time in this one.
  await codedPages.idle();
  expect(renderer.bytes).toBe(plain);
  expect(codedPages.shown(page, 'gzip') === page).toBe(true); // It is not waited for.
  await codedPages.idle();
  const coded = codedPages.shown(page, 'gzip');
  expect(coded).toMatchObject({ coding: 'gzip', etag: page.etag.replace(/"$/, '-gzip"') });
  expect(gunzipSync(coded.body)).toEqual(page.body);
  expect(codedPages.shown(page, 'gzip').body === coded.body).toBe(true); // Unread bytes are told apart by their Buffer.
  expect(codedPages.shown(page, null) === page).toBe(true);
  // It holds no more memory than is counted.
  expect(coded.body.buffer.byteLength).toBe(coded.body.length);
  expect(renderer.bytes).toBe(plain + coded.body.length);
  codedPages.shown(page, 'br');
  await codedPages.idle();
  const brotli = codedPages.shown(page, 'br');
  expect(brotliDecompressSync(brotli.body)).toEqual(page.body);
  expect(renderer.bytes).toBe(plain + coded.body.length + brotli.body.length);
  expect([renderer.codedBytes('gzip'), renderer.codedBytes('br')]).toEqual([coded.body.length, brotli.body.length]);
  expect([codedPages.sent('gzip'), codedPages.sent('br')]).toEqual([2, 1]);
  expect([counts(codedPages, 'gzip'), counts(codedPages, 'br')]).toEqual([{ made: 1 }, { made: 1 }]);
  renderer.forget({});
  expect([renderer.bytes, renderer.codedBytes('gzip'), renderer.codedBytes('br')]).toEqual([0, 0, 0]);
});

test('a large page is made when it is first asked for', async () => {
  const { render, codedPages } = house();
  const page = render(1, 'x'.repeat(256 * 1024));
  expect(codedPages.shown(page, 'br') === page).toBe(true);
  await codedPages.idle();
  expect(codedPages.shown(page, 'br').coding).toBe('br');
});

test('a page below 1 kB is not made', () => {
  const { render, codedPages, asked } = gatedHouse();
  const overhead = ENVELOPE.head.length + ENVELOPE.tail.length;
  const small = render(1, 'x'.repeat(1023 - overhead));
  for (let n = 0; n < 5; n++) expect(codedPages.shown(small, 'gzip') === small).toBe(true);
  expect(asked).toHaveLength(0);
  const large = render(2, 'x'.repeat(1024 - overhead));
  for (let n = 0; n < 2; n++) codedPages.shown(large, 'gzip');
  expect(asked).toHaveLength(1);
});

test('what is hardly smaller, or cannot be made, is not tried again', async () => {
  const { render, codedPages, asked, renderer } = gatedHouse();
  const [hard, broken] = [render(1, TEXT), render(2, TEXT)];
  for (let n = 0; n < 3; n++) for (const page of [hard, broken]) codedPages.shown(page, 'gzip');
  asked[0]!.finish(Buffer.alloc(Math.ceil(hard.body.length * 0.95)));
  asked[1]!.fail();
  await codedPages.idle();
  for (let n = 0; n < 3; n++) for (const page of [hard, broken]) expect(codedPages.shown(page, 'gzip') === page).toBe(true);
  expect(asked).toHaveLength(2);
  expect([counts(codedPages, 'gzip'), renderer.codedBytes('gzip')]).toEqual([{ useless: 1, failed: 1 }, 0]);
});

test('two are made at once, sixteen wait, and the rest is asked for again', async () => {
  const { render, codedPages, asked } = gatedHouse();
  const pages = Array.from({ length: 30 }, (_, n) => render(n + 1, `${n} ${TEXT}`));
  for (let n = 0; n < 2; n++) for (const page of pages) codedPages.shown(page, 'gzip');
  expect(asked).toHaveLength(2);
  expect(counts(codedPages, 'gzip')).toEqual({ full: 12 });
  for (let n = 0; n < 18; n++) {
    expect(asked.length).toBeLessThanOrEqual(n + 2);
    asked[n]!.finish(Buffer.alloc(10));
    // oxlint-disable-next-line no-await-in-loop -- the next begins when this has ended
    await new Promise((resolve) => setImmediate(resolve));
  }
  await codedPages.idle();
  expect(counts(codedPages, 'gzip')).toEqual({ full: 12, made: 18 });
  expect(codedPages.shown(pages[17]!, 'gzip').coding).toBe('gzip');
  expect(codedPages.shown(pages[18]!, 'gzip').coding).toBeNull();
  expect(asked.at(-1)!.body === pages[18]!.body).toBe(true);
});

test('no more than 16 MB wait, and one page more', () => {
  const { render, codedPages, asked } = gatedHouse(200_000_000);
  const pages = Array.from({ length: 8 }, (_, n) => render(n + 1, `${n}${'x'.repeat(9_000_000)}`));
  for (const page of pages) codedPages.shown(page, 'gzip');
  expect(asked).toHaveLength(2);
  expect(counts(codedPages, 'gzip')).toEqual({ full: 4 });
});

test('a page that is forgotten while it is made in a coding is not kept in it, nor is its successor', async () => {
  const { render, codedPages, asked, renderer } = gatedHouse();
  const erased = render(1, TEXT);
  const plain = renderer.bytes;
  for (let n = 0; n < 2; n++) codedPages.shown(erased, 'gzip');
  renderer.forget({ accountId: 1, conversationId: 1 });
  const successor = render(1, TEXT.replace('words', 'WORDS'));
  asked[0]!.finish(Buffer.from('erased words'));
  await codedPages.idle();
  expect(renderer.bytes).toBe(plain);
  expect(codedPages.shown(successor, 'gzip') === successor).toBe(true);
  expect(codedPages.shown(erased, 'gzip') === erased).toBe(true);
  expect(counts(codedPages, 'gzip')).toEqual({ late: 1 });
});

test('a page that is forgotten while it waits is not made', async () => {
  const { render, codedPages, asked, renderer } = gatedHouse();
  const pages = [1, 2, 3].map((id) => render(id, `${id} ${TEXT}`));
  for (let n = 0; n < 2; n++) for (const page of pages) codedPages.shown(page, 'gzip');
  renderer.forget({ accountId: 1, conversationId: 3 });
  for (const { finish } of asked) finish(Buffer.alloc(10));
  await codedPages.idle();
  expect(asked).toHaveLength(2);
  expect(counts(codedPages, 'gzip')).toEqual({ made: 2, late: 1 });
});

test('a page that changes while it is made in a coding is shown as it is', async () => {
  const { render, codedPages, asked, renderer } = gatedHouse();
  const before = render(1, TEXT);
  for (let n = 0; n < 2; n++) codedPages.shown(before, 'gzip');
  const after = render(1, TEXT.replace('words', 'WORDS'));
  asked[0]!.finish(Buffer.alloc(10));
  await codedPages.idle();
  expect(codedPages.shown(after, 'gzip') === after).toBe(true);
  expect(renderer.codedBytes('gzip')).toBe(0);
});

test('a page that is not kept is not made', () => {
  const { render, codedPages, asked } = gatedHouse(2000);
  const page = render(1, 'x'.repeat(300_000));
  for (let n = 0; n < 3; n++) codedPages.shown(page, 'gzip');
  expect(asked).toHaveLength(0);
});

test('a coding that does not fit beside its page is not kept, and its page is', async () => {
  const { render, codedPages, asked, renderer } = gatedHouse(4500);
  const page = render(1, TEXT); // 3200 bytes and 500 for itself.
  for (let n = 0; n < 2; n++) codedPages.shown(page, 'gzip');
  asked[0]!.finish(Buffer.alloc(1500));
  await codedPages.idle();
  expect([renderer.holds(page), renderer.codedBytes('gzip')]).toEqual([true, 0]);
});

test(
  'whatever is asked for, forgotten and changed, pages stay within their bound and are what they are',
  { timeout: 30_000 },
  async () => {
    const step = fc.record({
      do: fc.constantFrom('ask', 'ask', 'ask', 'ask', 'ask', 'change', 'forget', 'wait', 'wait'),
      conversation: fc.oneof(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 8 })),
      coding: fc.constantFrom(...CODINGS),
    });
    let coded = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80 }), async (steps) => {
        const bytesMax = 20_000;
        const { render, codedPages, renderer } = house(bytesMax);
        const texts = new Map<number, string>();
        for (const { do: what, conversation, coding } of steps) {
          const text = texts.get(conversation) ?? `${conversation} ${TEXT}`;
          if (what === 'change') texts.set(conversation, `${text}!`);
          if (what === 'forget') renderer.forget({ accountId: 1, conversationId: conversation });
          // oxlint-disable-next-line no-await-in-loop
          if (what === 'wait') await codedPages.idle();
          if (what !== 'ask') continue;
          const { body, coding: sent } = codedPages.shown(render(conversation, text), coding);
          const plain = sent === null ? body : sent === 'gzip' ? gunzipSync(body) : brotliDecompressSync(body);
          if (sent !== null) coded++;
          expect(plain.toString()).toBe(ENVELOPE.head + text + ENVELOPE.tail);
          expect(renderer.bytes).toBeLessThanOrEqual(bytesMax);
          expect(renderer.codedBytes('br') + renderer.codedBytes('gzip')).toBeLessThanOrEqual(renderer.bytes);
        }
        await codedPages.idle();
        renderer.forget({});
        expect([renderer.bytes, renderer.codedBytes('br'), renderer.codedBytes('gzip')]).toEqual([0, 0, 0]);
      }),
      { numRuns: 120 },
    );
    expect(coded).toBeGreaterThan(100);
  },
);
