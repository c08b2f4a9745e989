// What Redis replies, in the shapes that are expected. Anything else is an error like any other of Redis.

/** A reply of another shape. */
export class Garbled extends Error {}

/** @throws Garbled */
export function listOf(reply: unknown): readonly unknown[] {
  if (!isList(reply)) throw new Garbled('not a list');
  return reply;
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

/** What TIME says, ms. @throws Garbled */
export function timeOf(seconds: unknown, micros: unknown): number {
  const ms = Number(seconds) * 1000 + Number(micros) / 1000;
  if (!Number.isFinite(ms)) throw new Garbled('not a time');
  return ms;
}

/** What HGETALL says. @throws Garbled */
export function pairsOf(reply: unknown): Map<string, string> {
  const list = listOf(reply).map(String);
  return new Map(list.flatMap((name, at) => (at % 2 === 0 ? [[name, list[at + 1] ?? ''] as const] : [])));
}

/** One entry of a stream. */
export interface StreamEntry {
  readonly id: string;
  readonly fields: ReadonlyMap<string, Buffer>;
}

/** What XRANGE says. @throws Garbled */
export function entriesOf(reply: unknown): readonly StreamEntry[] {
  return listOf(reply).map((entry) => {
    const [id, flat] = listOf(entry);
    const list = listOf(flat).map((value) => (Buffer.isBuffer(value) ? value : Buffer.alloc(0)));
    const fields = list.flatMap((name, at) => (at % 2 === 0 ? [[name.toString('latin1'), list[at + 1]!] as const] : []));
    return { id: String(id), fields: new Map(fields) };
  });
}

/** Whether one id of a stream is lower than another. */
export function isBelow(id: string, other: string): boolean {
  const [ms = 0, n = 0] = id.split('-').map(Number);
  const [otherMs = 0, otherN = 0] = other.split('-').map(Number);
  return ms < otherMs || (ms === otherMs && n < otherN);
}
