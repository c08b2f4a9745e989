// What Accept-Encoding asks for (RFC 9110 12.5.3).

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AcceptedCodings } from '../../src/http/codings.ts';

const both = ['br', 'gzip'];

test.each<[header: string | undefined, preferred: string | null, readable: string[]]>([
  [undefined, null, both], // Anything can be read, and plain bytes are expected.
  ['', null, []],
  ['gzip', 'gzip', ['gzip']],
  ['br', 'br', ['br']],
  ['gzip, deflate, br, zstd', 'br', both],
  ['gzip,deflate', 'gzip', ['gzip']],
  ['GZIP', 'gzip', ['gzip']],
  ['x-gzip', 'gzip', ['gzip']],
  ['gzip;q=1.0, br;q=0.5', 'gzip', ['gzip', 'br']],
  ['gzip; q=0.5 , br ;q=0.501', 'br', both],
  ['gzip;Q=0.5,br;q=0.50001', 'br', both],
  ['br;q=0, gzip', 'gzip', ['gzip']],
  ['gzip;q=0.000', null, []],
  ['gzip;q=0.001', 'gzip', ['gzip']],
  ['identity', null, []],
  ['identity, gzip', 'gzip', ['gzip']],
  ['identity;q=0.5, gzip;q=1.0', 'gzip', ['gzip']],
  ['identity, gzip;q=0.5', null, ['gzip']],
  ['identity;q=0, gzip;q=0.1', 'gzip', ['gzip']],
  ['identity;q=0', null, []],
  ['deflate, zstd, compress', null, []],
  // What is meant by one who names none can be read by all.
  ['*', 'gzip', ['gzip']],
  ['*;q=0', null, []],
  ['*;q=0, br', 'br', ['br']],
  ['br;q=0.1, *', 'gzip', ['gzip', 'br']],
  ['gzip;q=0, *', null, []],
  ['deflate, *;q=0.5', 'gzip', ['gzip']],
  // What is no member of such a list asks for nothing.
  ['gzip;q=2', null, []],
  ['gzip;q=-1', null, []],
  ['gzip;q=half', null, []],
  ['gzip;level=9', null, []],
  ['gzip br', null, []],
  [',,gzip,', 'gzip', ['gzip']],
  ['gzipped', null, []],
])('%j', (header, preferred, readable) => {
  expect(new AcceptedCodings().of(header)).toEqual({ preferred, readable });
});

test('what is kept of a header is what it says', () => {
  const accepted = new AcceptedCodings();
  const coding = fc.constantFrom('gzip', 'br', 'x-gzip', 'identity', '*', 'deflate', 'GZIP', '');
  const weight = fc.constantFrom('', ';q=0', ';q=1', ';q=0.5', '; q=0.7', ';q=x');
  const header = fc
    .array(fc.tuple(coding, weight), { maxLength: 4 })
    .map((members) => members.map(([name, q]) => name + q).join(', '));
  fc.assert(
    fc.property(fc.array(header, { maxLength: 10 }), (headers) => {
      for (const text of [...headers, ...headers]) expect(accepted.of(text)).toEqual(new AcceptedCodings().of(text));
    }),
  );
});

test('few headers are kept, and long ones are not read', () => {
  const accepted = new AcceptedCodings();
  const first = accepted.of('gzip;q=0.9');
  expect(accepted.of('gzip;q=0.9') === first).toBe(true);
  for (let n = 0; n < 100; n++) accepted.of(`gzip, x-${n}`);
  expect(accepted.of('gzip;q=0.9') === first).toBe(false);
  expect(accepted.of(`gzip, ${'x'.repeat(250)}`).preferred).toBe('gzip');
  expect(accepted.of(`gzip, ${'x'.repeat(251)}`)).toEqual({ preferred: null, readable: [] });
});
