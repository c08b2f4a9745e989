import { describe, expect, test } from 'vitest';
import { parseDuration, parseRate } from '../src/rate.ts';

describe('parseDuration', () => {
  test.each([
    ['0s', 0],
    ['250ms', 250],
    ['1s', 1_000],
    ['1.5m', 90_000],
    ['2 hours', 7_200_000],
    ['1D', 86_400_000],
    ['0.1ms', 0],
  ])('reads %j as %d ms', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  test.each([
    '',
    ' ',
    '10',
    '-1s',
    '+1s',
    's',
    '1',
    '1 parsec',
    '1s ',
    '1s2m',
    '1e3s',
    'Infinity',
    'NaN',
    '.5s',
    `1${' '.repeat(200)}s`,
  ])('refuses %j', (text) => {
    expect(parseDuration(text)).toBeNull();
  });
});

describe('parseRate', () => {
  test.each([
    ['600/1m', { max: 600, windowMs: 60_000 }],
    ['1/1s', { max: 1, windowMs: 1_000 }],
    ['1000000/1d', { max: 1_000_000, windowMs: 86_400_000 }],
    ['5/ 10s', { max: 5, windowMs: 10_000 }],
  ])('reads %j', (text, rate) => {
    expect(parseRate(text)).toEqual(rate);
  });

  test.each([
    '',
    '600',
    '600/',
    '/1m',
    '0/1m',
    '-1/1m',
    '1.5/1m',
    '600/60',
    '600/m',
    '1000001/1m',
    '1/999ms',
    '1/25h',
    '1/1m/1m',
  ])('refuses %j', (text) => {
    expect(parseRate(text)).toBeNull();
  });
});
