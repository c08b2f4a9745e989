import { describe, expect, test } from 'vitest';
import { parseInstant } from '../../src/clients/instant.ts';

describe('parseInstant', () => {
  test.each([
    ['2027-01-31', '2027-02-01T00:00:00Z'],
    ['2028-02-29', '2028-03-01T00:00:00Z'],
    ['2027-01-31T12:00Z', '2027-01-31T12:00:00Z'],
    ['2027-01-31T12:00:30.5Z', '2027-01-31T12:00:30.500Z'],
    ['2027-01-31T12:00:00+02:00', '2027-01-31T10:00:00Z'],
  ])('reads %s as the moment %s', (text, moment) => {
    expect(parseInstant(text)).toBe(Date.parse(moment));
  });

  test.each([
    '',
    '2027',
    '2027-01',
    '31.01.2027',
    '2027-02-30',
    '2027-02-29T12:00:00Z',
    '2027-13-01',
    '2027-01-31T12:00:00',
    '2027-01-31T25:00:00Z',
    '2027-01-31 12:00:00Z',
    'tomorrow',
  ])('refuses %j', (text) => {
    expect(parseInstant(text)).toBeNull();
  });
});
