// The line of an answered request, as pino would write it. There is one for each request, and all are of one form, so it is put
// together here: that is a tenth of the work.

import type { Answered } from './request-log.ts';

/** pino's number for it. */
const INFO = 30;

/** What puts the lines together. `now` is when it was answered, whole ms since 1970. */
export function answeredLines(): (answered: Answered, now: number) => string {
  const isoTime = isoTimes();
  return ({ id, traceparent, reader, conversation, status, outcome, durationMs }, now) => {
    const client = reader === null ? '' : `,"client":${quoted(reader.clientName)}`;
    const ids =
      conversation === null ? '' : `,"accountId":${conversation.accountId},"conversationId":${conversation.conversationId}`;
    const trace = traceparent === undefined ? '' : `,"traceparent":${quoted(traceparent)}`;
    const word = outcome === null ? 'null' : `"${outcome}"`;
    const ms = Math.round(durationMs * 10) / 10;
    return `{"level":${INFO},"time":"${isoTime(now)}","reqId":${quoted(id)}${trace}${client}${ids},"status":${status},"outcome":${word},"ms":${ms},"msg":"answered"}\n`;
  };
}

/** The text as JSON. Ids and names mostly are of characters that need no escape. */
function quoted(text: string): string {
  return /^[\w.:~-]*$/.test(text) ? `"${text}"` : JSON.stringify(text);
}

/** ISO 8601 of moments in ms. The part up to the second is the same for many. */
function isoTimes(): (now: number) => string {
  let second = Number.NaN;
  let uptoSecond = '';
  return (now) => {
    const seconds = Math.floor(now / 1000);
    if (seconds !== second) {
      second = seconds;
      uptoSecond = new Date(seconds * 1000).toISOString().slice(0, -4);
    }
    const ms = now - seconds * 1000;
    return `${uptoSecond}${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z`;
  };
}
