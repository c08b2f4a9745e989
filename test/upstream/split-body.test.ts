import { describe, expect, it } from 'vitest';
import { joinBody } from '../../src/cache/join-body.ts';
import { COPIED_STEP_BYTES } from '../../src/steps.ts';
import { VALUES_MAX } from '../../src/upstream/body-cutter.ts';
import { splitBodyInTurns } from '../../src/upstream/split-body.ts';
import { joined, refusal, split, text } from './cut.ts';

const ROW = '{"id":7,"content":"hi","message_type":0,"created_at":1700000000,"private":false}';

function row(id: number, createdAt = 1_700_000_000, rest = ''): string {
  return `{"id":${id},"created_at":${createdAt},"message_type":0,"private":false${rest}}`;
}

function page(...rows: string[]): string {
  return `{"meta":{"labels":[]},"payload":[${rows.join(',')}]}`;
}

describe('cutting a body', () => {
  it('gives head, rows and tail as they stand', () => {
    const parts = split(`{"meta":{"a":1},"payload":[${ROW},${row(8)}]}\n`);
    expect(parts.envelope).toEqual({ head: '{"meta":{"a":1},"payload":[', tail: ']}\n' });
    expect(parts.rows).toEqual([
      { id: 7, createdAt: 1_700_000_000, internal: false, imported: false, raw: ROW },
      { id: 8, createdAt: 1_700_000_000, internal: false, imported: false, raw: row(8) },
    ]);
    expect(parts.learnable).toBe(true);
  });

  it('takes payload before meta', () => {
    expect(split(`{"payload":[${ROW}],"meta":{"labels":["]"]}}`).envelope).toEqual({
      head: '{"payload":[',
      tail: '],"meta":{"labels":["]"]}}',
    });
  });

  it('leaves white space around a row to the row, that of an empty payload to the head', () => {
    expect(split(`{"meta":{},"payload":[ ${ROW}\n,\t${row(8)} ]}`).rows.map(({ raw }) => raw)).toEqual([
      ` ${ROW}\n`,
      `\t${row(8)} `,
    ]);
    expect(split('{"meta":{},"payload":[ \n]}').envelope).toEqual({ head: '{"meta":{},"payload":[ \n', tail: ']}' });
  });

  it('takes no key with an escaped quote for a shorter one', () => {
    const parts = split(page(row(1, 5, ',"id\\u0022:2,\\"id\\u0022":3,"\\u0069d\\u0022":4')));
    expect(parts.rows.map(({ id }) => id)).toEqual([1]);
  });

  it('finds keys that are written with escapes', () => {
    const escaped = '{"\\u0069d":7,"cre\\u0061ted_at":1,"message_type":1,"privat\\u0065":true}';
    const parts = split(`{"m\\u0065ta":{},"p\\u0061yload":[${escaped}]}`);
    expect(parts.rows).toEqual([{ id: 7, createdAt: 1, internal: true, imported: false, raw: escaped }]);
  });

  it.each([
    ['brackets, braces, quotes and backslashes in strings', '"a]},{[\\"\\\\"'],
    ['a string that ends in backslashes', '"\\\\\\\\"'],
    ['keys of a page within a row', '{"payload":[{"id":1}],"meta":{},"id":2,"private":1}'],
    ['null attachments', '[null,{"id":3}]'],
    ['50 kB of content', `"${'x\\n漢"'.replace('"', '\\"').repeat(7000)}"`],
    ['numbers that JavaScript cannot hold', '[1.0,12345678901234567890123,1e400,-0]'],
    ['lone surrogates and separators', '"\\ud800\\u2028\u2028"'],
    ['255 levels of nesting', `${'['.repeat(255)}${']'.repeat(255)}`],
  ])('keeps %s', (_name, value) => {
    const body = page(row(1, 5, `,"more":${value}`), row(2, 6, `,"more":${value}`));
    const parts = split(body);
    expect(parts.rows.map(({ raw }) => text(raw))).toEqual([row(1, 5, `,"more":${value}`), row(2, 6, `,"more":${value}`)]);
    expect(joined(parts).toString()).toBe(body);
  });

  it.each([
    ['"intercom:part-7"', true],
    ['"freshdesk:12"', true],
    ['"wamid.intercom:1"', false],
    ['"\\u0069ntercom\\u003a7"', true],
    ['"intercom"', false],
    ['7', false],
    ['null', false],
  ])('calls a row with the source_id %s imported: %s', (sourceId, imported) => {
    expect(split(page(row(1, 5, `,"source_id":${sourceId}`))).rows.map((found) => found.imported)).toEqual([imported]);
  });

  it.each([
    [0, false, false],
    [1, true, true],
    [2, false, true],
    [3, false, false],
  ])('calls message_type %i with private %s internal: %s', (messageType, isPrivate, internal) => {
    const body = page(`{"id":1,"created_at":0,"message_type":${messageType},"private":${isPrivate}}`);
    expect(split(body).rows.map((found) => found.internal)).toEqual([internal]);
  });

  it('shows but does not learn a page with unknown members beside meta and payload', () => {
    expect(split(`{"meta":{},"cursor":"abc","payload":[${ROW}]}`).learnable).toBe(false);
  });

  it('shows but does not learn a page whose created_at goes back', () => {
    expect(split(page(row(1, 10), row(2, 9))).learnable).toBe(false);
    expect(split(page(row(2, 10), row(1, 10))).learnable).toBe(true);
  });
});

describe('refusing a body', () => {
  const secret = 'PLANTED-CONTENT';
  const withMember = (member: string): string =>
    page(`{"id":1,"created_at":1,"message_type":0,"private":false,"c":"${secret}",${member}}`);
  it.each([
    ['an empty body', ''],
    ['a truncated body', page(row(1, 1, `,"c":"${secret}`)).slice(0, -6)],
    ['trailing garbage', `${page(ROW)}${secret}`],
    ['a byte order mark', `\ufeff${page(ROW)}`],
    [
      'bytes that are not UTF-8',
      Buffer.concat([Buffer.from('{"meta":{"a":"'), Buffer.from([0xff]), Buffer.from('"},"payload":[]}')]),
    ],
    [
      'an overlong encoding',
      Buffer.concat([Buffer.from('{"meta":{"a":"'), Buffer.from([0xc0, 0xa2]), Buffer.from('"},"payload":[]}')]),
    ],
    ['a raw control character', `{"meta":{"a":"\u0001"},"payload":[]}`],
    ['HTML', `<html>${secret}</html>`],
    ['an array', `[${ROW}]`],
    ['a string', `"${secret}"`],
    ['null', 'null'],
    ['no meta', '{"payload":[]}'],
    ['no payload', '{"meta":{}}'],
    ['meta that is an array', '{"meta":[],"payload":[]}'],
    ['meta that is null', '{"meta":null,"payload":[]}'],
    ['payload that is an object', '{"meta":{},"payload":{}}'],
    ['payload twice', `{"meta":{},"payload":[${ROW}],"payload":[]}`],
    ['payload twice, once escaped', `{"meta":{},"payload":[${ROW}],"p\\u0061yload":[]}`],
    ['payload twice, once no array', '{"meta":{},"payload":1,"payload":[]}'],
    ['meta twice', '{"meta":{},"meta":{},"payload":[]}'],
    ['a row that is null', page('null')],
    ['a row that is a number', page(ROW, '5')],
    ['a row that is an array', page('[]')],
    ['a row without id', page('{"created_at":1,"message_type":0,"private":false}')],
    ['id zero', page(row(0))],
    ['a negative id', page(row(-1))],
    ['a fractional id', page(row(1.5))],
    ['an id beyond 2^53', page(row(1).replace('"id":1', '"id":9007199254740993'))],
    ['an id that is a string', page(row(1).replace('"id":1', `"id":"${secret}"`))],
    ['created_at that is null', page(row(1).replace('1700000000', 'null'))],
    ['created_at below zero', page(row(1, -1))],
    ['message_type that is a word', page(row(1).replace('"message_type":0', '"message_type":"incoming"'))],
    ['private that is a text', page(row(1).replace('false', '"true"'))],
    ['private that is a number', page(row(1).replace('false', '0'))],
    ['a row without private', page('{"id":1,"created_at":1,"message_type":0}')],
    ['an id twice in a row', withMember('"id":2')],
    ['created_at twice in a row', withMember('"created_at":1')],
    ['message_type twice in a row', withMember('"message_type":0')],
    ['private twice in a row, once escaped', withMember('"\\u0070rivate":true')],
    ['the same id in two rows', page(row(3), row(4), row(3))],
    ['100,000 open brackets', '['.repeat(100_000)],
    ['100,000 levels in meta', `{"meta":{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}},"payload":[]}`],
    ['100,000 levels in a row', withMember(`"a":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`)],
    ['257 levels', withMember(`"a":${'['.repeat(257)}${']'.repeat(257)}`)],
  ])('that is or has %s', (_name, body) => {
    const error = refusal(body);
    expect(error?.status).toBe(502);
    expect(error?.message).not.toContain(secret);
    expect(error?.cause).toBeUndefined();
  });
});

describe('the number of values in a body', () => {
  const escapedKeys = (count: number) => Array.from({ length: count }, (_, n) => `"\\u0061${n}":1`).join(',');

  it.each([
    ['members of a row', () => page(row(1, 1, `,${escapedKeys(1_000_000)}`))],
    ['members of meta', () => `{"meta":{${escapedKeys(200_000)}},"payload":[]}`],
    ['members of the page', () => `{"meta":{},"payload":[],${escapedKeys(200_000)}}`],
    ['members of a sender', () => page(row(1, 1, `,"sender":{${escapedKeys(200_000)}}`))],
    ['empty objects', () => page(row(1, 1, `,"items":[${'{},'.repeat(200_000)}0]`))],
    ['brackets', () => page(row(1, 1, `,"items":[${'[[],[]],'.repeat(50_000)}0]`))],
    ['numbers', () => page(row(1, 1, `,"items":[${'1,'.repeat(200_000)}0]`))],
  ])('is bounded: too many %s are refused before anything is made of them', (_what, body) => {
    const bytes = Buffer.from(body());
    // Not by the clock: others have the processor, too.
    const before = process.cpuUsage();
    expect(refusal(bytes)?.message).toContain('too many values');
    expect(process.cpuUsage(before).user / 1000).toBeLessThan(500);
  });

  it('may be all that the bound allows, and no more', () => {
    // Of the page itself, six open and five more stand behind a comma or open in the row.
    const numbers = (count: number) => page(row(1, 1, `,"more":[${'0,'.repeat(count)}0]`));
    expect(split(numbers(VALUES_MAX - 11)).rows).toHaveLength(1);
    expect(refusal(numbers(VALUES_MAX - 10))?.message).toContain('too many values');
  });

  it('is not that of commas and brackets in strings', () => {
    const content = JSON.stringify('\\",[{'.repeat(VALUES_MAX));
    expect(split(page(row(1, 1, `,"content":${content}`))).rows).toHaveLength(1);
    expect(refusal(`{"meta":{},"payload":["${',['.repeat(VALUES_MAX)}`)?.message).toContain('not JSON');
  });
});

describe('joining', () => {
  it('puts rows of several readings into one envelope', () => {
    const first = split('{"meta":{"name":"漢"},"payload":[]}');
    const second = split(page(row(1), row(2, 1_700_000_000, ',"c":"é"')));
    expect(joinBody(first.envelope, second.rows).toString()).toBe(
      `{"meta":{"name":"漢"},"payload":[${row(1)},${row(2, 1_700_000_000, ',"c":"é"')}]}`,
    );
    expect(joinBody(second.envelope, []).toString()).toBe(page());
  });
});

describe('cutting in turns', () => {
  const large = page(row(1, 1, `,"content":"${'x'.repeat(3_000_000)}"`), row(2));

  it('gives what cutting at once gives', async () => {
    expect(splitBodyInTurns(Buffer.from(page(ROW)))).toEqual(split(page(ROW)));
    const cut = splitBodyInTurns(Buffer.from(large));
    expect(cut).toBeInstanceOf(Promise);
    expect(await cut).toEqual(split(large));
  });

  it('takes characters that stand across the ends of steps, wherever those lie', async () => {
    for (const shift of ['', 'x', 'xx', 'xxx']) {
      for (const character of ['é', '漢', '😀']) {
        const body = Buffer.from(page(row(1, 1, `,"content":"${shift}${character.repeat(400_000)}"`)));
        const { rows } = await splitBodyInTurns(body);
        expect(rows[0]!.raw.length).toBe(body.length - page('').length);
      }
    }
  });

  it.each([
    ['a character cut off', [0xe6, 0xbc]],
    ['bytes that go on with nothing', [0x80, 0x80, 0x80, 0x80, 0x80]],
    ['one that is written too long', [0xc0, 0xaf]],
  ])('refuses what is not UTF-8 around the ends of steps: %s', async (_name, bytes) => {
    for (let before = 4; before >= -4; before--) {
      const body = Buffer.from(large);
      body.set(bytes, COPIED_STEP_BYTES - before);
      await expect(splitBodyInTurns(body)).rejects.toThrow('it is not UTF-8');
    }
  });

  it('refuses what cutting at once refuses', async () => {
    await expect(splitBodyInTurns(Buffer.from(`${large}x`))).rejects.toMatchObject({ code: 'upstream_invalid' });
  });

  it('ends when nobody wants it any more', async () => {
    const gone = new AbortController();
    const cut = splitBodyInTurns(Buffer.from(large), gone.signal);
    const reason = new Error('nobody wants it');
    gone.abort(reason);
    await expect(cut).rejects.toBe(reason);
  });
});
