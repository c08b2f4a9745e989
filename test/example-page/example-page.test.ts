// The example page in a real browser, as the demo serves it: what the reader sees, and what must be nowhere in the browser.

import { type Browser, type Page, type Request, type Response } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startDemo, type Demo } from '../../src/demo.ts';
import { CHROMIUM, hasChromium, launchChromium } from '../support/browser.ts';
import { startHouse } from '../support/backscroll.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import { isInternal, type MessageDraft } from '../support/fake-chatwoot/message-row.ts';
import { SAMPLE_TOKEN, startSampleChatwoot } from '../support/fake-chatwoot/sample-account.ts';

const DEMO_KEY = 'demo-key-for-trying';
test('only the demo serves it', async () => {
  const served = await startHouse();
  expect(await served.backscroll.get('/demo/transcript/')).toMatchObject({ status: 404, code: 'not_served' });
  const demo = await startDemo({ PORT: '0', LOG_LEVEL: 'silent' });
  onTestFinished(() => demo.close());
  const types = { '': 'text/html', 'transcript.css': 'text/css', 'transcript.js': 'text/javascript' };
  for (const [name, type] of Object.entries(types)) {
    // oxlint-disable-next-line no-await-in-loop -- few
    const { statusCode, headers } = await demo.app.http.inject({ url: `/demo/transcript/${name}` });
    expect([statusCode, headers['content-type']]).toEqual([200, `${type}; charset=utf-8`]);
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'content-security-policy': "frame-ancestors 'none'" });
  }
  for (const name of ['README.md', '..%2f..%2fpackage.json', '../transcript.js']) {
    // oxlint-disable-next-line no-await-in-loop -- few
    expect((await demo.app.http.inject({ url: `/demo/transcript/${name}` })).statusCode).toBe(404);
  }
});

test('there is a browser to try it in', (context) => {
  context.skip(!hasChromium && process.env['CI'] !== 'true', `no browser at ${CHROMIUM}: apt-get install chromium`);
  expect(hasChromium).toBe(true);
});

describe.runIf(hasChromium)('the example page', () => {
  let browser: Browser;
  let chatwoot: FakeChatwoot;
  let demo: Demo;

  beforeAll(async () => {
    browser = await launchChromium();
    chatwoot = await startSampleChatwoot();
    insert({ private: true, messageType: 1, content: 'canary-note' });
    insert({ messageType: 2, content: 'canary-activity' });
    demo = await startDemo({ PORT: '0', LOG_LEVEL: 'silent' }, chatwoot);
  });
  afterAll(async () => {
    await browser?.close();
    await demo?.close();
  });

  function insert(draft: Omit<MessageDraft, 'accountId' | 'conversationId'>): number {
    return chatwoot.table.insert({ accountId: 1, conversationId: 1, ...draft }).id;
  }

  const publicIds = (): string[] =>
    chatwoot.table
      .rows(1, 1)
      .filter((row) => !isInternal(row))
      .map(({ id }) => String(id));
  const token = (): string => new URLSearchParams(new URL(demo.pageUrl).hash.slice(1)).get('token')!;

  interface Traffic {
    readonly requests: Request[];
    readonly responses: Response[];
    readonly complaints: string[];
  }

  /** A page the size of a phone, in a context of its own. */
  async function openPage(
    address = demo.pageUrl,
    before: (page: Page) => Promise<unknown> = async () => {},
  ): Promise<{ page: Page; traffic: Traffic }> {
    const context = await browser.newContext({ viewport: { width: 390, height: 760 }, locale: 'en-GB', timezoneId: 'UTC' });
    onTestFinished(() => context.close());
    const page = await context.newPage();
    const traffic: Traffic = { requests: [], responses: [], complaints: [] };
    context.on('request', (request) => traffic.requests.push(request));
    context.on('response', (response) => traffic.responses.push(response));
    page.on('pageerror', (error) => traffic.complaints.push(error.message));
    page.on('console', (message) => traffic.complaints.push(message.text()));
    await before(page);
    await page.goto(address);
    return { page, traffic };
  }

  /** Asks for new messages now instead of in a few seconds. */
  const poll = (page: Page): Promise<unknown> => page.evaluate('void document.dispatchEvent(new Event("visibilitychange"))');
  const drawnIds = (page: Page): Promise<string[]> =>
    page.evaluate('[...document.querySelectorAll(".message")].map((item) => item.dataset.key)');
  const isScrolledDown = (page: Page): Promise<boolean> =>
    page.evaluate('scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 2');

  async function scrollToBeginning(page: Page): Promise<void> {
    const beginning = page.getByText('This is where the conversation begins.');
    for (let turns = 0; turns < 200 && !(await beginning.isVisible()); turns++) {
      // oxlint-disable no-await-in-loop -- as a reader scrolls
      await page.mouse.move(200, 400);
      await page.mouse.wheel(0, -3000);
      await page.evaluate('new Promise((resolve) => requestAnimationFrame(resolve))');
      // oxlint-enable no-await-in-loop
    }
    await beginning.waitFor();
  }

  test('shows the newest messages, then all of them up to the first, and no private note', async () => {
    const { page, traffic } = await openPage();
    await page.locator('.message').first().waitFor();
    expect(await page.title()).toBe('Conversation with Nadia Brandt');
    await expect.poll(() => isScrolledDown(page)).toBe(true);
    expect((await drawnIds(page)).at(-1)).toBe(publicIds().at(-1));

    await scrollToBeginning(page);
    expect(await drawnIds(page)).toEqual(publicIds());
    const text = await page.evaluate<string>('document.documentElement.textContent');
    expect(text).not.toMatch(/canary|Customer called twice|was marked resolved/);
    expect(traffic.complaints).toEqual([]);
    // A poll that found nothing new has no body.
    for (const response of traffic.responses.filter((each) => each.status() !== 304))
      expect(await response.text()).not.toMatch(/canary-(?:note|activity)|@example\.test|\+49155/);
  });

  test('stays at its place while older messages come, and is no wider than a phone', async () => {
    const { page } = await openPage();
    await page.locator('.message').first().waitFor();
    await expect.poll(() => isScrolledDown(page)).toBe(true);
    const drawn = (await drawnIds(page)).length;
    const first = await page.evaluate<string>(
      '(() => { const top = scroller.getBoundingClientRect().top; scroller.scrollTop = 5; return [...document.querySelectorAll(".message")].find((item) => item.getBoundingClientRect().top >= top).dataset.key; })()',
    );
    await expect.poll(async () => (await drawnIds(page)).length).toBeGreaterThan(drawn);
    const [offset, overflow] = await page.evaluate<[number, number]>(
      `[document.querySelector('[data-key="${first}"]').getBoundingClientRect().top, document.documentElement.scrollWidth - innerWidth]`,
    );
    expect(offset).toBeGreaterThan(0);
    expect(offset).toBeLessThan(400);
    expect(overflow).toBe(0);
  });

  test('tokens and keys are nowhere in the page, its storage or its traffic, and nothing leaves for elsewhere', async () => {
    const { page, traffic } = await openPage();
    await page.locator('.message').first().waitFor();
    await poll(page);
    await expect.poll(() => traffic.responses.some((response) => response.status() === 304)).toBe(true);

    expect(page.url()).toBe(demo.pageUrl.replace(/#.*/, ''));
    const kept = await page.evaluate<unknown>(
      '(async () => [document.documentElement.outerHTML, { ...localStorage }, { ...sessionStorage }, document.cookie, (await indexedDB.databases()).length, await caches.keys(), history.length, history.state])()',
    );
    expect(kept).toEqual([expect.any(String), {}, {}, '', 0, [], expect.any(Number), null]);
    const { cookies, origins } = await page.context().storageState();
    expect([cookies, origins]).toEqual([[], []]);
    const inPage = JSON.stringify(kept);
    for (const secret of [SAMPLE_TOKEN, DEMO_KEY, token()]) expect(inPage).not.toContain(secret);

    expect(traffic.requests.length).toBeGreaterThan(4);
    for (const request of traffic.requests) {
      expect(new URL(request.url()).hostname).toBe('127.0.0.1');
      const { authorization, ...headers } = await request.allHeaders();
      const sent = JSON.stringify([request.url(), headers, request.postData()]);
      for (const secret of [SAMPLE_TOKEN, DEMO_KEY, token()]) expect(sent).not.toContain(secret);
      expect(authorization).toBe(request.url().includes('/api/') ? `Bearer ${token()}` : undefined);
    }
    for (const response of traffic.responses) {
      const came = JSON.stringify(await response.allHeaders()) + (response.status() === 304 ? '' : await response.text());
      for (const secret of [SAMPLE_TOKEN, DEMO_KEY, token()]) expect(came).not.toContain(secret);
    }
  });

  test('shows what comes, edits and deletions, as text only', async () => {
    const { page, traffic } = await openPage();
    await page.locator('.message').first().waitFor();
    insert({ private: true, messageType: 1, content: 'canary-note-later' });
    const id = insert({
      content: '<img src=x onerror="document.title=1"> & <b>bold</b>',
      sender: { type: 'contact', name: '<i>Nadia</i>' },
      contentAttributes: { items: [{ title: '<u>Tea</u>', link: `${demo.url}/healthz` }] },
      attachments: [
        {
          id: 1,
          file_type: 'image',
          data_url: `${demo.url}/demo/a%20b.png`,
          thumb_url: `${demo.url}/demo/thumb.png`,
          width: 40,
          height: 30,
        },
        { id: 2, file_type: 'file', data_url: `${demo.url}/demo/invoice.pdf` },
        { id: 3, file_type: 'file', data_url: 'javascript:alert(1)' },
        null,
      ],
    });
    const message = page.locator(`[data-key="${id}"]`);
    await expect.poll(async () => (await poll(page), await message.count()), { timeout: 15_000 }).toBe(1);
    await expect.poll(() => isScrolledDown(page)).toBe(true);
    expect(await message.locator('p').first().textContent()).toBe('<img src=x onerror="document.title=1"> & <b>bold</b>');
    expect(await message.locator('.byline b').textContent()).toBe('<i>Nadia</i>');
    expect(await message.locator('img').getAttribute('alt')).toBe('Image: a b.png');
    expect(await message.locator('a').evaluateAll((links) => links.map((link) => String(link)))).toEqual(
      ['/healthz', '/demo/a%20b.png', '/demo/invoice.pdf'].map((path) => `${demo.url}${path}`),
    );
    expect(await message.locator('p.aside').textContent()).toBe('File');
    expect(await page.locator('#news').textContent()).toContain('bold');
    expect(await page.locator('b, i, u').count()).toBe(await page.locator('.byline b').count());

    chatwoot.table.softDelete(id);
    await expect
      .poll(async () => (await poll(page), await message.locator('p').first().textContent()), { timeout: 15_000 })
      .toBe('This message was deleted');
    expect(await message.locator('a').count()).toBe(0);
    expect(await page.evaluate('document.documentElement.textContent')).not.toContain('canary');
    // The browser itself tells of the image that is not there.
    expect(traffic.complaints.filter((text) => !text.includes('404'))).toEqual([]);
  });

  test('more new messages than the newest page holds leave no gap', async () => {
    const { page } = await openPage();
    await page.locator('.message').first().waitFor();
    await expect.poll(() => isScrolledDown(page)).toBe(true);
    for (let n = 0; n < 130; n++) insert({ content: `burst ${n}` });
    const last = publicIds().at(-1);
    await expect.poll(async () => (await poll(page), (await drawnIds(page)).at(-1)), { timeout: 15_000 }).toBe(last);
    const drawn = await drawnIds(page);
    expect(drawn).toEqual(publicIds().slice(-drawn.length));
    expect(drawn.length).toBeGreaterThan(149);
  });

  test.each([
    [
      'a token that is not valid',
      () => demo.pageUrl.replace(/.{20}$/, 'A'.repeat(20)),
      'This link is no longer valid. Please ask for a new one.',
    ],
    [
      'another conversation',
      () => demo.pageUrl.replace('conversation=1', 'conversation=2'),
      'This conversation was not found, or this link does not lead to it.',
    ],
    ['no token', () => demo.pageUrl.replace(/&token=.*/, ''), 'This link is not complete. Open it again as you received it.'],
    [
      'an id that is none',
      () => demo.pageUrl.replace('account=1', 'account=..%2F'),
      'This link is not complete. Open it again as you received it.',
    ],
  ])('says so in a sentence: %s', async (_what, address, sentence) => {
    const { page, traffic } = await openPage(address());
    await page.getByText(sentence).waitFor();
    expect(await page.getByRole('status').textContent()).toBe(sentence);
    expect(await drawnIds(page)).toEqual([]);
    const asked = traffic.requests.length;
    await poll(page);
    await page.evaluate('new Promise((resolve) => requestAnimationFrame(resolve))');
    expect(traffic.requests).toHaveLength(asked);
  });

  test.each([
    [429, 'Too many requests. Trying again in 4 s.'],
    [503, 'Messages cannot be loaded right now. Trying again in 4 s.'],
  ])('on %i it waits as long as Retry-After says, then goes on', async (status, sentence) => {
    let refusals = 0;
    const { page } = await openPage(demo.pageUrl, async (opened) => {
      await opened.clock.install({ time: 0 });
      await opened.clock.pauseAt(1000);
      await opened.route('**/api/**', (route) =>
        refusals++ === 0 ? route.fulfill({ status, headers: { 'retry-after': '4' }, body: '{}' }) : route.continue(),
      );
    });
    await page.getByText(sentence).waitFor();
    await page.clock.runFor(3900);
    expect(refusals).toBe(1);
    await page.clock.runFor(200);
    await page.locator('.message').first().waitFor();
    expect(await page.locator('#status').textContent()).toBe('');
  });
});
