// What leaves in the customer view. The lists of what may leave stand here a second time, by hand: the table cannot vouch for itself.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { customerPage, customerPageSteps, customerViewForms, customerViewTable, queryOfView } from '../../src/clients/view.ts';
import type { Row } from '../../src/timeline/reading.ts';
import { splitBody } from '../../src/upstream/split-body.ts';
import { loadRecordings, recordedMetas, tableFromRecordings } from '../support/fake-chatwoot/load-recordings.ts';
import { railsJson, type JsonObject } from '../support/fake-chatwoot/rails-json.ts';

/** Places where people speak: what they wrote there stays as it is, addresses included. */
const SPEECH = [
  'content',
  'content_attributes.items[].title',
  'content_attributes.items[].description',
  'content_attributes.items[].label',
  'content_attributes.items[].actions[].text',
  'content_attributes.submitted_values[].title',
];

/** Places of names, addresses on the web and Chatwoot's own words: no e-mail address and no phone number leaves there. */
const SIGNS = [
  'content_type',
  'status',
  'content_attributes.image_type',
  'content_attributes.items[].media_url',
  'content_attributes.items[].link',
  'content_attributes.items[].actions[].type',
  'content_attributes.items[].actions[].uri',
  'sender.name',
  'sender.available_name',
  'sender.avatar_url',
  'sender.thumbnail',
  'sender.type',
  'attachments[].file_type',
  'attachments[].content_type',
  'attachments[].data_url',
  'attachments[].thumb_url',
  'attachments[].fallback_title',
  'meta.contact.name',
  'meta.contact.thumbnail',
  'meta.contact.type',
];

/** Every member that can be there at all, beside the places above. */
const OTHERS = [
  'id',
  'conversation_id',
  'message_type',
  'created_at',
  'private',
  'content_attributes',
  'content_attributes.in_reply_to',
  'content_attributes.deleted',
  'content_attributes.is_unsupported',
  'content_attributes.items',
  'content_attributes.items[].actions',
  'content_attributes.submitted_values',
  'sender',
  'sender.id',
  'attachments',
  ...['id', 'file_size', 'width', 'height', 'coordinates_lat', 'coordinates_long'].map((member) => `attachments[].${member}`),
  'meta.contact',
  'meta.contact.id',
];

const recordings = loadRecordings();
const recorded = recordings.conversations.flatMap(({ rows }) => rows).map(({ raw }) => JSON.parse(raw) as JsonObject);
const spoken = recorded.filter((row) => row['private'] === false && row['message_type'] !== 2);
const metas = [...recordedMetas(recordings.exchanges).values()].map((meta) => JSON.parse(meta) as JsonObject);

/** The page with these rows, cut as the one that Chatwoot sends. */
function page(rows: readonly JsonObject[], meta: JsonObject = {}): ReturnType<typeof splitBody> {
  const numbered = rows.map((row, at) => ({ ...row, id: at + 1 }));
  return splitBody(Buffer.from(`{"meta":${railsJson(meta)},"payload":${railsJson(numbered)}}`));
}

interface Shown {
  readonly meta: unknown;
  readonly payload: readonly Record<string, unknown>[];
}

/** What a customer's program makes of it. */
function shown(cut: {
  readonly rows: readonly Row[];
  readonly envelope: { readonly head: string; readonly tail: string };
}): Shown {
  const { rows, envelope } = customerPage(cut);
  const body = envelope.head + rows.map(({ raw }) => raw).join(',') + envelope.tail;
  return JSON.parse(Buffer.from(body, 'latin1').toString()) as Shown;
}

function show(row: JsonObject): Record<string, unknown> {
  return shown(page([{ ...SPOKEN, ...row }])).payload[0]!;
}

const SPOKEN: JsonObject = { id: 1, created_at: 1, message_type: 0, private: false, content: 'x' };

/** Every place of a value below `at`, with the value. */
function places(value: unknown, at = ''): { readonly path: string; readonly value: unknown }[] {
  if (Array.isArray(value)) return value.flatMap((element: unknown) => below(element, `${at}[]`));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => below(member, at === '' ? key : `${at}.${key}`));
}

function below(value: unknown, path: string): { readonly path: string; readonly value: unknown }[] {
  return [...(path.endsWith('[]') ? [] : [{ path, value }]), ...places(value, path)];
}

/** The same with each string replaced, but for those that say what an object is. */
function plant(value: unknown, canary: (path: string) => string, at = ''): unknown {
  if (typeof value === 'string') return /(?:^|\.|\])(?:sender|contact)\.type$|file_type$/.test(at) ? value : canary(at);
  if (Array.isArray(value)) return value.map((element: unknown) => plant(element, canary, `${at}[]`));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, plant(member, canary, at === '' ? key : `${at}.${key}`)]),
  );
}

/** Equal for rows that have the same members. */
function shapeOf(row: JsonObject): string {
  return [...new Set(places(row).map(({ path, value }) => `${path} ${value === null ? 'null' : typeof value}`))].join('\n');
}

/** Fills strings where the recordings have null: addresses would stand there. */
function fillNulls(value: unknown): unknown {
  if (value === null) return 'filled';
  if (Array.isArray(value)) return value.map(fillNulls);
  return typeof value === 'object'
    ? Object.fromEntries(Object.entries(value).map(([key, member]) => [key, fillNulls(member)]))
    : value;
}

const CANARIES: readonly (readonly [string, (n: number) => string, RegExp, readonly string[]])[] = [
  ['e-mail addresses', (n) => `leak${n}@canary.test`, /leak(\d+)@canary\.test/g, SPEECH],
  ['e-mail addresses with names', (n) => `Nadia <leak${n}@canary.test>`, /leak(\d+)@canary\.test/g, SPEECH],
  ['phone numbers', (n) => `+49 (155) 5000-${1000 + n}x${n}y`, /x(\d+)y/g, SPEECH],
  ['mailto URLs', (n) => `mailto:leak${n}@canary.test`, /leak(\d+)@canary\.test/g, SPEECH],
  [
    'scripts',
    (n) => `javascript:leak(${n})`,
    /leak\((\d+)\)/g,
    [...SPEECH, ...SIGNS.filter((path) => /name$|title$/.test(path))],
  ],
  ['words', (n) => `leak_${n}_`, /leak_(\d+)_/g, [...SPEECH, ...SIGNS]],
  ['URLs', (n) => `https://files.example.test/leak-${n}-`, /leak-(\d+)-/g, [...SPEECH, ...SIGNS]],
];

describe('planted canaries', () => {
  const rows = [...new Map(spoken.map((row) => [shapeOf(row), row])).values()].flatMap((row) => [
    row,
    fillNulls(row) as JsonObject,
  ]);
  const everyMeta = metas.flatMap((meta) => [meta, fillNulls(meta) as JsonObject]);

  test.each(CANARIES)(
    '%s in every string of the recordings leave only where people speak or the table says so',
    (_what, canary, find, allowed) => {
      const planted: string[] = [];
      const next = (path: string): string => canary(planted.push(path) - 1);
      const cuts = [
        ...rows.map((row) => page([plant(row, next) as JsonObject])),
        ...everyMeta.map((meta) => page([], plant({ meta }, next) as JsonObject)),
        ...everyMeta.map((meta) => page([], (plant({ meta }, next) as { meta: JsonObject }).meta)),
      ];
      const left = cuts.flatMap((cut) => [...JSON.stringify(shown(cut)).matchAll(find)].map(([, n]) => planted[Number(n)]!));
      expect(new Set(left.filter((path) => !allowed.includes(path)))).toEqual(new Set());
      expect(planted.length).toBeGreaterThan(1000);
      expect(left).not.toEqual([]);
    },
  );

  test('no private note and no activity leaves, whatever it was sorted as', () => {
    const internal = recorded.filter((row) => row['private'] !== false || row['message_type'] === 2);
    expect(internal.length).toBeGreaterThan(100);
    const cut = page([...internal, ...spoken.slice(0, 3)]);
    for (const rowsSortedWrong of [cut.rows, cut.rows.map((row) => ({ ...row, internal: false }))]) {
      const view = customerPage({ rows: rowsSortedWrong, envelope: cut.envelope });
      expect(view.rows).toHaveLength(3);
      expect(view.withheld).toBe(internal.length);
    }
    const sortedInternal = cut.rows.map((row) => ({ ...row, internal: true }));
    expect(customerPage({ rows: sortedInternal, envelope: cut.envelope }).rows).toEqual([]);
  });

  test('arbitrary objects in every place: only members of the list are there, and of their form', () => {
    const members = [
      ...new Set([...SPEECH, ...SIGNS, ...OTHERS, ...recorded.flatMap((row) => places(row).map(({ path }) => path))]),
    ].map((path) => path.slice(path.lastIndexOf('.') + 1));
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { depthSize: 'medium', withCrossShrink: true },
        fc.constantFrom<unknown>(
          null,
          true,
          4.5,
          'contact',
          'user',
          'image',
          'https://a.test/b',
          'word',
          'two words',
          '',
          '\u2028<ü>',
        ),
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom(...members, '__proto__', 'constructor', 'unknown'), tie('tree'), { maxKeys: 8 }),
      ),
    }));
    const allowed = new Set([...SPEECH, ...SIGNS, ...OTHERS]);
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom(...members, 'unknown'), tree),
        fc.dictionary(fc.constantFrom(...members), tree),
        (row, meta) => {
          const { payload, ...envelope } = shown(page([{ ...row, ...SPOKEN }], meta));
          expect(Object.keys(envelope)).toEqual(['meta']);
          for (const { path, value } of [...places(payload[0]!), ...places(envelope).filter((place) => place.path !== 'meta')]) {
            expect(allowed).toContain(path);
            if (SPEECH.includes(path) || SIGNS.includes(path)) expect(value === null || typeof value === 'string').toBe(true);
            if (path.endsWith('_url') || path.endsWith('thumbnail')) expect(value ?? '').toMatch(/^$|^https?:\/\//);
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('what is kept', () => {
  test('a transcript of the recordings can be drawn: nobody loses words, files, names or order', () => {
    const cut = page(spoken);
    const { payload } = shown(cut);
    expect(payload).toHaveLength(spoken.length);
    for (const [at, row] of payload.entries()) {
      const { id: _, ...before } = spoken[at]!;
      expect(row).toMatchObject({
        id: at + 1,
        content: before['content'],
        created_at: before['created_at'],
        message_type: before['message_type'],
      });
      expect(row).toMatchObject({ private: false, status: before['status'], content_type: before['content_type'] });
      expect('sender' in row).toBe('sender' in before);
      const files = ((before['attachments'] ?? []) as (JsonObject | null)[]).filter((file) => file !== null);
      expect(((row['attachments'] ?? []) as JsonObject[]).map((file) => file['data_url'])).toEqual(
        files.map((file) => (file['file_type'] === 'contact' ? undefined : file['data_url'])),
      );
    }
  });

  test('kept values are the bytes that Chatwoot wrote', () => {
    const raw = String.raw`{ "id":7,"content":"<\u003c\u2028 é 😀 \"","private":false ,"message_type":0,"created_at":1,
      "content_attributes":{"in_reply_to":12345678901234567890},
      "attachments":[ null, {"id":1,"file_type":"location","coordinates_lat":1.0,"coordinates_long":-0.0}]}`;
    const [row] = customerPage(splitBody(Buffer.from(`{"meta":{},"payload":[${raw}]}`))).rows;
    expect(Buffer.from(row!.raw, 'latin1').toString()).toBe(
      String.raw`{"id":7,"content":"<\u003c\u2028 é 😀 \"","message_type":0,"content_attributes":{"in_reply_to":12345678901234567890},` +
        '"created_at":1,"private":false,"attachments":[{"id":1,"file_type":"location","coordinates_lat":1.0,"coordinates_long":-0.0}]}',
    );
  });

  test('of a member that stands twice, the last is judged and kept', () => {
    const raw = String.raw`{"id":7,"private":false,"message_type":0,"created_at":1,"sender":{"type":"user","type":"odd","id":4,"n\u0061me":"A","name":"B"}}`;
    const [row] = customerPage(splitBody(Buffer.from(`{"meta":{},"payload":[${raw}]}`))).rows;
    expect(row!.raw).toContain('"sender":{"name":"B"}');
  });

  test('an empty page keeps its envelope, whatever stands around it', () => {
    for (const body of [
      '{"meta":{"labels":["x"]},"payload":[]}',
      ' {"payload" : [ ] , "extra":1, "meta" : {"labels":["x"]} } ',
    ]) {
      expect(shown(splitBody(Buffer.from(body)))).toEqual({ meta: {}, payload: [] });
    }
  });

  test.each<[string, JsonObject, JsonObject]>([
    [
      'an agent by the display name',
      { type: 'user', id: 1, name: 'Otto Outsider', available_name: 'Benny' },
      { id: 1, name: 'Benny', available_name: 'Benny', type: 'user' },
    ],
    [
      'an agent without one',
      { type: 'user', name: 'Otto', available_name: '', availability_status: 'online' },
      { name: 'Otto', available_name: '', type: 'user' },
    ],
    [
      'a contact',
      { type: 'contact', id: 2, name: 'Nadia', email: 'n@x.test', blocked: false, thumbnail: '' },
      { id: 2, name: 'Nadia', thumbnail: '', type: 'contact' },
    ],
    ['a contact named by its e-mail address', { type: 'contact', name: 'nadia@x.test' }, { type: 'contact' }],
    ['a contact named by its number', { type: 'contact', name: '+1 555-010-0001' }, { type: 'contact' }],
    ['a contact named by a number in wide digits', { type: 'contact', name: '１５５５０１０００１' }, { type: 'contact' }],
    [
      'a visitor with a number in its name',
      { type: 'contact', name: 'autumn-fog-123' },
      { name: 'autumn-fog-123', type: 'contact' },
    ],
    [
      'a bot',
      { type: 'agent_bot', id: 3, name: 'Bot', description: 'd', avatar_url: 'https://a.test/b.png' },
      { id: 3, name: 'Bot', avatar_url: 'https://a.test/b.png', type: 'agent_bot' },
    ],
    ['somebody unknown', { type: 'robot', id: 3, name: 'R2', avatar_url: 'https://a.test/b.png' }, { name: 'R2' }],
    ['somebody without a type', { id: 3, name: 'R2' }, { name: 'R2' }],
  ])('the sender is %s', (_what, sender, kept) => {
    expect(show({ sender })['sender']).toEqual(kept);
  });

  test.each([
    'javascript:alert(1)',
    'data:text/html,x',
    'ftp://a.test/x',
    '//a.test/x',
    ' https://a.test',
    'https://u:p@a.test/x',
    'https://',
    'HTTPS:a.test',
  ])('the URL %j is left out', (url) =>
    expect(show({ attachments: [{ id: 1, file_type: 'image', data_url: url }] })['attachments']).toEqual([
      { id: 1, file_type: 'image' },
    ]),
  );

  test.each(
    [
      '\u2212',
      '\u200b',
      '\u00ad',
      '_',
      '\u00b7',
      '+',
      '\u2060',
      '\u3164',
      '*',
      '\u02bc',
      '\ufe0f\u20e3',
      ' / ',
      '=',
      '\u2e31',
    ].map((sign) => ['555', '0100', '001'].join(sign)),
  )('the number %j is no name', (name) => {
    expect(show({ sender: { type: 'contact', name } })['sender']).toEqual({ type: 'contact' });
    const attachments = [{ file_type: 'fallback', fallback_title: name }];
    expect(show({ attachments })['attachments']).toEqual([{ file_type: 'fallback' }]);
  });

  test.each(['jane\u200b@\u200bexample.test', 'jane\u00ad@example.test', 'jane\uff20example.test'])(
    'the address %j is no name',
    (name) => expect(show({ sender: { type: 'contact', name } })['sender']).toEqual({ type: 'contact' }),
  );

  test('six digits are a name, and so are seven with a letter between them', () => {
    for (const name of ['Room 12-34-56', 'Nadia 1990 b 2026', '№ 100 000']) {
      expect(show({ sender: { type: 'contact', name } })['sender']).toEqual({ name, type: 'contact' });
    }
  });

  const HASH = '757bb31c9f7e73e001146a5095617aae12345678';
  test.each([
    `https://chat.example.test/rails/active_storage/blobs/redirect/eyJfcmFpbHMiOnsiMTIzNDU2Nzg5MCJ9fQ==--${HASH}/photo.png`,
    `https://203.0.113.77:3000/rails/active_storage/blobs/redirect/eyJf--${HASH}/IMG-20260101-WA0003.jpg`,
    `https://chat.example.test/rails/active_storage/blobs/redirect/eyJf--${HASH}/Screenshot%202026-01-01%20at%2012.00.00.png`,
    'https://a.test/2026/01/01/1234/x.png',
    'https://lookaside.fbsbx.com/ig_messaging_cdn/?asset_id=17912345678901234&signature=AbC',
    'https://maps.google.com/?q=52.5200066,13.4049540',
    'https://shop.test/files/a.png?v=1699999999',
    'https://a.test/12345678-1234-1234-1234-123456789012/x',
    `https://www.gravatar.test/avatar/0123456789abcdef0123456789abcdef`,
    'https://a.test/logo@2x.png',
    'https://a.test/@jane/posts',
    '',
  ])('the URL %j is kept', (url) =>
    expect(show({ attachments: [{ id: 1, file_type: 'image', data_url: url, thumb_url: '' }] })['attachments']).toEqual([
      { id: 1, file_type: 'image', data_url: url, thumb_url: '' },
    ]),
  );

  test.each([
    'https://a.test/jane@example.test.png',
    'https://a.test/jane%40example.test',
    'https://a.test/jane%2540example.test',
    'https://a.test/?to=jane@example.test',
    'https://a.test/jane%E2%80%8B@2x.example.test',
    'https://a.test/#jane@example.test',
    'https://wa.me/15550100001',
    'https://a.test/?phone=%2B49%20155%205000',
    'https://a.test/+49%2F155%2F5000.png',
    'https://a.test/avatars/555\u2212010\u22120001.png',
    'https://a.test/+20260101',
  ])('the URL %j is left out, for whom it names', (url) => {
    expect(show({ attachments: [{ id: 1, file_type: 'image', data_url: url }] })['attachments']).toEqual([
      { id: 1, file_type: 'image' },
    ]);
    expect(show({ sender: { type: 'user', avatar_url: url } })['sender']).toEqual({ type: 'user' });
    const items = [{ link: url, actions: [{ uri: url }] }];
    expect(show({ content_attributes: { items } })['content_attributes']).toEqual({ items: [{ actions: [{}] }] });
  });

  test('of a file, its media type is shown where it is one', () => {
    const types = [
      'image/png',
      'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
      'png',
      'a/b c',
      'a@b/c',
    ];
    const attachments = types.map((type) => ({ file_type: 'file', content_type: type }));
    const [first, second] = attachments;
    const rest = { file_type: 'file' };
    expect(show({ attachments })['attachments']).toEqual([first, second, rest, rest, rest]);
  });

  test('what newer versions add to a row stays behind: a call', () => {
    expect(show({ content_type: 'voice_call', call: { from_number: '+15550100001', status: 'ringing' } })).toEqual({
      ...SPOKEN,
      content_type: 'voice_call',
    });
  });

  test('what was typed into a form stays behind, what was chosen from a list is shown', () => {
    expect(
      show({
        content_attributes: {
          submitted_values: [
            { name: 'email', value: 'x@example.test' },
            { title: 'Green', value: 'g' },
          ],
        },
      }),
    ).toMatchObject({
      content_attributes: { submitted_values: [{}, { title: 'Green' }] },
    });
    expect(
      show({ content_attributes: { submitted_values: { csat_survey_response: { rating: 4 } } } })['content_attributes'],
    ).toEqual({});
  });
});

describe('the query of a view', () => {
  test('a customer asks for what is public, whatever the mode and the parameter', () => {
    for (const publicOnly of [true, false]) {
      for (const query of [
        { mode: 'latest', publicOnly },
        { mode: 'before', before: 5, publicOnly },
        { mode: 'after', after: 5, publicOnly },
        { mode: 'between', after: 5, before: 9, publicOnly },
        { mode: 'before_timestamp', beforeTimestamp: 5, publicOnly },
      ] as const) {
        expect(queryOfView('customer', query)).toEqual({ ...query, publicOnly: true });
        expect(queryOfView('agent', query)).toBe(query);
      }
    }
  });

  test('the pages that it leads to lose nothing more', () => {
    const table = tableFromRecordings(recordings);
    for (const { account_id: account, display_id: conversation } of recordings.conversations) {
      for (const params of [{}, { after: 0 }, { after: 0, before: 1e9 }]) {
        const cut = splitBody(Buffer.from(table.body(account, conversation, { ...params, publicOnly: true })));
        expect(customerPage(cut)).toMatchObject({ withheld: 0, rows: { length: cut.rows.length } });
      }
    }
  });
});

describe('the table for people', () => {
  const table = customerViewTable();

  test('names every member that can leave, and the others only as left out', () => {
    const [kept, left] = [2, 3].map((cell) =>
      table
        .split('\n')
        .slice(2)
        .map((line) => line.split(' | ')[cell - 1] ?? '')
        .join(' '),
    );
    for (const path of [...SPEECH, ...SIGNS, ...OTHERS]) expect(kept).toContain(`\`${path.slice(path.lastIndexOf('.') + 1)}\``);
    for (const member of ['email', 'phone_number', 'identifier', 'custom_attributes', 'source_id', 'labels', 'external_error']) {
      expect(kept).not.toContain(`\`${member}\``);
      expect(left).toContain(`\`${member}\``);
    }
  });

  test('is a table with three cells a line, and every form that it names is told', () => {
    for (const line of table.split('\n')) expect(line.match(/\|/g)).toHaveLength(4);
    expect(customerViewForms().match(/^- (\w+): /gm)).toEqual(
      ['number', 'flag', 'text', 'word', 'mimetype', 'label', 'url'].map((form) => `- ${form}: `),
    );
  });
});

test('a large page is made in steps of a quarter of a millisecond, some 6 kB each', () => {
  const row = {
    id: 1,
    createdAt: 1,
    internal: false,
    raw: `{"id":1,"message_type":0,"private":false,"content":"${'x'.repeat(900)}"}`,
  };
  const large = { rows: Array.from({ length: 100 }, () => row), envelope: { head: '{"meta":{},"payload":[', tail: ']}' } };
  const steps = [...customerPageSteps(large)].length;
  expect(steps).toBeGreaterThanOrEqual(Math.floor((100 * row.raw.length) / 8_000));
  expect(steps).toBeLessThan(25);
});
