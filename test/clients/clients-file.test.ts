import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { parseClientsFile } from '../../src/clients/clients-file.ts';
import { digestOfKey } from '../../src/clients/key.ts';
import { Settings } from 'typebox/system';

const sha256 = (key: string) => createHash('sha256').update(key).digest('hex');
const crm = { name: 'crm', keys: [{ sha256: sha256('key of the crm') }], scope: '*' };

function problemsOf(json: unknown): readonly string[] {
  const read = parseClientsFile(typeof json === 'string' ? json : JSON.stringify(json));
  return read.kind === 'problems' ? read.problems : [];
}

const withClient = (changes: object) => ({ clients: [{ ...crm, ...changes }] });

describe('a clients file', () => {
  test('gives what is left out its default', () => {
    expect(parseClientsFile(JSON.stringify({ clients: [crm] }))).toEqual({
      kind: 'clients',
      clients: [{ name: 'crm', keys: [{ digest: digestOfKey('key of the crm') }], scope: '*', view: 'agent', mayBypass: false }],
    });
  });

  test('is read in full', () => {
    const scope = [
      { account: 1, conversations: '*' },
      { account: 2, conversations: [1, 2] },
    ];
    const keys = [{ sha256: sha256('old'), notAfter: '2027-01-31' }, { sha256: sha256('new') }];
    const client = { name: 'crm', keys, scope, view: 'agent', mayBypass: true, rateLimit: '5/1s', tailMaxAge: '1500ms' };
    expect(parseClientsFile(JSON.stringify({ clients: [client] }))).toEqual({
      kind: 'clients',
      clients: [
        {
          name: 'crm',
          keys: [{ digest: digestOfKey('old'), notAfterAt: Date.parse('2027-02-01T00:00:00Z') }, { digest: digestOfKey('new') }],
          scope,
          view: 'agent',
          mayBypass: true,
          rateLimit: { max: 5, windowMs: 1_000 },
          tailMaxAgeMs: 1_500,
        },
      ],
    });
  });

  test('may give a client the customer view', () => {
    const read = parseClientsFile(JSON.stringify(withClient({ view: 'customer' })));
    expect(read.kind === 'clients' && read.clients.map(({ view }) => view)).toEqual(['customer']);
  });

  const HASH = 'must be the SHA-256 of the key as 64 lower-case hexadecimal digits';
  const DATE = 'must be a date, such as "2027-01-31" (all of that day, UTC) or "2027-01-31T12:00:00Z"';
  const NAME = 'must be 1 to 64 letters, digits, ".", "_" or "-"';
  const RATE = 'must be a count of 1 to 1000000 in 1s to 1d, such as "600/1m"';
  const AGE = 'must be a duration with its unit, at most 7d, such as "1s"';
  const SCOPE = 'must be "*" or a list of 1 to 1000 accounts, such as [{"account":1,"conversations":"*"}]';
  const CONVERSATIONS = 'must be "*" or a list of 1 to 10000 conversation ids, such as [7,12]';
  const ACCOUNT = 'must be an account id, a whole number from 1 up';
  const KEYS = 'must be a list of 1 to 16 keys, such as [{"sha256":"…"}]';
  const at = '/clients/0';
  const key = (changes: object) => withClient({ keys: [{ ...crm.keys[0], ...changes }] });
  const scope = (changes: object) => withClient({ scope: [{ account: 1, conversations: '*', ...changes }] });

  test.each<[string, unknown, string[]]>([
    ['nothing', '', ['is not JSON, such as {"clients":[…]}']],
    ['broken JSON', '{"clients":[', ['is not JSON, such as {"clients":[…]}']],
    ['another type', [], ['the file must be an object such as {"clients":[…]}']],
    ['no list', {}, ['/clients is missing']],
    ['no clients', { clients: [] }, ['/clients must be a list of 1 to 1000 clients']],
    [
      'too many clients',
      { clients: Array.from({ length: 1001 }, (_, n) => ({ ...crm, name: `c${n}`, keys: [{ sha256: sha256(`${n}`) }] })) },
      ['/clients must be a list of 1 to 1000 clients'],
    ],
    ['an unknown key', { clients: [crm], client: 1 }, ['/client is not a known key']],
    ['an unknown key of a client', withClient({ views: 'agent' }), [`${at}/views is not a known key`]],
    [
      'a client that is none',
      { clients: [null] },
      [`${at} must be an object such as {"name":"crm","keys":[{"sha256":"…"}],"scope":"*"}`],
    ],
    ['an empty client', { clients: [{}] }, [`${at}/name is missing`, `${at}/keys is missing`, `${at}/scope is missing`]],
    ['an empty name', withClient({ name: '' }), [`${at}/name ${NAME}`]],
    ['a name for a log forger', withClient({ name: 'a\nb' }), [`${at}/name ${NAME}`]],
    [
      'a reserved name',
      withClient({ name: 'anonymous' }),
      [`${at}/name is the same as the name kept for readers without a credential`],
    ],
    ['no keys', withClient({ keys: [] }), [`${at}/keys ${KEYS}`]],
    [
      'too many keys',
      withClient({ keys: Array.from({ length: 17 }, (_, n) => ({ sha256: sha256(`${n}`) })) }),
      [`${at}/keys ${KEYS}`],
    ],
    ['a key that is a string', withClient({ keys: ['x'] }), [`${at}/keys/0 must be an object such as {"sha256":"…"}`]],
    ['a hash in capitals', key({ sha256: sha256('x').toUpperCase() }), [`${at}/keys/0/sha256 ${HASH}`]],
    ['a short hash', key({ sha256: sha256('x').slice(1) }), [`${at}/keys/0/sha256 ${HASH}`]],
    ['a long hash', key({ sha256: `${sha256('x')}0` }), [`${at}/keys/0/sha256 ${HASH}`]],
    ['a hash with a newline', key({ sha256: `${sha256('x')}\n` }), [`${at}/keys/0/sha256 ${HASH}`]],
    ['a day that does not exist', key({ notAfter: '2027-02-30' }), [`${at}/keys/0/notAfter ${DATE}`]],
    ['a date as a number', key({ notAfter: 1 }), [`${at}/keys/0/notAfter ${DATE}`]],
    ['an unknown key of a key', key({ plain: 'x' }), [`${at}/keys/0/plain is not a known key`]],
    ['another scope', withClient({ scope: 'all' }), [`${at}/scope ${SCOPE}`]],
    ['an empty scope', withClient({ scope: [] }), [`${at}/scope ${SCOPE}`]],
    ['an account as a string', scope({ account: '1' }), [`${at}/scope/0/account ${ACCOUNT}`]],
    ['account 0', scope({ account: 0 }), [`${at}/scope/0/account ${ACCOUNT}`]],
    ['half an account', scope({ account: 1.5 }), [`${at}/scope/0/account ${ACCOUNT}`]],
    ['an unknown key of a scope', scope({ inbox: 1 }), [`${at}/scope/0/inbox is not a known key`]],
    ['a scope without conversations', withClient({ scope: [{ account: 1 }] }), [`${at}/scope/0/conversations is missing`]],
    ['an empty list of conversations', scope({ conversations: [] }), [`${at}/scope/0/conversations ${CONVERSATIONS}`]],
    ['a conversation without a list', scope({ conversations: 7 }), [`${at}/scope/0/conversations ${CONVERSATIONS}`]],
    [
      'a conversation as a string',
      scope({ conversations: [1, '2'] }),
      [`${at}/scope/0/conversations/1 must be a conversation id, a whole number from 1 up`],
    ],
    ['another view', withClient({ view: 'admin' }), [`${at}/view must be "agent" or "customer"`]],
    ['a word for a truth', withClient({ mayBypass: 'yes' }), [`${at}/mayBypass must be true or false`]],
    ['a rate without a unit', withClient({ rateLimit: '600/60' }), [`${at}/rateLimit ${RATE}`]],
    ['an age without a unit', withClient({ tailMaxAge: '1' }), [`${at}/tailMaxAge ${AGE}`]],
    ['an age beyond a week', withClient({ tailMaxAge: '8d' }), [`${at}/tailMaxAge ${AGE}`]],
    ['a rate that is a number', withClient({ rateLimit: 600 }), [`${at}/rateLimit ${RATE}`]],
    [
      'a name twice',
      { clients: [crm, { ...crm, keys: [{ sha256: sha256('other') }] }] },
      ['/clients/1/name is the same as /clients/0/name'],
    ],
    [
      'a hash twice',
      { clients: [crm, { ...crm, name: 'b' }] },
      ['/clients/1/keys/0/sha256 is the same as /clients/0/keys/0/sha256'],
    ],
    [
      'a hash twice in one client',
      withClient({ keys: [...crm.keys, ...crm.keys] }),
      [`${at}/keys/1/sha256 is the same as ${at}/keys/0/sha256`],
    ],
  ])('with %s is refused', (_, json, problems) => {
    expect(problemsOf(json)).toEqual(problems);
  });

  test('tells every problem at once, more than the validator does by itself', () => {
    const bad = Array.from({ length: 30 }, () => ({ ...crm, name: '', scope: 1 }));
    expect(problemsOf({ clients: [...bad, crm, crm] })).toHaveLength(30 * 2 + 2);
    expect(Settings.Get().maxErrors).toBe(8);
  });

  test('never shows a key that stands in the wrong place', () => {
    const planted = 'bsk_planted-secret';
    const misplaced = [
      `{"clients": ${planted}`,
      withClient({ [planted]: 1 }),
      { [planted]: 1 },
      withClient({ keys: [{ sha256: planted }] }),
      withClient({ keys: planted, name: `${planted}!`, scope: planted, rateLimit: planted, view: planted }),
    ];
    for (const json of misplaced) {
      expect(problemsOf(json)).not.toEqual([]);
      expect(problemsOf(json).join('\n')).not.toContain('planted');
    }
    expect(problemsOf(withClient({ [planted]: 1 }))).toEqual(['/clients/0 has an unknown key']);
    expect(problemsOf({ clients: [crm], [planted]: 1 })).toEqual(['the file has an unknown key']);
  });
});
