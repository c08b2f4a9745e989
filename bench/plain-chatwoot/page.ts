// Pages of settled messages as Chatwoot writes them, without a table behind them: what a finder says follows from the ids alone.

/** What every conversation of an account is like. */
export interface Shape {
  readonly rows: number;
  readonly contentBytes: number;
  /** Between a question and its answer. */
  readonly delayMs: number;
}

/** Rows of a conversation have its number times this and up as ids, without gaps. */
const IDS_EACH = 1_000_000;
const SENT_AT = Math.floor(Date.now() / 1000) - 30 * 86_400;
const META =
  '{"labels":[],"additional_attributes":{},"contact":{"id":7,"name":"Jane"},"assignee":null,"agent_last_seen_at":null}';

/** The page of a conversation that its finder gives for this query string (contract 5.1). */
export function pageOf(conversation: number, { rows, contentBytes }: Shape, search: string): Buffer {
  const first = conversation * IDS_EACH + 1;
  const { from, to } = idsOf(new URLSearchParams(search), first, first + rows);
  const content = 'x'.repeat(contentBytes);
  const row = (id: number): string =>
    `{"id":${id},"content":"${content}","inbox_id":1,"conversation_id":${conversation},"message_type":0,` +
    `"content_type":"text","status":"sent","content_attributes":{},"created_at":${SENT_AT + id - first},"private":false,` +
    `"source_id":null,"sender":{"additional_attributes":{},"custom_attributes":{},"email":"jane@example.com","id":7,` +
    `"identifier":null,"name":"Jane","phone_number":null,"thumbnail":"","blocked":false,"type":"contact"}}`;
  const payload = Array.from({ length: Math.max(0, to - from) }, (_, n) => row(from + n));
  return Buffer.from(`{"meta":${META},"payload":[${payload.join(',')}]}`, 'latin1');
}

/** The ids of a page, of those from `first` up to below `end`. */
function idsOf(query: URLSearchParams, first: number, end: number): { readonly from: number; readonly to: number } {
  const [after, before] = [query.get('after'), query.get('before')];
  const from = Math.max(first, after === null ? 0 : Number(after) + (before === null ? 1 : 0));
  const to = Math.min(end, before === null ? Infinity : Number(before));
  if (after === null) return { from: Math.max(from, to - 20), to };
  return { from, to: Math.min(to, from + (before === null ? 100 : 1000)) };
}
