// Dates of the clients file: never in the zone of whoever runs the program, never rolled over from a day that does not exist.

const ISO = /^(\d{4}-\d{2}-\d{2})(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2}))?$/;
const DAY_MS = 24 * 60 * 60 * 1_000;

/**
 * The moment of an ISO date-time with its zone, or the end of the UTC day of a bare date, in milliseconds since 1970;
 * null for anything else.
 */
export function parseInstant(text: string): number | null {
  const date = ISO.exec(text)?.[1];
  if (date === undefined) return null;
  const midnightAt = Date.parse(`${date}T00:00:00Z`);
  // Date.parse takes February 30 for March 2.
  if (Number.isNaN(midnightAt) || new Date(midnightAt).toISOString().slice(0, date.length) !== date) return null;
  const at = text === date ? midnightAt + DAY_MS : Date.parse(text);
  return Number.isNaN(at) ? null : at;
}
