// Walks JSON and says where its parts begin and end. Nothing here checks grammar, and nothing recurses: how deep a body nests
// costs no stack. All but `hasMoreValues` want JSON that is known to be valid.

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const SPACE = 0x20;

/** How deep one value may nest. Ruby's JSON writes no more than 100 levels. */
const DEPTH_MAX = 256;

/** Thrown where a value nests deeper than anything that Chatwoot writes. */
export class NestsTooDeep extends Error {}

/** The first index from `at` that holds no white space. */
export function skipSpace(text: string, at: number): number {
  let next = at;
  // Valid JSON has nothing below a space but its own white space.
  while (text.charCodeAt(next) <= SPACE) next++;
  return next;
}

/** Where the string whose opening quote is at `open` has its closing quote. */
function closingQuote(text: string, open: number): number {
  let quote = text.indexOf('"', open + 1);
  while (text.charCodeAt(quote - 1) === BACKSLASH) {
    let first = quote - 1;
    while (text.charCodeAt(first - 1) === BACKSLASH) first--;
    if ((quote - first) % 2 === 0) break;
    quote = text.indexOf('"', quote + 1);
  }
  return quote;
}

/**
 * Whether a text has more than `max` values in arrays and objects, at any depth: each is what the text costs once parsed,
 * however short it is. Also of a text that is not JSON.
 */
export function hasMoreValues(text: string, max: number): boolean {
  let values = 0;
  for (let at = 0; at < text.length && values <= max; at++) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        at = closingQuote(text, at);
        if (at === -1) return false; // The string does not end: no parser gets any further.
        break;
      case OPEN_BRACE:
      case OPEN_BRACKET:
      case COMMA:
        values++;
    }
  }
  return values > max;
}

/** The index after the value that begins at `at`. */
export function skipValue(text: string, at: number): number {
  let depth = 0;
  let next = at;
  for (;;) {
    switch (text.charCodeAt(next)) {
      case QUOTE:
        next = closingQuote(text, next) + 1;
        if (depth === 0) return next;
        break;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        if (++depth > DEPTH_MAX) throw new NestsTooDeep();
        next++;
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        // At depth 0 it closes what the value stands in, so the value was a number or a word that ends here.
        if (depth === 0) return next;
        next++;
        if (--depth === 0) return next;
        break;
      case COMMA:
        if (depth === 0) return next;
        next++;
        break;
      default:
        next++;
    }
  }
}

function keyBetween(text: string, open: number, close: number): string {
  const key = text.slice(open + 1, close);
  if (!key.includes('\\')) return key;
  const decoded: unknown = JSON.parse(`"${key}"`);
  if (typeof decoded !== 'string') throw new TypeError('The key of a member is a string');
  return decoded;
}

/**
 * Calls `visit` for each member of the object that opens at `open`, with its key (escapes decoded) and where its value begins;
 * `visit` returns the index after that value. Returns the index after the object.
 */
export function walkObject(text: string, open: number, visit: (key: string, at: number) => number): number {
  let at = skipSpace(text, open + 1);
  while (text.charCodeAt(at) !== CLOSE_BRACE) {
    const close = closingQuote(text, at);
    const colon = skipSpace(text, close + 1);
    at = skipSpace(text, visit(keyBetween(text, at, close), skipSpace(text, colon + 1)));
    if (text.charCodeAt(at) === COMMA) at = skipSpace(text, at + 1);
  }
  return at + 1;
}

/** The parts of an array, cut at its commas: white space around an element is part of its span. */
export interface ArraySpans {
  readonly elements: readonly { readonly from: number; readonly to: number }[];
  /** The index of the closing bracket. */
  readonly close: number;
}

/** Cuts the array that opens at `open`. `visit` gets where each element begins and returns the index after it. */
export function walkArray(text: string, open: number, visit: (at: number) => number): ArraySpans {
  const elements: { from: number; to: number }[] = [];
  let from = open + 1;
  let at = skipSpace(text, from);
  if (text.charCodeAt(at) === CLOSE_BRACKET) return { elements, close: at };
  for (;;) {
    const to = skipSpace(text, visit(at));
    elements.push({ from, to });
    if (text.charCodeAt(to) === CLOSE_BRACKET) return { elements, close: to };
    from = to + 1;
    at = skipSpace(text, from);
  }
}
