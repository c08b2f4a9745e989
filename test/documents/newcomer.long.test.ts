// A newcomer's path: every command of the README and of the pages that it leads to, in order, typed into an empty clone. Where a
// document means a place of its reader's, there is one of this test's.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import manifest from '../../package.json' with { type: 'json' };
import { Command, emptyClone, removeClone } from '../program/clone.ts';
import { KEY, messagesOf } from '../support/backscroll.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import { SAMPLE_TOKEN, startSampleChatwoot } from '../support/fake-chatwoot/sample-account.ts';
import { freePort } from '../support/free-port.ts';
import { codeBlocks, codeWords, linkTargets, section, textOf } from './markdown.ts';

const ADMIN_KEY = 'admin-key-of-the-newcomer';

/** The README, and what it has its reader read on, in its order; but for what was otherwise once. */
const PAGES = [
  'README.md',
  ...linkTargets(section(textOf('README.md'), 'Where to read on')).filter((target) => !target.startsWith('CHANGELOG')),
];

interface Block {
  readonly page: string;
  readonly text: string;
  /** What the document shows of its output. */
  readonly shown: string | undefined;
}

const BLOCKS: readonly Block[] = PAGES.flatMap((page) => {
  const blocks = codeBlocks(textOf(page));
  return blocks.flatMap(({ language, text }, at) => {
    if (!['sh', 'bash', 'shell', 'console'].includes(language)) return [];
    const next = blocks[at + 1];
    return { page, text, shown: next?.language === 'text' ? next.text : undefined };
  });
});
/** What is told twice is typed once. */
const TYPED = BLOCKS.filter(({ text }, at) => BLOCKS.findIndex((block) => block.text === text) === at);

let clone: string;
let etc: string;
let chatwoot: FakeChatwoot;
let port: number;
/** What serves at the moment. */
let serving: Command | undefined;
/** How the reader has it serve once it is built. */
let start = '';

beforeAll(async () => {
  [clone, etc, chatwoot, port] = await Promise.all([
    emptyClone(),
    mkdtemp(join(tmpdir(), 'backscroll-etc-')),
    startSampleChatwoot(),
    freePort(),
  ]);
  await mkdir(etc, { recursive: true });
  await Promise.all([
    writeFile(join(etc, 'chatwoot_api_token'), `${SAMPLE_TOKEN}\n`),
    writeFile(join(etc, 'client_keys'), `newcomer=${KEY}\n`),
  ]);
});
afterAll(async () => {
  await serving?.end();
  await chatwoot.close();
  await Promise.all([removeClone(clone), rm(etc, { recursive: true })]);
});

/** Types it as it stands, but for places. */
function type(text: string, env: Readonly<Record<string, string>> = {}): Command {
  const line = text
    .replaceAll('http://127.0.0.1:8080', `http://127.0.0.1:${port}`)
    .replaceAll('https://chatwoot.example.com', chatwoot.url)
    .replaceAll('/etc/backscroll/', `${etc}/`)
    .replaceAll('<admin key>', ADMIN_KEY)
    // All of them is what runs beside this one.
    .replaceAll(/\bnpm test$/gm, 'npm test -- test/timeline/query.test.ts');
  // Not the packages that this test runs with.
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'));
  const npm = { npm_config_prefer_offline: 'true', npm_config_audit: 'false', npm_config_fund: 'false' };
  return new Command(line, clone, { PATH: path.join(delimiter), ...npm, ...env });
}

async function outputOf(text: string, code = 0, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const command = type(text, env);
  expect(await command.ended, command.output).toBe(code);
  return command.output;
}

async function serve(text: string, pattern: RegExp): Promise<void> {
  await serving?.end();
  serving = type(text, { PORT: String(port), ADMIN_KEYS: `newcomer=${ADMIN_KEY}` });
  await serving.printed(pattern);
}

async function ask(path: string): Promise<number> {
  return (await fetch(`http://127.0.0.1:${port}${path}`, { headers: { api_access_token: KEY } })).status;
}

/** As the reader's shell has them after "Start it". */
function exported(): Readonly<Record<string, string>> {
  return {
    CHATWOOT_URL: chatwoot.url,
    CHATWOOT_API_TOKEN_FILE: join(etc, 'chatwoot_api_token'),
    CLIENT_KEYS_FILE: join(etc, 'client_keys'),
  };
}

const LISTENING = /Server listening at /;
/** `backscroll` is this after `npm run build`, says docs/operations.md. */
const BACKSCROLL = 'backscroll() { node dist/src/cli.js "$@"; }\n';

/** Each command by how it begins or ends, and how it is tried. */
const WAYS: readonly (readonly [RegExp, (block: Block) => Promise<void>])[] = [
  [/^npm ci && npm run demo$/, async ({ text }) => serve(text, /Backscroll is up at /)],
  [
    /^messages=.*\n *for query in /,
    async ({ text, shown }) => {
      const withoutTtl = (output = ''): string => output.replaceAll(/ttl=\d+/g, 'ttl=N').replaceAll('\r', '');
      expect(withoutTtl(await outputOf(text))).toBe(withoutTtl(shown));
      await serving?.end();
    },
  ],
  [
    /\bdocker compose up --build --detach(?: \w+)?$/,
    async ({ text }) => expectComposed(/--detach (\w+)/.exec(text)?.[1] ?? 'backscroll'),
  ],
  [/^kubectl create secret generic /, async ({ text }) => expectManifests(text)],
  [
    /^npm ci && npm run build\nexport [^]* serve$/,
    async ({ text }) => {
      start = text.replace('npm ci && npm run build\n', '');
      await serve(text, LISTENING);
      await expect.poll(() => ask('/readyz')).toBe(200);
      expect(await ask(messagesOf(1))).toBe(200);
      // "Ask it."
      for (const line of ['node dist/src/cli.js check', 'backscroll check']) {
        expect(await outputOf(BACKSCROLL + line, 0, exported())).toMatch(/^ok {7}CHATWOOT_API_TOKEN: Chatwoot accepts it/m);
      }
      expect(await outputOf(`${BACKSCROLL}backscroll --version`)).toBe(`${manifest.version}\n`);
    },
  ],
  [
    /^npm ci && npm test$/,
    async ({ text }) => {
      await serving?.end();
      expect(await outputOf(text)).toMatch(/Tests .* passed/);
    },
  ],
  [/ --import tsx src\/cli\.ts serve$/, async ({ text, shown }) => expect(await outputOf(text, 1)).toBe(shown)],
  [/ key create --name crm$/, async ({ text }) => expect(await outputOf(text)).toMatch(/^ +bsk_/m)],
  [/ token create --account 1 /, async ({ text }) => expect(await outputOf(text)).toMatch(/^eyJ/m)],
  [
    /^backscroll webhook create /,
    async ({ text }) => expect(await outputOf(BACKSCROLL + text, 0, exported())).toContain('WEBHOOK_SECRETS='),
  ],
  [
    /^curl -X DELETE .*\/admin\/cache/,
    async ({ text }) => {
      await serve(start, LISTENING);
      expect(await ask(messagesOf(2))).toBe(200);
      expect(await outputOf(text.replace('curl', 'curl -s'))).toBe('{"purged":1}');
    },
  ],
];

test.each(TYPED.map((block) => [block.page, firstLine(block), block] as const))('%s: %s', async (_page, _line, block) => {
  const way = WAYS.find(([is]) => is.test(lineOf(block)));
  expect(way, `nobody tries this: ${block.text}`).toBeDefined();
  await way![1](block);
});

test('no way is there in vain', () => {
  expect(WAYS.filter(([is]) => !TYPED.some((block) => is.test(lineOf(block))))).toEqual([]);
});

/** Commands in running text that are not typed here, and why not. */
const ELSEWHERE: readonly (readonly [RegExp, string])[] = [
  [/^npm (run [\w:]+|test|start|pack)\b/, 'each script is typed, and kept short, in test/program/scripts.long.test.ts'],
  [/^\.ci\/run$/, 'it runs this'],
  [/^docker compose up --build demo$/, 'there is no container engine here: the file is looked at, below'],
  [/^promtool test rules$/, 'test/deploy'],
  [/^ulimit -n$/, "the shell's own"],
  [/^node (--import tsx src\/cli\.ts|dist\/src\/cli\.js)$/, 'what `backscroll` stands for'],
  [/^backscroll( (serve|demo|key create|token create|webhook create)\b.*)?$/, 'how it is called: typed above with arguments'],
];

test('commands in running text are typed here or elsewhere', () => {
  const isCommand =
    /^(node|npm|npx|docker|kubectl|helm|systemctl|curl|git|backscroll|promtool|ulimit|redis-cli|\.ci\/run)(?= |$)/;
  const words = PAGES.flatMap((page) => codeWords(textOf(page).replaceAll(/^ *```.*?^ *```$/gms, '')));
  const inText = words.filter((word) => isCommand.test(word));
  const typed = new Set(['node dist/src/cli.js check', 'backscroll check', 'backscroll --version']);
  expect(inText.filter((word) => !typed.has(word) && !ELSEWHERE.some(([is]) => is.test(word)))).toEqual([]);
  expect(ELSEWHERE.filter(([is]) => !inText.some((word) => is.test(word)))).toEqual([]);
});

test('the demo of the container starts what it is said to', () => {
  expectComposed('demo');
});

interface Service {
  readonly build?: string;
  readonly command?: readonly string[];
  readonly depends_on?: readonly string[];
  readonly ports?: readonly string[];
  readonly profiles?: readonly string[];
  readonly secrets?: readonly string[];
  readonly volumes?: readonly string[];
}

/** No container engine runs here: what starts has its files, and is reached where the documents say. */
function expectComposed(name: string): void {
  const { services, secrets } = parse(textOf('docker-compose.yml'), { merge: true }) as {
    readonly services: Readonly<Record<string, Service>>;
    readonly secrets: Readonly<Record<string, { readonly file: string }>>;
  };
  const { command: started, ports, profiles } = services[name]!;
  expect(ports).toEqual(['127.0.0.1:8080:8080']);
  expect(started).toEqual(name === 'demo' ? ['node', manifest.bin.backscroll, 'demo'] : undefined);
  // Without a name, only what has no profile starts.
  expect(profiles === undefined).toBe(name === 'backscroll');
  const all = [name];
  for (const each of all) all.push(...(services[each]!.depends_on ?? []).filter((other) => !all.includes(other)));
  for (const { build, secrets: taken = [], volumes = [] } of all.map((each) => services[each]!)) {
    const files = [
      ...(build === undefined ? [] : [join(build, 'Dockerfile')]),
      ...volumes.map((volume) => volume.split(':')[0]!),
    ];
    expect(files.filter((file) => !existsSync(join(clone, file)))).toEqual([]);
    // Those that the README has its reader make.
    for (const secret of taken) expect(textOf('README.md')).toContain(`\`${secrets[secret]!.file.replace('./', '')}\``);
  }
}

/** No cluster runs here: the manifests read the secret that is made. */
function expectManifests(text: string): void {
  const folder = / apply -f (\S+)$/m.exec(text)![1]!;
  const manifests = readdirSync(join(clone, folder)).map((name) => textOf(join(folder, name)));
  const told = manifests.join('\n');
  expect(told).toContain(`secretName: ${/ generic (\S+)/.exec(text)![1]}\n`);
  const files = [...text.matchAll(/--from-file=(\w+)/g)].map(([, file]) => file!);
  const read = [...told.matchAll(/_FILE\n +value: \/\S*\/(\w+)/g)].map(([, file]) => file!);
  expect(files.toSorted()).toEqual(read.toSorted());
}

/** Without the mark of those that `npm test` types, too. */
function lineOf({ text }: Block): string {
  return text.replace('# runs in CI\n', '').trimEnd();
}

function firstLine(block: Block): string {
  return lineOf(block).split('\n', 1)[0]!;
}
