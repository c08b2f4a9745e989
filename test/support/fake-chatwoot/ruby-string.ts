// How Ruby and Rails read a parameter: `to_i`, `blank?` and percent-decoding (contract 1.1, 1.2).

const INTEGER = /^[ \t\n\v\f\r]*([+-]?)(?:0[dD](?=\d))?(\d+(?:_\d+)*)/;

/** `String#to_i`: leading ASCII whitespace, a sign, digits with single underscores between them; 0 where there are none. */
export function toI(text: string): bigint {
  const match = INTEGER.exec(text);
  if (match === null) return 0n;
  const digits = BigInt((match[2] ?? '0').replaceAll('_', ''));
  return match[1] === '-' ? -digits : digits;
}

/** ActiveSupport's `blank?`: nil, false, whitespace only (Unicode's too), an empty list or hash. */
export function isBlank(value: unknown): boolean {
  if (value === undefined || value === null || value === false) return true;
  if (typeof value === 'string') return /^[\s\u0085]*$/u.test(value) && !value.includes('\ufeff');
  if (Array.isArray(value)) return value.length === 0;
  if (value instanceof Map) return value.size === 0;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** Thrown for a request that Rails answers with 400 and an empty body (contract 2.2, row 10). */
export class BadRequest extends Error {}

/** A query component decoded. Throws `BadRequest` on a stray `%` or bytes that are not UTF-8 (contract 1.2). */
export function decodeFormComponent(text: string): string {
  if (/%(?![0-9a-f]{2})/i.test(text)) throw new BadRequest('stray percent sign');
  return decodeUtf8(text.replaceAll('+', ' '));
}

/** A path segment decoded. A stray `%` stays as it is; bytes that are not UTF-8 throw `BadRequest` (contract 1.1). */
export function decodePathSegment(text: string): string {
  return decodeUtf8(text);
}

function decodeUtf8(text: string): string {
  const bytes = text.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(bytes, 'latin1'));
  } catch {
    throw new BadRequest('not UTF-8');
  }
}
