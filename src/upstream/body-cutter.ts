// Reads the body of a page once, byte by byte, and can stop on the way: checks the grammar of JSON (RFC 8259), finds the rows and
// reads of each what the finder goes by. Nothing recurses: how deep a body nests costs no stack.

import type { Envelope, Row } from '../timeline/reading.ts';
import { charactersUpTo, endOfWord, isEscapedAt, letterAt, numberAt } from './json-tokens.ts';

/**
 * What one page may hold in values. Chatwoot's largest has 1,000 rows of some 20, of an e-mail 100. Whoever parses it has to make
 * something of each, and a million of them fit into a body that is small by its bytes.
 */
export const VALUES_MAX = 150_000;

/** How deep one value may nest. Ruby's JSON writes no more than 100 levels. */
const DEPTH_MAX = 256;

/** Thrown for a body that is no page of messages. Its message is a sentence about it that holds nothing of it. */
export class NotAPage extends Error {}

/** A page in its parts. */
export interface CutPage {
  readonly envelope: Envelope;
  /** In upstream's order. */
  readonly rows: readonly Row[];
  /** There are members beside `meta` and `payload`: they may belong to this page alone. */
  readonly hasUnknownMembers: boolean;
  /** The conversations that the rows say they are of: display ids (contract 3.2). Rows of a fork may not say. */
  readonly conversations: ReadonlySet<number>;
}

/** What may stand next, white space aside. */
type Expected = 'value' | 'value or end' | 'key' | 'key or end' | 'colon' | 'comma or end';

/** Members that are read: of the page the first two, of a row the rest. Of the numbered ones a row has one each. */
const MEMBERS = ['id', 'created_at', 'message_type', 'private', 'source_id', 'conversation_id', 'meta', 'payload'] as const;
type Member = (typeof MEMBERS)[number];
const REQUIRED_OF_ROW: ReadonlySet<Member> = new Set(['id', 'created_at', 'message_type', 'private']);

/** With their closing quotes, by their first letters: most keys are told from these by that alone. */
const BY_FIRST: readonly (readonly { readonly name: Member; readonly quoted: string }[])[] = Array.from(
  { length: 128 },
  (_, code) => MEMBERS.filter((name) => name.charCodeAt(0) === code).map((name) => ({ name, quoted: `${name}"` })),
);

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const [LOWER_F, LOWER_N, LOWER_T] = [0x66, 0x6e, 0x74];
const [SPACE, TAB, NEW_LINE, RETURN] = [0x20, 0x09, 0x0a, 0x0d];

/** The message_type of what Chatwoot notes by itself: "assigned to …" and the like (contract 3.2). */
const ACTIVITY = 2;

/** How a source_id begins that Chatwoot's data imports write (4.16 on): fresh ids under old dates. */
const IMPORTS = ['"intercom:', '"freshdesk:'];

/** Levels at which the members of the page, the rows, and their members stand. */
const [OF_PAGE, IN_PAYLOAD, OF_ROW] = [1, 2, 3];

export class BodyCutter {
  readonly #body: Buffer;
  #at = 0;
  /** The opening quote of the string that is being read; -1 outside of any. */
  #stringFrom = -1;
  #expects: Expected = 'value';
  /** What is open, outermost first. */
  readonly #opened = new Uint8Array(DEPTH_MAX + OF_ROW + 1);
  #depth = 0;
  #values = 0;
  /** The first thing that is wrong with the page, given that it is JSON. */
  #problem: string | null = null;

  #member: Member | null = null;
  #members = 0;
  #metas = 0;
  #payloads = 0;
  #hasMeta = false;
  #hasPayload = false;
  #isInPayload = false;
  #payloadOpen = 0;
  #payloadClose = 0;

  readonly #rows: Row[] = [];
  readonly #conversations = new Set<number>();
  #rowFrom = 0;
  #row = noRow();

  /** @param body in UTF-8. Bytes above ASCII stand in strings only. */
  constructor(body: Buffer) {
    this.#body = body;
  }

  /** Reads so many bytes, a word or number that stands across the last of them to its end. @returns whether there is nothing left. @throws NotAPage */
  readOn(bytes: number): boolean {
    const body = this.#body;
    const until = Math.min(body.length, this.#at + bytes);
    let at = this.#stringFrom < 0 ? this.#at : this.#readString(this.#at, until);
    while (at < until) {
      const byte = body[at]!;
      switch (byte) {
        case SPACE:
        case TAB:
        case NEW_LINE:
        case RETURN:
          at++;
          break;
        case QUOTE:
          this.#stringFrom = at;
          at = this.#readString(at + 1, until);
          break;
        case OPEN_BRACE:
        case OPEN_BRACKET:
          this.#open(at, byte);
          at++;
          break;
        case CLOSE_BRACE:
        case CLOSE_BRACKET:
          this.#close(at, byte);
          at++;
          break;
        case COMMA:
          this.#next(at);
          at++;
          break;
        case COLON:
          if (this.#expects !== 'colon') throw notJson();
          this.#expects = 'value';
          at++;
          break;
        default: {
          const end = endOfWord(body, at);
          if (end < 0) throw notJson();
          this.#takeScalar(at, end);
          at = end;
        }
      }
    }
    this.#at = at;
    return at >= body.length;
  }

  /** What was cut, once nothing is left. @throws NotAPage */
  get page(): CutPage {
    if (this.#stringFrom >= 0 || this.#depth > 0 || this.#expects !== 'comma or end') throw notJson();
    if (this.#problem !== null) throw new NotAPage(this.#problem);
    if (!this.#hasMeta) throw new NotAPage('it has no meta object');
    if (!this.#hasPayload) throw new NotAPage('it has no payload array');
    if (this.#metas > 1 || this.#payloads > 1) throw new NotAPage('it has meta or payload twice');
    const rows = this.#rows;
    if (new Set(rows.map((row) => row.id)).size !== rows.length) throw new NotAPage('two of its messages have the same id');
    const envelope = {
      // The white space of an empty payload belongs to the head.
      head: this.#raw(0, rows.length === 0 ? this.#payloadClose : this.#payloadOpen + 1),
      tail: this.#raw(this.#payloadClose, this.#body.length),
    };
    return { envelope, rows, hasUnknownMembers: this.#members > 2, conversations: this.#conversations };
  }

  #raw(from: number, to: number): string {
    return this.#body.toString('latin1', from, to);
  }

  /** Reads on in a string. @returns the index after it, or where it goes on */
  #readString(from: number, until: number): number {
    const at = charactersUpTo(this.#body, from, until);
    if (at < 0) throw notJson();
    if (this.#body[at] !== QUOTE) return at;
    const open = this.#stringFrom;
    this.#stringFrom = -1;
    if (this.#expects === 'key' || this.#expects === 'key or end') this.#takeKey(open);
    else this.#takeScalar(open, at + 1);
    return at + 1;
  }

  #count(): void {
    if (++this.#values > VALUES_MAX) throw new NotAPage('it has too many values');
  }

  #isWrong(problem: string): void {
    this.#problem ??= problem;
  }

  /** A value begins here: notes what it must not be. */
  #beginValue(isObject: boolean): void {
    if (this.#expects !== 'value' && this.#expects !== 'value or end') throw notJson();
    if (this.#depth === 0 && !isObject) this.#isWrong('it is not an object');
    if (this.#isInPayload && this.#depth === IN_PAYLOAD && !isObject) this.#isWrong('one of its messages is not an object');
  }

  #open(at: number, byte: number): void {
    this.#count();
    this.#beginValue(byte === OPEN_BRACE);
    const depth = ++this.#depth;
    if (depth - (this.#isInPayload ? OF_ROW : OF_PAGE) > DEPTH_MAX) throw new NotAPage('it nests too deep');
    this.#opened[depth - 1] = byte;
    this.#expects = byte === OPEN_BRACE ? 'key or end' : 'value or end';
    if (depth === OF_PAGE + 1 && this.#opened[0] === OPEN_BRACE) {
      if (this.#member === 'meta' && byte === OPEN_BRACE) this.#hasMeta = true;
      if (this.#member === 'payload' && byte === OPEN_BRACKET) {
        this.#hasPayload = this.#isInPayload = true;
        this.#payloadOpen = at;
        this.#rowFrom = at + 1;
      }
    } else if (this.#isInPayload && depth === OF_ROW) {
      this.#member = null;
      this.#row = noRow();
    } else if (this.#isInPayload && depth === OF_ROW + 1) {
      this.#takeMember(null);
    }
  }

  #close(at: number, byte: number): void {
    const isObject = byte === CLOSE_BRACE;
    if (this.#depth === 0 || this.#opened[--this.#depth] !== (isObject ? OPEN_BRACE : OPEN_BRACKET)) throw notJson();
    if (this.#expects !== 'comma or end' && this.#expects !== (isObject ? 'key or end' : 'value or end')) throw notJson();
    if (this.#isInPayload && this.#depth === OF_PAGE) {
      if (this.#expects === 'comma or end') this.#endRow(at);
      this.#isInPayload = false;
      this.#payloadClose = at;
    }
    this.#expects = 'comma or end';
  }

  #next(at: number): void {
    this.#count();
    if (this.#expects !== 'comma or end' || this.#depth === 0) throw notJson();
    this.#expects = this.#opened[this.#depth - 1] === OPEN_BRACE ? 'key' : 'value';
    if (!this.#isInPayload || this.#depth !== IN_PAYLOAD) return;
    this.#endRow(at);
    this.#rowFrom = at + 1;
  }

  /** The key that stands from its opening quote on. */
  #takeKey(from: number): void {
    this.#expects = 'colon';
    if (this.#depth === OF_PAGE) {
      this.#members++;
      this.#member = this.#nameAt(from);
      if (this.#member === 'meta') this.#metas++;
      if (this.#member === 'payload') this.#payloads++;
    } else if (this.#isInPayload && this.#depth === OF_ROW) {
      this.#member = this.#nameAt(from);
    }
  }

  /** The name that stands behind this quote, if it is one of those that are read. */
  #nameAt(quote: number): Member | null {
    for (const { name, quoted } of BY_FIRST[letterAt(this.#body, quote + 1)] ?? []) {
      if (isEscapedAt(this.#body, quote + 1, quoted)) return name;
    }
    return null;
  }

  #takeScalar(from: number, end: number): void {
    this.#beginValue(false);
    this.#expects = 'comma or end';
    if (this.#isInPayload && this.#depth === OF_ROW && this.#member !== null)
      this.#takeMember(this.#scalarAt(this.#member, from, end));
  }

  /** What is read of a number or a word, and of a source_id whether it tells of an import. null: nothing that is looked for. */
  #scalarAt(member: Member, from: number, end: number): unknown {
    const first = this.#body[from];
    if (first === LOWER_T || first === LOWER_F) return first === LOWER_T;
    if (first === QUOTE) return member === 'source_id' ? IMPORTS.some((start) => isEscapedAt(this.#body, from, start)) : null;
    return first === LOWER_N ? null : numberAt(this.#body, from, end);
  }

  /** @param value null for an object or an array: none of these members is one */
  #takeMember(value: unknown): void {
    const [member, row] = [this.#member, this.#row];
    if (member === null || member === 'meta' || member === 'payload') return;
    // JSON.parse takes the last of repeated ones, other readers the first.
    if (REQUIRED_OF_ROW.has(member) && row[member] !== undefined) this.#isWrong('one of its messages has a member twice');
    row[member] = value;
  }

  #endRow(end: number): void {
    if (this.#problem !== null) return;
    const { id, created_at: createdAt, message_type: messageType, private: isPrivate, source_id, conversation_id } = this.#row;
    if (!isCount(id) || id === 0) return this.#isWrong('one of its messages has no usable id');
    if (!isCount(createdAt)) return this.#isWrong('one of its messages has no usable created_at');
    if (!Number.isSafeInteger(messageType)) return this.#isWrong('one of its messages has no usable message_type');
    if (typeof isPrivate !== 'boolean') return this.#isWrong('one of its messages does not say whether it is private');
    const internal = isPrivate || messageType === ACTIVITY;
    // Cut from the body: a slice of a longer text would keep all of that alive.
    this.#rows.push({ id, createdAt, internal, imported: source_id === true, raw: this.#raw(this.#rowFrom, end) });
    if (typeof conversation_id === 'number') this.#conversations.add(conversation_id);
  }
}

/** The members of a row before any was read. */
function noRow(): Record<Exclude<Member, 'meta' | 'payload'>, unknown> {
  return {
    id: undefined,
    created_at: undefined,
    message_type: undefined,
    private: undefined,
    source_id: undefined,
    conversation_id: undefined,
  };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function notJson(): NotAPage {
  return new NotAPage('it is not JSON, or not all of it arrived');
}
