// The tokens of JSON (RFC 8259) in bytes: where they end, if they are what they must be.

const QUOTE = 0x22;
const PLUS = 0x2b;
const MINUS = 0x2d;
const POINT = 0x2e;
const [ZERO, NINE] = [0x30, 0x39];
const [UPPER_E, LOWER_E] = [0x45, 0x65];
const BACKSLASH = 0x5c;
const LOWER_U = 0x75;
/** Below it stand control characters, which a string must escape. */
const SPACE = 0x20;
/** By what stands behind a backslash: how many bytes the escape has, 0 where it is none. */
const ESCAPE_LENGTHS = new Uint8Array(256);
for (const byte of Buffer.from('"\\/bfnrt')) ESCAPE_LENGTHS[byte] = 2;
ESCAPE_LENGTHS[LOWER_U] = 6;
const [LOWER_T, LOWER_F] = [0x74, 0x66];

/** From within a string: the index of its closing quote, or of the first character from `until` on; -1 where it cannot be one. */
export function charactersUpTo(body: Buffer, from: number, until: number): number {
  let at = from;
  while (at < until) {
    const byte = body[at]!;
    if (byte === QUOTE) return at;
    if (byte < SPACE) return -1;
    if (byte !== BACKSLASH) {
      at++;
      continue;
    }
    const length = ESCAPE_LENGTHS[body[at + 1] ?? 0]!;
    if (length === 0 || (length === 6 && !isFourHex(body, at + 2))) return -1;
    at += length;
  }
  return at;
}

function isFourHex(body: Buffer, at: number): boolean {
  return isHex(body[at]) && isHex(body[at + 1]) && isHex(body[at + 2]) && isHex(body[at + 3]);
}

function isHex(byte = 0): boolean {
  return isDigit(byte) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
}

function isDigit(byte = 0): boolean {
  return byte >= ZERO && byte <= NINE;
}

/** The index after the number, `true`, `false` or `null` that begins at `at`; -1 where there is none. */
export function endOfWord(body: Buffer, at: number): number {
  const first = body[at]!;
  if (first === MINUS || isDigit(first)) return endOfNumber(body, at);
  const word = first === LOWER_T ? 'true' : first === LOWER_F ? 'false' : 'null';
  return isAt(body, at, word) ? at + word.length : -1;
}

/** Whether this ASCII text stands there. */
function isAt(body: Buffer, from: number, text: string): boolean {
  for (let at = 0; at < text.length; at++) if (body[from + at] !== text.charCodeAt(at)) return false;
  return true;
}

/** The same where any of its letters may be escaped as `\u0069` (no shorter escape stands for one). A quote in it ends a string. */
export function isEscapedAt(body: Buffer, from: number, text: string): boolean {
  let at = from;
  for (let n = 0; n < text.length; n++) {
    const code = text.charCodeAt(n);
    if (body[at] === code) at++;
    else if (code !== QUOTE && body[at] === BACKSLASH && letterAt(body, at) === code) at += 6;
    else return false;
  }
  return true;
}

/** The letter that stands there, plain or escaped as `\u0069`. */
export function letterAt(body: Buffer, at: number): number {
  return body[at] === BACKSLASH && body[at + 1] === LOWER_U ? hexAt(body, at + 2) : body[at]!;
}

/** The value of the four hex digits that stand there. */
function hexAt(body: Buffer, from: number): number {
  let value = 0;
  // The low bits of a digit are its value, those of a letter its place among the letters.
  for (let at = from; at < from + 4; at++) value = value * 16 + (body[at]! & 0xf) + 9 * (body[at]! >> 6);
  return value;
}

function endOfNumber(body: Buffer, from: number): number {
  let at = from;
  if (body[at] === MINUS) at++;
  if (!isDigit(body[at])) return -1;
  at = body[at] === ZERO ? at + 1 : endOfDigits(body, at);
  if (body[at] === POINT) {
    if (!isDigit(body[at + 1])) return -1;
    at = endOfDigits(body, at + 1);
  }
  if (body[at] === LOWER_E || body[at] === UPPER_E) {
    at++;
    if (body[at] === PLUS || body[at] === MINUS) at++;
    if (!isDigit(body[at])) return -1;
    at = endOfDigits(body, at);
  }
  return at;
}

function endOfDigits(body: Buffer, from: number): number {
  let at = from;
  while (at < body.length && isDigit(body[at])) at++;
  return at;
}

/** So many digits are a safe integer, whichever they are. */
const SAFE_DIGITS = 15;

/** The number that stands there. */
export function numberAt(body: Buffer, from: number, end: number): number {
  let value = 0;
  for (let at = from; at < end; at++) {
    const digit = body[at]! - ZERO;
    if (digit < 0 || digit > 9 || end - from > SAFE_DIGITS) return Number(body.toString('latin1', from, end));
    value = value * 10 + digit;
  }
  return value;
}
