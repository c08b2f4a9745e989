// Readings as bytes and back. Rows and envelopes are their raw bytes, each different one once, whichever readings show it.
//
//   header length 4 │ header, JSON │ pieces, one after the other          all of it deflated
//
// The moments are those of the server that keeps the log (clock.ts).

import { promisify } from 'node:util';
import { constants, deflateRaw, inflateRaw } from 'node:zlib';
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import type { SharedReading } from '../cache/shared-level.ts';
import { followsTheFinder } from '../timeline/learn.ts';
import type { Row } from '../timeline/reading.ts';

const deflate = promisify<Uint8Array, { level: number }, Buffer>(deflateRaw);
const inflate = promisify<Uint8Array, { maxOutputLength: number; finishFlush: number }, Buffer>(inflateRaw);

const LEVEL = 4;
/** What an entry may be when it is inflated. */
export const PLAIN_BYTES_MAX = 64 * 1024 * 1024;

const INTERNAL = 1;
const IMPORTED = 2;

const Whole = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const QuerySchema = Type.Union([
  Type.Object({ mode: Type.Literal('latest'), publicOnly: Type.Boolean() }),
  Type.Object({ mode: Type.Literal('before'), before: Whole, publicOnly: Type.Boolean() }),
  Type.Object({ mode: Type.Literal('after'), after: Whole, publicOnly: Type.Boolean() }),
  Type.Object({ mode: Type.Literal('between'), after: Whole, before: Whole, publicOnly: Type.Boolean() }),
]);
const HeaderSchema = Type.Object({
  /** Lengths of the pieces. */
  pieces: Type.Array(Whole),
  /** Id, second, flags, piece. */
  rows: Type.Array(Type.Tuple([Whole, Type.Integer(), Whole, Whole])),
  readings: Type.Array(
    Type.Object({
      query: QuerySchema,
      askedAt: Whole,
      vouched: Whole,
      /** Pieces. */
      head: Whole,
      tail: Whole,
      rows: Type.Array(Whole),
    }),
  ),
});

/** Numbers things in the order in which they first come. */
class Numbers<T> {
  readonly all: T[] = [];
  readonly #numbers = new Map<string, number>();

  of(key: string, thing: T): number {
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.all.length);
    return this.all.push(thing) - 1;
  }
}

export async function encodeReadings(shared: readonly SharedReading[]): Promise<Buffer> {
  const pieces = new Numbers<string>();
  const rows = new Numbers<readonly number[]>();
  const piece = (raw: string): number => pieces.of(raw, raw);
  const readings = shared.map(({ reading: { query, askedAt, envelope, rows: shown }, vouched }) => ({
    query,
    askedAt: Math.floor(askedAt),
    vouched,
    head: piece(envelope.head),
    tail: piece(envelope.tail),
    rows: shown.map(({ id, createdAt, internal, imported, raw }) => {
      const row = [id, createdAt, (internal ? INTERNAL : 0) | (imported === true ? IMPORTED : 0), piece(raw)];
      return rows.of(row.join(' '), row);
    }),
  }));
  const header = Buffer.from(JSON.stringify({ pieces: pieces.all.map(({ length }) => length), rows: rows.all, readings }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  return deflate(Buffer.concat([length, header, Buffer.from(pieces.all.join(''), 'latin1')]), { level: LEVEL });
}

/** Null for bytes that `encodeReadings` does not write. */
export async function decodeReadings(bytes: Uint8Array): Promise<readonly SharedReading[] | null> {
  try {
    return readingsIn(await inflate(bytes, { maxOutputLength: PLAIN_BYTES_MAX, finishFlush: constants.Z_FINISH }));
  } catch {
    return null;
  }
}

function readingsIn(plain: Buffer): readonly SharedReading[] | null {
  const piecesFrom = 4 + plain.readUInt32LE(0);
  const header: unknown = JSON.parse(plain.toString('utf8', 4, piecesFrom));
  if (!Value.Check(HeaderSchema, header)) return null;
  let at = piecesFrom;
  const pieces = header.pieces.map((length) => plain.toString('latin1', at, (at += length)));
  if (at !== plain.length) return null;
  const rows = header.rows.map(([id, createdAt, flags, piece]): Row => {
    const raw = nth(pieces, piece);
    return { id, createdAt, internal: (flags & INTERNAL) !== 0, imported: (flags & IMPORTED) !== 0, raw };
  });
  const readings = header.readings.map(({ query, askedAt, vouched, head, tail, rows: shown }): SharedReading => {
    const envelope = { head: nth(pieces, head), tail: nth(pieces, tail) };
    return { vouched, reading: { query, askedAt, envelope, rows: shown.map((row) => nth(rows, row)) } };
  });
  return readings.every(({ reading }) => followsTheFinder(reading)) ? readings : null;
}

/** @throws RangeError where there is no such place */
function nth<T>(list: readonly T[], place: number): T {
  const found = list[place];
  if (found === undefined) throw new RangeError('no such place');
  return found;
}
