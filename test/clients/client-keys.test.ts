import { describe, expect, test } from 'vitest';
import { parseClientKeys } from '../../src/clients/client-keys.ts';
import { digestOfKey } from '../../src/clients/key.ts';

const KEY = 'k3y-of-the-crm-0001';
const OTHER = 'k3y-of-the-reports-0002';

function problemsOf(text: string): readonly string[] {
  const read = parseClientKeys(text);
  return read.kind === 'problems' ? read.problems : [];
}

describe('parseClientKeys', () => {
  test('gives each name the agent view of everything', () => {
    expect(parseClientKeys(` crm = ${KEY} ,\n reports=${OTHER}`)).toEqual({
      kind: 'clients',
      clients: [
        { name: 'crm', keys: [{ digest: digestOfKey(KEY) }], scope: '*', view: 'agent', mayBypass: false },
        { name: 'reports', keys: [{ digest: digestOfKey(OTHER) }], scope: '*', view: 'agent', mayBypass: false },
      ],
    });
  });

  test('keeps "=" inside a key', () => {
    const read = parseClientKeys('crm=c2VjcmV0LWtleS0wMQ==');
    expect(read).toMatchObject({ clients: [{ keys: [{ digest: digestOfKey('c2VjcmV0LWtleS0wMQ==') }] }] });
  });

  test('takes a key of 16 and of 4096 characters', () => {
    expect(problemsOf(`a=${'x'.repeat(16)},b=${'y'.repeat(4096)}`)).toEqual([]);
  });

  test.each([
    ['', ['entry 1 is empty']],
    [`crm=${KEY},`, ['entry 2 is empty']],
    [KEY, ['entry 1 has no "=" between name and key']],
    [`=${KEY}`, ['entry 1 has a name that is not 1 to 64 letters, digits, ".", "_" or "-"']],
    [`a b=${KEY}`, ['entry 1 has a name that is not 1 to 64 letters, digits, ".", "_" or "-"']],
    [`${'n'.repeat(65)}=${KEY}`, ['entry 1 has a name that is not 1 to 64 letters, digits, ".", "_" or "-"']],
    [`crm=${'x'.repeat(15)}`, ['entry 1 has a key of fewer than 16 characters']],
    [`crm=${'x'.repeat(4097)}`, ['entry 1 has a key of more than 4096 characters']],
    ['crm=sixteen chars or more', ['entry 1 has a key with characters other than visible ASCII']],
    ['crm=schlüssel-für-crm', ['entry 1 has a key with characters other than visible ASCII']],
    [`crm=${KEY},crm=${OTHER}`, ['the name of entry 2 is the same as the name of entry 1']],
    [`crm=${KEY},a=${OTHER},reports=${KEY}`, ['the key of entry 3 is the same as the key of entry 1']],
    [`anonymous=${KEY}`, ['the name of entry 1 is the same as the name kept for readers without a credential']],
  ])('refuses %j', (text, problems) => {
    expect(problemsOf(text)).toEqual(problems);
  });

  test('tells every problem at once', () => {
    expect(problemsOf(`crm,a=short,ok=${KEY},ok=${KEY}`)).toHaveLength(4);
  });

  test('shows neither keys nor names, which may be keys the wrong way round', () => {
    const swapped = parseClientKeys(`${KEY}=crm,${OTHER},reports=${KEY},reports=${KEY}`);
    expect(swapped.kind).toBe('problems');
    expect(JSON.stringify(swapped)).not.toMatch(/k3y/);
  });
});
