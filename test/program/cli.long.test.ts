// The program from outside: how it starts, how it refuses to, how it ends.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { clientsFile, KEY, messagesOf, received } from '../support/backscroll.ts';
import { CANARY, searchForCanary } from '../support/canary.ts';
import { sendRaw } from '../support/fake-chatwoot/raw-request.ts';
import { startSampleChatwoot } from '../support/fake-chatwoot/sample-account.ts';
import { runShell, startChild } from './child.ts';
import { settings, startServe } from './serve.ts';

// Each starts a process that compiles its source first.
vi.setConfig({ testTimeout: 90_000 });

test('wrong settings: it says all that is wrong at once, shows no secret, and ends with 1', async () => {
  const child = startChild(['serve'], {
    CHATWOOT_URL: `https://user:${CANARY}@chatwoot.example`,
    CHATWOOT_API_TOKEN: `${CANARY} with a space`,
    CLIENT_KEYS: `${CANARY}=crm,short=x`,
    PORT: '99999',
    UPSTREAM_TIMEOUT: '10',
    CACHE_MEMORY: CANARY,
  });
  expect(await child.ended).toEqual({ code: 1, signal: null });
  expect(child.stdout()).toBe('');
  const problems = child.stderr();
  expect(problems).toMatch(/^The settings cannot be used:\n/);
  for (const name of ['CHATWOOT_URL', 'CHATWOOT_API_TOKEN', 'CLIENT_KEYS', 'PORT', 'UPSTREAM_TIMEOUT', 'CACHE_MEMORY']) {
    expect(problems).toMatch(new RegExp(`^  ${name} `, 'm'));
  }
  expect(problems).not.toMatch(/^ +at /m);
});

test("a cache that does not fit into V8's heap: it says what to set and ends with 1", async () => {
  const chatwoot = await startSampleChatwoot();
  onTestFinished(() => chatwoot.close());
  const heap = { NODE_OPTIONS: '--max-old-space-size=128' };
  const child = startChild(['serve'], { ...settings(chatwoot, heap), CACHE_MEMORY: '256mb' });
  expect((await child.ended).code).toBe(1);
  expect(child.stderr()).toMatch(
    /^ {2}CACHE_MEMORY of 256 MB does not fit .* set NODE_OPTIONS=--max-old-space-size=365, or CACHE_MEMORY=\d+mb$/m,
  );
  const { child: smaller } = await startServe(heap);
  await smaller.printed(/"cacheMegabytes":30,.*CACHE_MEMORY is less than its default/);
});

test('a command that is none: it says which there are and ends with 2', async () => {
  const child = startChild(['nonsense'], {});
  expect(await child.ended).toEqual({ code: 2, signal: null });
  expect(child.stderr()).toMatch(/serve[^]*demo/);
});

test('--version: it says which', async () => {
  const child = startChild(['--version'], {});
  expect(await child.ended).toEqual({ code: 0, signal: null });
  expect(child.stdout()).toBe(`${manifest.version}\n`);
});

test.each(['serve', 'demo'])('a port that is taken: %s says so in one line, and ends with 1', async (command) => {
  const chatwoot = await startSampleChatwoot();
  onTestFinished(() => chatwoot.close());
  const child = startChild([command], settings(chatwoot, { PORT: String(chatwoot.port) }));
  expect((await child.ended).code).toBe(1);
  expect(child.stderr()).toMatch(/^Cannot listen at 127\.0\.0\.1, port \d+ \(EADDRINUSE\): .* set PORT .*\n$/);
});

test('serve: it starts and is ready; told to end, it answers the request under way and ends with 0', async () => {
  const { child, port, chatwoot } = await startServe({ SHUTDOWN_TIMEOUT: '20s' });
  await child.printed(/ready: Chatwoot accepts the token/);
  expect(received('readyz', await sendRaw(port, { method: 'GET', target: '/readyz', headers: [] })).json()).toEqual({
    status: 'ready',
  });

  const gate = chatwoot.hold();
  // A connection that its caller keeps open must not hold up the end.
  const caller = ask(port, messagesOf(2));
  await gate.arrived;
  child.process.kill('SIGTERM');
  await child.printed(/shutting down/);
  expect(received('readyz', await sendRaw(port, { method: 'GET', target: '/readyz', headers: [] })).status).toBe(503);
  const refused = await sendRaw(port, { method: 'GET', target: messagesOf(2), headers: [['api_access_token', KEY]] });
  expect(received('the refusal', refused)).toMatchObject({ status: 503, code: 'draining' });
  gate.release();
  expect(await child.ended).toEqual({ code: 0, signal: null });
  const text = await caller.end;
  expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(text.endsWith(chatwoot.table.body(1, 2, {}))).toBe(true);

  for (const line of child.stdout().trim().split('\n')) expect(JSON.parse(line)).toMatchObject({ msg: expect.any(String) });
  expect(child.stdout()).not.toContain(KEY);
  expect(child.stdout()).not.toContain('killed');
  expect(child.stderr()).toBe('');
});

test('DRAIN_DELAY: told to end, it is not ready and serves on until that is over', async () => {
  const { child, port } = await startServe({ DRAIN_DELAY: '2s' });
  await child.printed(/ready: Chatwoot accepts the token/);
  child.process.kill('SIGTERM');
  await child.printed(/shutting down/);
  const answers = [
    await sendRaw(port, { method: 'GET', target: '/readyz', headers: [] }),
    await sendRaw(port, { method: 'GET', target: messagesOf(2), headers: [['api_access_token', KEY]] }),
  ];
  expect(answers.map((answer) => received('an answer', answer).status)).toEqual([503, 200]);
  expect(await child.ended).toEqual({ code: 0, signal: null });
});

test('secrets in files: no process listing shows the token; a request that never ends does not keep it from ending', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'backscroll-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  await writeFile(join(directory, 'token'), `${CANARY}\n`);
  await writeFile(join(directory, 'keys'), `test=${KEY}\n`);
  const { child, port, chatwoot } = await startServe({
    CHATWOOT_API_TOKEN: '',
    CLIENT_KEYS: '',
    CHATWOOT_API_TOKEN_FILE: join(directory, 'token'),
    CLIENT_KEYS_FILE: join(directory, 'keys'),
    SHUTDOWN_TIMEOUT: '500ms',
    UPSTREAM_TIMEOUT: '1m',
  });
  await child.printed(/ready: Chatwoot accepts the token/);
  for (const file of ['cmdline', 'environ']) searchForCanary(file, await readFile(`/proc/${child.process.pid}/${file}`));

  const gate = chatwoot.hold();
  const caller = ask(port, messagesOf(2));
  await gate.arrived;
  child.process.kill('SIGTERM');
  expect(await caller.end).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n[^]*"code":"draining"/);
  expect((await child.ended).code).toBe(0);
  gate.release();
});

test('a clients file that hangs keeps the process neither from serving nor from ending', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'backscroll-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const path = join(directory, 'clients.json');
  const file = clientsFile([{ name: 'test', key: KEY }]);
  await writeFile(path, file);
  // Opened so, a FIFO hangs as a file of a dead NFS server does: in a thread that nothing can interrupt.
  const hang = `import fs from 'node:fs/promises'; import { syncBuiltinESMExports } from 'node:module';
    const { open } = fs; fs.open = (path) => open(path, 'r'); syncBuiltinESMExports();`;
  const { child, port } = await startServe({
    CLIENT_KEYS: '',
    CLIENTS_FILE: path,
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hang)}`,
    SHUTDOWN_TIMEOUT: '2s',
  });
  await runShell(`rm ${path} && mkfifo ${path}`);
  child.process.kill('SIGHUP');
  await child.printed(/CLIENTS_FILE cannot be used.*|cannot be read \(no answer in time\).*/);
  const answer = await sendRaw(port, { method: 'GET', target: messagesOf(2), headers: [['api_access_token', KEY]] });
  expect(received('the answer', answer).status).toBe(200);
  const toldAt = performance.now();
  child.process.kill('SIGTERM');
  expect(await child.ended).toEqual({ code: null, signal: 'SIGKILL' });
  expect(performance.now() - toldAt).toBeLessThan(6000);
});

test('demo: starts on a free port, and each of its lines does what it promises', async () => {
  const child = startChild(['demo'], { PORT: '0' });
  const [, origin] = await child.printed(/Backscroll is up at (http:\/\/127\.0\.0\.1:\d+),/);
  await child.printed(/Ctrl-C ends it\./);
  expect(Number(new URL(origin!).port)).toBeGreaterThan(0);
  const lines = child
    .stdout()
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /^(?:curl|for) /.test(line));
  expect(lines).toHaveLength(3);
  const [newest, history, metric] = lines as [string, string, string];

  expect(child.stdout()).toContain('The newest page. First Cache-Status says fwd=miss');
  const page = await runShell(newest);
  expect(page).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(page).toMatch(/^cache-status: backscroll; fwd=miss; stored\r$/im);
  expect(await runShell(newest)).toMatch(/^cache-status: backscroll; hit; ttl=\d+\r$/im);
  expect(page).toMatch(/\r\n\r\n\{"meta":\{.*\},"payload":\[\{.*\}\]\}$/s);

  const statuses = (await runShell(history)).trim().split(/\r?\n/);
  expect(statuses).toEqual([
    expect.stringMatching(/^cache-status: backscroll; fwd=miss; stored$/i),
    expect.stringMatching(/^cache-status: backscroll; hit; ttl=\d+$/i),
  ]);

  const reads = await runShell(metric);
  expect(reads).toMatch(/^backscroll_upstream_reads_total\{reason="forward"\} [1-9]\d*$/m);

  child.process.kill('SIGINT');
  expect(await child.ended).toEqual({ code: 0, signal: null });
  expect(child.stderr()).toBe('');
});

/** A request on a connection that stays open, and all that comes back on it. */
function ask(port: number, target: string): { end: Promise<string> } {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.write(`GET ${target} HTTP/1.1\r\nhost: x\r\napi_access_token: ${KEY}\r\n\r\n`);
  const end = closed(socket).then(() => {
    const text = Buffer.concat(chunks).toString();
    searchForCanary('an answer', text);
    return text;
  });
  return { end };
}

/** Resolves when the connection is over, refused and reset ones too. */
async function closed(socket: Socket): Promise<void> {
  socket.on('error', () => undefined);
  return new Promise((resolve) => void socket.once('close', () => resolve()));
}
