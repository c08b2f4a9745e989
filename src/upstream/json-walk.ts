// Walks JSON and says where its parts begin and end. Its grammar is checked elsewhere (body-cutter.ts); here, text that is not JSON
// only has an end. Nothing recurses: how deep a value nests costs no stack.

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const SPACE = 0x20;

/** Thrown for text that is not JSON, as far as a walk notices. Its message holds nothing of it. */
export class NotJson extends Error {
  constructor() {
    super('What is walked as JSON is not JSON');
    this.name = 'NotJson';
  }
}

/** The first index from `at` that holds no white space. */
export function skipSpace(text: string, at: number): number {
  let next = at;
  // Valid JSON has nothing below a space but its own white space.
  while (text.charCodeAt(next) <= SPACE) next++;
  return next;
}

/** Where the string whose opening quote is at `open` has its closing quote. */
function closingQuote(text: string, open: number): number {
  const quote = text.indexOf('"', open + 1);
  if (quote < 0) throw new NotJson();
  if (text.charCodeAt(quote - 1) !== BACKSLASH) return quote;
  // One by one from here on: where one quote is escaped, others are.
  let at = quote - 1;
  while (text.charCodeAt(at - 1) === BACKSLASH) at--;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at;
    if (code === BACKSLASH) at++;
  }
  throw new NotJson();
}

/** The index after the value that begins at `at`, within an array or object. @throws NotJson */
export function skipValue(text: string, at: number): number {
  let depth = 0;
  let next = at;
  while (next < text.length) {
    switch (text.charCodeAt(next)) {
      case QUOTE:
        next = closingQuote(text, next) + 1;
        if (depth === 0) return next;
        break;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        depth++;
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
  throw new NotJson();
}

function keyBetween(text: string, open: number, close: number): string {
  const key = text.slice(open + 1, close);
  if (!key.includes('\\')) return key;
  try {
    const decoded: unknown = JSON.parse(`"${key}"`);
    return String(decoded);
  } catch {
    throw new NotJson();
  }
}

/**
 * Calls `visit` for each member of the object that opens at `open`, with its key (escapes decoded) and where its value begins;
 * `visit` returns the index after that value. Returns the index after the object.
 * @throws NotJson
 */
export function walkObject(text: string, open: number, visit: (key: string, at: number) => number): number {
  let at = skipSpace(text, open + 1);
  while (text.charCodeAt(at) !== CLOSE_BRACE) {
    if (text.charCodeAt(at) !== QUOTE) throw new NotJson();
    const close = closingQuote(text, at);
    const colon = skipSpace(text, close + 1);
    if (text.charCodeAt(colon) !== COLON) throw new NotJson();
    at = skipSpace(text, visit(keyBetween(text, at, close), skipSpace(text, colon + 1)));
    const next = text.charCodeAt(at);
    if (next === COMMA) at = skipSpace(text, at + 1);
    else if (next !== CLOSE_BRACE) throw new NotJson();
  }
  return at + 1;
}

/** The parts of an array, cut at its commas: white space around an element is part of its span. */
export interface ArraySpans {
  readonly elements: readonly { readonly from: number; readonly to: number }[];
  /** The index of the closing bracket. */
  readonly close: number;
}

/** Cuts the array that opens at `open`. `visit` gets where each element begins and returns the index after it. @throws NotJson */
export function walkArray(text: string, open: number, visit: (at: number) => number): ArraySpans {
  const elements: { from: number; to: number }[] = [];
  let from = open + 1;
  let at = skipSpace(text, from);
  if (text.charCodeAt(at) === CLOSE_BRACKET) return { elements, close: at };
  for (;;) {
    const to = skipSpace(text, visit(at));
    elements.push({ from, to });
    if (text.charCodeAt(to) === CLOSE_BRACKET) return { elements, close: to };
    if (text.charCodeAt(to) !== COMMA) throw new NotJson();
    from = to + 1;
    at = skipSpace(text, from);
  }
}
