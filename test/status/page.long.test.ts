// The status page in a real browser, as the demo serves it. Its pictures are left in a folder that BACKSCROLL_PICTURES names, or in
// one beside other temporary files.

import { createRequire } from 'node:module';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFile } from 'node:fs/promises';
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions, Page, Request } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { ADMIN_KEY, startDemo, type Demo } from '../../src/demo.ts';
import { driveTraffic, type Traffic } from '../../src/demo-traffic.ts';
import type { Explanation } from '../../src/status/explanation.ts';
import { CHROMIUM, hasChromium, launchChromium } from '../support/browser.ts';

const PICTURES = process.env['BACKSCROLL_PICTURES'] ?? join(tmpdir(), 'backscroll-pictures');
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const DEMO_KEY = 'demo-key-for-trying';

test('there is a browser to try it in', (context) => {
  context.skip(!hasChromium && process.env['CI'] !== 'true', `no browser at ${CHROMIUM}: apt-get install chromium`);
  expect(hasChromium).toBe(true);
});

describe.runIf(hasChromium)('the status page', () => {
  let browser: Browser;
  let demo: Demo;
  let traffic: Traffic;

  beforeAll(async () => {
    mkdirSync(PICTURES, { recursive: true });
    browser = await launchChromium();
    demo = await startDemo({ PORT: '0', LOG_LEVEL: 'silent' });
    traffic = driveTraffic(demo);
  });
  afterAll(async () => {
    await traffic?.end();
    await browser?.close();
    await demo?.close();
  });

  interface Opened {
    readonly page: Page;
    readonly requests: Request[];
    readonly complaints: string[];
  }

  async function open(options: BrowserContextOptions = {}, address = '/status'): Promise<Opened> {
    const context = await browser.newContext({
      viewport: { width: 1280, height: 900 },
      httpCredentials: { username: 'somebody', password: ADMIN_KEY },
      ...options,
    });
    onTestFinished(() => context.close());
    const page = await context.newPage();
    const [requests, complaints]: [Request[], string[]] = [[], []];
    context.on('request', (request) => requests.push(request));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => complaints.push(message.text()));
    await page.goto(new URL(address, demo.url).href);
    return { page, requests, complaints };
  }

  const read = async (search: string, conversation = 1): Promise<Response> =>
    fetch(`${demo.url}/api/v1/accounts/1/conversations/${conversation}/messages${search}`, {
      headers: { api_access_token: DEMO_KEY },
    });

  async function ask(page: Page, conversation: number, cursors: Readonly<Record<string, number>> = {}): Promise<Explanation> {
    await page.fill('[name=conversation]', String(conversation));
    for (const name of ['before', 'after']) await page.fill(`[name=${name}]`, String(cursors[name] ?? ''));
    const answered = page.waitForResponse((response) => response.url().includes('/admin/explain'));
    await page.click('#ask button');
    const explained = (await (await answered).json()) as Explanation;
    await until(page, `document.querySelector('#because').textContent === ${JSON.stringify(explained.answer.because)}`);
    return explained;
  }

  /** Playwright's own way to wait evaluates in the page, which the page's policy forbids. */
  const until = (page: Page, condition: string): Promise<void> =>
    expect.poll(() => page.evaluate(condition), { timeout: 10_000, interval: 50 }).toBe(true);

  /** What the plots are drawn of, as pixels. */
  const inkOf = (page: Page): Promise<string[]> =>
    page.evaluate('[...document.querySelectorAll("#plots canvas")].map((canvas) => canvas.toDataURL())');

  test.each([
    { width: 1280, colorScheme: 'light' },
    { width: 1280, colorScheme: 'dark' },
    { width: 400, colorScheme: 'light' },
    { width: 400, colorScheme: 'dark' },
  ] as const)(
    'at $width px, $colorScheme: plots move, nothing is said on the console, nothing is asked elsewhere',
    async ({ width, colorScheme }) => {
      const { page, requests, complaints } = await open({ viewport: { width, height: 900 }, colorScheme });
      await until(page, 'document.querySelectorAll("#plots canvas").length === 5');
      const before = await inkOf(page);
      await page.waitForResponse(
        async (response) => /data\?after=[1-9]/.test(response.url()) && (await response.text()).includes('"history":[['),
      );
      await until(page, `document.querySelectorAll('#plots canvas')[0].toDataURL() !== ${JSON.stringify(before[0])}`);
      await read('');
      await ask(page, 1, { before: demo.historyId });
      await page.screenshot({ path: join(PICTURES, `status-${width}-${colorScheme}.png`), fullPage: true });
      const [wide, background] = await page.evaluate<[number, string]>(
        '[document.documentElement.scrollWidth, getComputedStyle(document.body).backgroundColor]',
      );
      expect(wide).toBeLessThanOrEqual(width);
      expect(background).toBe(colorScheme === 'light' ? 'rgb(246, 247, 249)' : 'rgb(20, 24, 31)');
      expect(complaints).toEqual([]);
      expect([
        ...new Set(requests.map((request) => new URL(request.url()).origin).filter((origin) => origin !== 'null')),
      ]).toEqual([demo.url]);
    },
  );

  test.each(['light', 'dark'] as const)('axe finds nothing serious, %s', async (colorScheme) => {
    await fetch(`${demo.url}/api/v1/accounts/1/conversations/1/messages`); // So that there is an error to show.
    await read(`?before=${demo.historyId}`);
    const { page } = await open({ viewport: { width: 400, height: 900 }, colorScheme, bypassCSP: true });
    await page.waitForSelector('#errors table');
    await ask(page, 1);
    await page.evaluate(await readFile(AXE, 'utf8'));
    const { violations } = await page.evaluate<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }>(
      'axe.run()',
    );
    const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    expect(serious.map(({ id, nodes }) => [id, nodes[0]?.html])).toEqual([]);
  });

  test('the key is in no address, no storage and nowhere in the page', async () => {
    const { page, requests } = await open();
    await page.waitForSelector('#plots canvas');
    await ask(page, 2);
    const kept = await page.evaluate<string>(
      'JSON.stringify([document.documentElement.outerHTML, location.href, document.cookie, { ...localStorage }, { ...sessionStorage }])',
    );
    expect(kept).not.toContain(ADMIN_KEY);
    expect(kept).not.toContain(Buffer.from(ADMIN_KEY).toString('base64').slice(0, 20));
    expect(requests.map((request) => request.url()).join()).not.toContain(ADMIN_KEY);
    expect(await page.context().storageState()).toEqual({ cookies: [], origins: [] });
  });

  /** The ranges as they are drawn, from left to right. */
  const drawnOf = (page: Page): Promise<unknown> =>
    page.evaluate(
      '[...document.querySelectorAll(".segment")].map(({ dataset, classList, x, width }) => ({ ...dataset, is: classList[1], x: x.baseVal.value, width: width.baseVal.value }))',
    );

  interface Drawn {
    readonly from: string;
    readonly below: string;
    readonly standing: string;
    readonly part: string;
    readonly is: string;
    readonly x: number;
    readonly width: number;
  }

  async function expectDrawn(page: Page, explained: Explanation): Promise<void> {
    const drawn = (await drawnOf(page)) as Drawn[];
    const told = [...explained.known, ...explained.unknown.map((ids) => ({ ...ids, standing: 'unknown', except: null }))];
    expect(drawn.map(({ from, below, standing, part }) => ({ from, below, standing, part }))).toEqual(
      told
        .toSorted((a, b) => a.from - b.from)
        .map(({ from, below, standing, except }) => ({
          from: String(from),
          below: String(below ?? ''),
          standing,
          part: except === null ? 'whole' : 'part',
        })),
    );
    expect(drawn.map(({ is }) => is)).toEqual(drawn.map(({ standing }) => standing));
    for (const [at, { x, width }] of drawn.entries()) {
      const next = drawn[at + 1];
      if (next !== undefined) expect(Math.abs(x + width - next.x)).toBeLessThan(2.1); // Side by side, without a gap.
    }
    expect(await page.locator('.bin').count()).toBe(explained.rows.bins.length);
    const shown = explained.answer.page ?? [];
    expect(await page.locator('rect.page').count()).toBe(shown.length === 0 ? 0 : 1);
    if (shown.length > 0) {
      expect(await page.locator('rect.page').getAttribute('data-first')).toBe(String(Math.min(...shown)));
      expect(await page.locator('rect.page').getAttribute('data-last')).toBe(String(Math.max(...shown)));
    }
    const verdict = explained.answer.outcome === 'hit' ? /^Hit/ : /^Miss/;
    expect(await page.textContent('#verdict')).toMatch(verdict);
  }

  test('the map of an unknown, a half-known and a sealed conversation is what is explained', async () => {
    const { page } = await open();
    const unknown = await ask(page, 6);
    expect(unknown.known).toEqual([]);
    await expectDrawn(page, unknown);

    const ids = demo.chatwoot.table.rows(1, 1).map(({ id }) => id);
    await fetch(`${demo.url}/admin/cache?account=1&conversation=1`, {
      method: 'DELETE',
      headers: { api_access_token: ADMIN_KEY },
    });
    await read(`?before=${ids[60]}`);
    const half = await ask(page, 1, { before: ids[200]! });
    expect(half.unknown.length).toBeGreaterThan(0);
    await expectDrawn(page, half);

    for (const at of [399, 380, 300, 280, 200, 120, 60, 30]) await read(`?before=${ids[at]}`);
    await demo.app.readThrough.idle();
    const sealed = await ask(page, 1, { before: ids[150]! });
    expect(sealed.answer.outcome).toBe('hit');
    expect(sealed.known.some(({ standing, except }) => standing === 'durable' && except === null)).toBe(true);
    await expectDrawn(page, sealed);
    await page.screenshot({ path: join(PICTURES, 'map-sealed.png'), fullPage: true });
  });

  test('the map is walked by keyboard, and says what it shows', async () => {
    const { page } = await open();
    const ids = demo.chatwoot.table.rows(1, 1).map(({ id }) => id);
    await read(`?before=${ids[60]}`);
    await ask(page, 1);
    await page.focus('.segment[tabindex="0"]');
    const said: (string | null)[] = [];
    const count = await page.locator('.segment').count();
    expect(count).toBeGreaterThan(1);
    for (let at = 0; at < count; at++) {
      said.push(await page.textContent('#detail'));
      await page.keyboard.press('ArrowRight');
    }
    expect(said).toEqual(
      await page.evaluate('[...document.querySelectorAll(".segment")].map((each) => each.getAttribute("aria-label"))'),
    );
    await page.keyboard.press('Home');
    expect(await page.textContent('#detail')).toBe(said[0]);
  });

  test('it asks before it forgets', async () => {
    const { page, requests } = await open();
    await read('');
    await ask(page, 1);
    const known = async (): Promise<number> => Number(/\d+/.exec((await page.textContent('#facts dd'))!)![0]);
    expect(await known()).toBeGreaterThan(0);
    const deletions = (): number => requests.filter((request) => request.method() === 'DELETE').length;
    await page.click('#forget');
    expect(await page.textContent('#sure-text')).toBe('Forget conversation 1 of account 1?');
    await page.click('#sure [value=cancel]');
    await page.click('#forget');
    await page.keyboard.press('Escape');
    expect(deletions()).toBe(0);
    await page.click('#forget');
    await page.click('#sure [value=forget]');
    await until(page, 'document.querySelector("#facts dd").textContent.startsWith("0 ")');
    expect(deletions()).toBe(1);
  });

  test('another site can neither frame it, nor read it, nor have it forget', async () => {
    const evil = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html');
      response.end(
        `<form id=f method=post action="${demo.url}/admin/cache"><input name=_method value=delete></form><iframe src="${demo.url}/status"></iframe>`,
      );
    });
    await new Promise<void>((resolve) => evil.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void evil.close());
    await read('');
    const { conversations } = demo.app.readThrough.size;
    const { page } = await open({}, '/status');
    await page.waitForSelector('#plots canvas'); // Now the browser has the password.
    await page.goto(`http://localhost:${(evil.address() as AddressInfo).port}/`);
    expect(await page.frames()[1]!.evaluate('document.querySelector("h1")?.textContent ?? "an error"')).not.toBe('Backscroll');
    const tries = await page.evaluate<string[]>(`Promise.all([
      fetch("${demo.url}/admin/cache", { method: "DELETE", credentials: "include", headers: { "x-backscroll-page": "status" } }),
      fetch("${demo.url}/admin/cache", { method: "DELETE", credentials: "include" }),
      fetch("${demo.url}/admin/cache", { method: "POST", mode: "no-cors", credentials: "include", headers: { "content-type": "text/plain" }, body: "x" }),
      fetch("${demo.url}/status/data", { credentials: "include" }),
      fetch("${demo.url}/status/data", { mode: "no-cors", credentials: "include" }),
      fetch("${demo.url}/admin/explain?account=1&conversation=1", { credentials: "include" }),
    ].map((answer) => answer.then(({ type, status }) => type + " " + status, () => "refused")))`);
    // What is opaque was sent without the password, and cannot be read.
    expect(tries).toEqual(['refused', 'refused', 'opaque 0', 'refused', 'opaque 0', 'refused']);
    await Promise.all([page.waitForNavigation(), page.evaluate('document.getElementById("f").submit()')]);
    expect(demo.app.readThrough.size.conversations).toBeGreaterThanOrEqual(conversations);
  });

  test('nor can a page of its own server frame it, which has the password', async () => {
    const { page } = await open();
    await page.goto(`${demo.url}/healthz`); // A page without a policy of its own.
    await page.evaluate(`new Promise((resolve) => {
      const frame = document.createElement('iframe');
      frame.addEventListener('load', resolve);
      frame.src = '/status';
      document.body.append(frame);
    })`);
    expect(page.frames()).toHaveLength(2);
    expect(await page.frames()[1]!.evaluate('document.querySelector("h1")?.textContent')).not.toBe('Backscroll');
  });

  test('without the right password it is a 401', async () => {
    for (const password of ['wrong', DEMO_KEY]) {
      const context = await browser.newContext({ httpCredentials: { username: 'x', password } });
      const response = await (await context.newPage()).goto(`${demo.url}/status`).catch(() => null);
      expect(response?.status() ?? 401).toBe(401);
      await context.close();
    }
  });

  test('it asks for numbers while it is seen, and shows that there are none while there is no answer', async () => {
    const { page, requests } = await open();
    await page.waitForSelector('#plots canvas');
    await page.evaluate('Object.defineProperty(document, "hidden", { value: true, configurable: true })');
    await page.waitForTimeout(2500); // One more may have been due.
    const count = requests.length;
    await page.waitForTimeout(3000);
    expect(requests).toHaveLength(count);
    await page.context().route('**/status/data*', (route) => route.abort());
    await page.evaluate('delete document.hidden; void document.dispatchEvent(new Event("visibilitychange"))');
    await until(page, 'document.querySelector("#news").textContent.startsWith("No new numbers")');
    await page.context().unroute('**/status/data*');
    await until(page, 'document.querySelector("#news").textContent === ""');
  });
});
