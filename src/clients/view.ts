// What a customer may see: only what the table below names, and nothing that is not needed to draw a transcript.
//
// A member that is not in it does not leave, nor does one that is in it but has another form than the table says. What is
// kept is kept in Chatwoot's own bytes, so numbers and escapes stay as they were written.

import { atOnce, type Steps } from '../steps.ts';
import type { Query } from '../timeline/query.ts';
import type { Envelope, RawBytes, Row } from '../timeline/reading.ts';
import { skipSpace, skipValue, walkArray, walkObject } from '../upstream/json-walk.ts';
import type { TimestampQuery } from '../upstream/upstream.ts';
import type { View } from './client.ts';
import { showsContactData, urlShowsContactData } from './contact-data.ts';

/** Forms of single values. `null` passes each of them: it says nothing. */
const FORMS = {
  number: { meaning: 'a number', admits: (raw: RawBytes) => /^-?\d/.test(raw) },
  flag: { meaning: '`true` or `false`', admits: (raw: RawBytes) => raw === 'true' || raw === 'false' },
  text: { meaning: 'any text', admits: (raw: RawBytes) => raw.startsWith('"') },
  word: { meaning: 'letters, digits, `_` and `-`, at most 40', admits: (raw: RawBytes) => /^"[A-Za-z][\w-]{0,39}"$/.test(raw) },
  mimetype: {
    meaning: 'a media type such as `image/png`',
    admits: (raw: RawBytes) => /^"[a-z][\w.+-]{0,99}\/[\w.+-]{1,99}"$/i.test(raw),
  },
  label: {
    meaning: 'a text without an e-mail address or a phone number (seven digits with no letter between them)',
    admits: isLabel,
  },
  url: {
    meaning:
      'an http or https URL without credentials, and without an e-mail address or a phone number, or an empty text. ' +
      'Signed ids, hashes, days and places on a map are no phone numbers',
    admits: isUrl,
  },
} as const satisfies Record<string, { readonly meaning: string; readonly admits: (raw: RawBytes) => boolean }>;

/** `first` names a member whose value is taken instead, where it has one. */
type Rule =
  | { readonly form: keyof typeof FORMS; readonly first?: string }
  | { readonly object: Shape | ShapesByType }
  | { readonly list: Shape | ShapesByType };

/** The members that are kept of one kind of object, in the order in which they are written. */
interface Shape {
  readonly what: string;
  readonly keep: Readonly<Record<string, Rule>>;
  /** What stays behind although one might look for it, and why. */
  readonly without: string;
}

/** Objects that say in a member what they are. */
interface ShapesByType {
  readonly member: string;
  readonly shapes: ReadonlyMap<string, Shape>;
  /** For what is not known here: newer versions and forks have more. */
  readonly otherwise: Shape;
}

const number = { form: 'number' } as const;
const flag = { form: 'flag' } as const;
const text = { form: 'text' } as const;
const word = { form: 'word' } as const;
const mimetype = { form: 'mimetype' } as const;
const label = { form: 'label' } as const;
const url = { form: 'url' } as const;

const CONTACT: Shape = {
  what: 'a contact (`sender`, `meta.contact`)',
  keep: { id: number, name: label, thumbnail: url, type: word },
  without: '`email`, `phone_number`, `identifier`, `additional_attributes`, `custom_attributes`, `blocked`',
};

const USER: Shape = {
  what: 'an agent (`sender`)',
  keep: {
    id: number,
    name: { ...label, first: 'available_name' },
    available_name: label,
    avatar_url: url,
    type: word,
    thumbnail: url,
  },
  without: '`availability_status`. Where the agent has a display name, `name` is that too, as in the widget',
};

const BOT: Shape = {
  what: 'a bot or an assistant (`sender`)',
  keep: { id: number, name: label, avatar_url: url, type: word },
  without: '`description`, `created_at`: how it was set up',
};

const SENDER: ShapesByType = {
  member: 'type',
  shapes: new Map([
    ['contact', CONTACT],
    ['user', USER],
    ['agent_bot', BOT],
    ['captain_assistant', BOT],
  ]),
  otherwise: { what: 'any other sender', keep: { name: label }, without: 'the rest: what it is, is not known' },
};

const MEDIA: Shape = {
  what: 'a file: image, audio, video, story, post',
  keep: {
    id: number,
    file_type: word,
    content_type: mimetype,
    data_url: url,
    thumb_url: url,
    file_size: number,
    width: number,
    height: number,
  },
  without: '`transcribed_text`: made by a machine for agents',
};

const MEDIA_TYPES = ['image', 'audio', 'video', 'file', 'share', 'story_mention', 'ig_reel', 'ig_post', 'ig_story'];

const ATTACHMENT: ShapesByType = {
  member: 'file_type',
  shapes: new Map([
    ...MEDIA_TYPES.map((type): [string, Shape] => [type, MEDIA]),
    [
      'location',
      {
        what: 'a location',
        keep: {
          id: number,
          file_type: word,
          data_url: url,
          coordinates_lat: number,
          coordinates_long: number,
          fallback_title: label,
        },
        without: '',
      },
    ],
    [
      'fallback',
      { what: 'a shared link', keep: { id: number, file_type: word, data_url: url, fallback_title: label }, without: '' },
    ],
    ['embed', { what: 'an embedded page', keep: { id: number, file_type: word, data_url: url }, without: '' }],
  ]),
  otherwise: {
    what: 'a contact card, any other attachment',
    keep: { id: number, file_type: word },
    without: '`fallback_title` and `meta`: of a contact card they are a phone number and a name',
  },
};

const ITEM: Shape = {
  what: 'an option, card, article or field of a form (`content_attributes.items`)',
  keep: {
    title: text,
    description: text,
    label: text,
    media_url: url,
    link: url,
    actions: {
      list: {
        what: 'a button of a card (`actions`)',
        keep: { type: word, text, uri: url },
        without: '`payload`: what it tells a bot',
      },
    },
  },
  without: '`value`, `name`, `pattern`: what a widget sends back',
};

const CHOICE: Shape = {
  what: 'a chosen option (`content_attributes.submitted_values`)',
  keep: { title: text },
  without: '`name`, `value`: what was typed into a form, most often an e-mail address or a phone number. A satisfaction survey',
};

const ATTRIBUTES: Shape = {
  what: '`content_attributes`',
  keep: {
    in_reply_to: number,
    items: { list: ITEM },
    submitted_values: { list: CHOICE },
    deleted: flag,
    is_unsupported: flag,
    image_type: word,
  },
  without:
    '`email` (headers, addresses, quoted threads), `cc_emails`, `bcc_emails`, `to_emails`, `submitted_email`, `external_error`, ' +
    '`translations`, `automation_rule_id`, `in_reply_to_external_id`, `external_created_at`, `story_sender`, `data`: for agents and programs',
};

const MESSAGE: Shape = {
  what: 'a message',
  keep: {
    id: number,
    content: text,
    conversation_id: number,
    message_type: number,
    content_type: word,
    status: word,
    content_attributes: { object: ATTRIBUTES },
    created_at: number,
    private: flag,
    sender: { object: SENDER },
    attachments: { list: ATTACHMENT },
  },
  without: '`source_id`: that of WhatsApp holds the phone number, that of an e-mail is an address. `inbox_id`, `call`',
};

const META: Shape = {
  what: '`meta`',
  keep: { contact: { object: CONTACT } },
  without: '`labels`, `additional_attributes`, `assignee`, `agent_last_seen_at`, `assignee_last_seen_at`: how the team works',
};

/** The query as this view asks it. A customer's has the internal filter on, whatever was asked, so its pages are cut after the filter. */
export function queryOfView<Q extends Query | TimestampQuery>(view: View, query: Q): Q {
  switch (view) {
    case 'agent':
      return query;
    case 'customer':
      return query.publicOnly ? query : { ...query, publicOnly: true };
  }
}

/** A page as a customer sees it. */
export interface CustomerPage {
  readonly rows: readonly { readonly raw: RawBytes }[];
  readonly envelope: Envelope;
  /** Internal rows that were on the page although the filter was on. They are left out; there should never be one. */
  readonly withheld: number;
}

interface AgentPage {
  readonly rows: readonly Row[];
  readonly envelope: Envelope;
}

/** What is worked through in one step: a quarter of a millisecond. Links are looked through for contact data, at some 40 ns a byte. */
const STEP_BYTES = 6 * 1024;
/** Less than this is done at once. */
export const CUSTOMER_AT_ONCE_BYTES = 24 * 1024;

/** The customer view of a page. What it is made of comes from `splitBody`, so it is valid JSON. */
export function customerPage(page: AgentPage): CustomerPage {
  return atOnce(customerPageSteps(page));
}

/** The same in steps. */
export function* customerPageSteps(page: AgentPage): Steps<CustomerPage> {
  const rows: { readonly raw: RawBytes }[] = [];
  let stepBytes = 0;
  for (const row of page.rows) {
    const kept = customerRow(row);
    if (kept !== null) rows.push(kept);
    stepBytes += row.raw.length;
    if (stepBytes < STEP_BYTES) continue;
    yield;
    stepBytes = 0;
  }
  return { rows, envelope: customerEnvelope(page.envelope), withheld: page.rows.length - rows.length };
}

/** The message_type of what Chatwoot notes by itself (contract 3.2). */
const ACTIVITY = 2;

function customerRow({ internal, raw }: Row): { raw: RawBytes } | null {
  const members = membersAt(raw, skipSpace(raw, 0));
  // Asked of the bytes too: what the row was sorted by may have been kept elsewhere.
  const isPublic = members.get('private') === 'false' && Number(members.get('message_type')) !== ACTIVITY;
  return internal || !isPublic ? null : { raw: keepOf(members, MESSAGE) };
}

/** Head and tail together are the body without its rows (see `Envelope`). */
function customerEnvelope({ head, tail }: Envelope): Envelope {
  const body = head + tail;
  const meta = membersAt(body, skipSpace(body, 0)).get('meta') ?? '{}';
  return { head: `{"meta":${keepOf(membersAt(meta, 0), META)},"payload":[`, tail: ']}' };
}

/** The names that some shape keeps. Others are not even gathered: whoever wrote the row may have made many. */
const KEPT = new Set(['meta', ...[META, MESSAGE].flatMap((shape) => shapesFrom(shape)).flatMap(({ keep }) => Object.keys(keep))]);

/** The raw members of the object that opens at `open`, as far as any are kept. Of repeated ones the last counts, as everywhere. */
function membersAt(json: RawBytes, open: number): ReadonlyMap<string, RawBytes> {
  const members = new Map<string, RawBytes>();
  walkObject(json, open, (key, at) => {
    const end = skipValue(json, at);
    if (KEPT.has(key)) members.set(key, json.slice(at, end).trimEnd());
    return end;
  });
  return members;
}

function keepOf(members: ReadonlyMap<string, RawBytes>, shape: Shape): RawBytes {
  let kept = '';
  for (const key in shape.keep) {
    const value = keepValue(members, key, shape.keep[key]!);
    if (value !== null) kept += `${kept === '' ? '' : ','}"${key}":${value}`;
  }
  return `{${kept}}`;
}

/** The value that is written for a member, or null where the member is left out. */
function keepValue(members: ReadonlyMap<string, RawBytes>, key: string, rule: Rule): RawBytes | null {
  const raw = members.get(key);
  if (raw === undefined) return null;
  if ('object' in rule) return keepObject(raw, rule.object);
  if ('list' in rule) return keepList(raw, rule.list);
  const first = rule.first === undefined ? undefined : members.get(rule.first);
  const value = first === undefined || first === 'null' || first === '""' ? raw : first;
  return value === 'null' || FORMS[rule.form].admits(value) ? value : null;
}

function keepObject(raw: RawBytes, shapes: Shape | ShapesByType): RawBytes | null {
  if (!raw.startsWith('{')) return null;
  const members = membersAt(raw, 0);
  if ('keep' in shapes) return keepOf(members, shapes);
  const type = textOf(members.get(shapes.member) ?? '');
  return keepOf(members, (type === null ? undefined : shapes.shapes.get(type)) ?? shapes.otherwise);
}

/** Elements that are not objects are left out: attachments may hold a literal null (contract 3.3). */
function keepList(raw: RawBytes, shapes: Shape | ShapesByType): RawBytes | null {
  if (!raw.startsWith('[')) return null;
  const { elements } = walkArray(raw, 0, (at) => skipValue(raw, at));
  return `[${elements.flatMap(({ from, to }) => keepObject(raw.slice(from, to).trim(), shapes) ?? []).join(',')}]`;
}

/** The text that raw bytes stand for, or null where they are no JSON string. */
function textOf(raw: RawBytes): string | null {
  if (!raw.startsWith('"')) return null;
  if (/^[ !#-[\]-~]*$/.test(raw.slice(1, -1))) return raw.slice(1, -1); // Nothing in it to decode.
  const value: unknown = JSON.parse(Buffer.from(raw, 'latin1').toString());
  return typeof value === 'string' ? value : null;
}

function isLabel(raw: RawBytes): boolean {
  const value = textOf(raw);
  return value !== null && !showsContactData(value);
}

function isUrl(raw: RawBytes): boolean {
  const value = textOf(raw);
  if (value === null || value === '') return value === '';
  if (!/^https?:\/\//i.test(value) || !URL.canParse(value)) return false;
  const { username, password } = new URL(value);
  return username === '' && password === '' && !urlShowsContactData(value);
}

/** The allow-list as a Markdown table for people. */
export function customerViewTable(): string {
  const rows = [META, MESSAGE].flatMap((shape) => shapesFrom(shape));
  const lines = [...new Set(rows)].map(({ what, keep, without }) => {
    const kept = Object.entries(keep).map(([key, rule]) => `\`${key}\`${'form' in rule ? ` ${rule.form}` : ''}`);
    return ['', what, kept.join(', '), without, ''].join(' | ').trim();
  });
  return ['| of | kept | left out, among others |', '| --- | --- | --- |', ...lines].join('\n');
}

/** What the words of the table mean, as a Markdown list. */
export function customerViewForms(): string {
  return Object.entries(FORMS)
    .map(([name, { meaning }]) => `- ${name}: ${meaning}`)
    .join('\n');
}

/** A shape and those below it. */
function shapesFrom(shape: Shape): Shape[] {
  const below = Object.values(shape.keep).flatMap((rule) => {
    if ('form' in rule) return [];
    const shapes = 'object' in rule ? rule.object : rule.list;
    return 'keep' in shapes ? [shapes] : [...shapes.shapes.values(), shapes.otherwise];
  });
  return [shape, ...below.flatMap(shapesFrom)];
}
