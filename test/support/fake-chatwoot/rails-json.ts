// JSON as Rails writes it: compact, and with the characters escaped that are dangerous inside HTML (contract 3.4).

/** Any JSON object. */
export type JsonObject = { readonly [key: string]: unknown };

const ESCAPES: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
};

/** The text that ActiveSupport's `to_json` would write. Floats with a zero fraction and integers over 2^53 are out of reach. */
export function railsJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(/[<>&\u2028\u2029]/g, (character) => ESCAPES[character] ?? character);
}
