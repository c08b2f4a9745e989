// Generators of JSON as text, so that bodies hold what JSON.stringify never writes: white space anywhere, needless
// escapes, `1.0`, integers beyond 2^53, repeated keys.

import * as fc from 'fast-check';

/** White space as JSON allows it, mostly none. */
export const space = fc.constantFrom('', '', '', ' ', '\n', '\t', '\r\n  ');

const piece = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      'a',
      'Z',
      ' ',
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '/',
      'payload',
      'id',
      '__proto__',
      'é',
      'ÿ',
      '漢',
      '😀',
      '\u2028',
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '\\"',
      '\\\\',
      '\\/',
      '\\n',
      '\\u003c',
      '\\u2028',
      '\\ud83d\\ude00',
      '\\ud800',
      '\\u0000',
      '\\u0022',
    ),
  },
);

/** A string in its quotes. */
export const stringText = fc.array(piece, { maxLength: 12 }).map((pieces) => `"${pieces.join('')}"`);

const numberText = fc.oneof(
  fc.integer().map(String),
  fc.constantFrom('-0', '1.0', '100.00', '1e30', '1.0e+30', '-1.5E-3', '12345678901234567890123', '9007199254740993'),
);

/** Key and value texts, spaced, put into one object. */
export function objectText(members: fc.Arbitrary<readonly (readonly [key: string, value: string])[]>): fc.Arbitrary<string> {
  return fc.tuple(members, fc.array(space, { minLength: 4, maxLength: 4 })).map(([pairs, [a = '', b = '', c = '', d = '']]) => {
    const inside = pairs.map(([key, value]) => `${a}${key}${b}:${c}${value}${d}`).join(',');
    return `{${inside === '' ? a : inside}}`;
  });
}

/** The key `name`, each of its letters plain or as an escape. */
export function keyText(name: string): fc.Arbitrary<string> {
  const letters = name
    .split('')
    .map((letter) =>
      fc.oneof(
        { weight: 15, arbitrary: fc.constant(letter) },
        { weight: 1, arbitrary: fc.constant(`\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`) },
      ),
    );
  return fc.tuple(...letters).map((parts) => `"${parts.join('')}"`);
}

/** Any JSON value, nested a few levels. */
export const valueText = fc.letrec<{ value: string; array: string; object: string; member: readonly [string, string] }>(
  (tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom('null', 'true', 'false'),
      numberText,
      stringText,
      tie('array'),
      tie('object'),
    ),
    array: fc
      .tuple(fc.array(tie('value'), { maxLength: 4 }), space, space)
      .map(([values, a, b]) => (values.length === 0 ? `[${a}]` : `[${values.map((value) => a + value + b).join(',')}]`)),
    object: objectText(fc.array(tie('member'), { maxLength: 4 })),
    member: fc.tuple(stringText, tie('value')),
  }),
);
