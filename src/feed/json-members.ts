// Reads members of JSON that came from elsewhere: anything may be anything.

export type Members = Readonly<Record<string, unknown>>;

const NONE: Members = {};

/** The object itself; one without members in place of anything else. */
export function membersOf(value: unknown): Members {
  return isObject(value) ? value : NONE;
}

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An id as Chatwoot hands them out; null for anything else. */
export function idOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : null;
}
