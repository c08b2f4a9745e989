// The planted token: Backscroll's own token in every test that runs it is this recognisable string, and everything that leaves
// Backscroll is searched for it (design, promise 4). A leak is thrown where it is met and remembered, so that it fails the test
// also where the throw was swallowed.

import { inspect } from 'node:util';

/** The Chatwoot token of every Backscroll under test. */
export const CANARY = 'canary-chatwoot-token-7Q4vXw2LmZ';

const BYTES = Buffer.from(CANARY);

const PLAIN = CANARY.toLowerCase();
const HEX = BYTES.toString('hex');
/** Whatever stands before it shifts base64 by 0, 1 or 2 bytes; the characters at both ends depend on the neighbours. */
const BASE64 = [0, 1, 2].map((shift) =>
  Buffer.concat([Buffer.alloc(shift), BYTES])
    .toString('base64')
    .slice(4, -4),
);

/** How the token is shown in `text`, or undefined where it is not. */
export function findCanary(text: string): string | undefined {
  const lower = text.toLowerCase();
  if (lower.includes(PLAIN)) return 'as it is';
  if (lower.includes(HEX)) return 'as hex';
  if (BASE64.some((core) => text.includes(core))) return 'as base64';
  return text.includes('%') && decodeLoosely(lower).includes(PLAIN) ? 'percent-encoded' : undefined;
}

const leaks: string[] = [];

/** Searches what Backscroll gave away. @throws where the token is in it. */
export function searchForCanary(where: string, given: string | Buffer): void {
  const disguise = findCanary(typeof given === 'string' ? given : given.toString('latin1'));
  if (disguise === undefined) return;
  leaks.push(`the token is in ${where}, ${disguise}`);
  throw new Error(leaks.at(-1));
}

/** Searches an error with all that hangs on it: causes, hidden members, stack. @throws where the token is in it. */
export function searchErrorForCanary(where: string, error: unknown): void {
  searchForCanary(where, inspect(error, { depth: 20, showHidden: true }));
}

/** The leaks since the last call. */
export function takeLeaks(): string[] {
  return leaks.splice(0);
}

function decodeLoosely(text: string): string {
  return text.replaceAll(/%([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)).toLowerCase());
}
