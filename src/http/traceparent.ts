// The trace that a request is part of, as its caller says (W3C Trace Context 3.2). It is passed on as it is: this server adds no span.

import type { IncomingHttpHeaders } from 'node:http';

/** Version, trace id, parent id, flags; a version of later than 00 may have more behind. */
const TRACEPARENT = /^(?!ff)([\da-f]{2})-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}(-[\x21-\x7e]{1,200})?$/;

/** The value of the header, undefined where there is none that is valid. */
export function traceparentOf({ traceparent }: IncomingHttpHeaders): string | undefined {
  if (typeof traceparent !== 'string') return undefined;
  const match = TRACEPARENT.exec(traceparent);
  return match === null || (match[1] === '00' && match[2] !== undefined) ? undefined : traceparent;
}
