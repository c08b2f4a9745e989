// The ways in which an upstream can misbehave, and how each looks on the wire.

import type { ServerResponse } from 'node:http';

import type { Gate, GatePoint } from './gate.ts';

/** One misbehaviour. Where it says "the answer" it means the answer that a healthy fake would have sent. */
export type Fault =
  /** The connection is reset before any byte of an answer. */
  | { readonly kind: 'refuse-headers-reset' }
  /** Headers and half of the answer's body, then a reset. A client that reads both at once may be shown an early end instead. */
  | { readonly kind: 'reset-mid-body' }
  /** Headers that announce more than the body that follows, then an orderly end of the connection. */
  | { readonly kind: 'truncated' }
  /** Another answer. */
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** Nothing at all, until `close()`. */
  | { readonly kind: 'hang' }
  /** The answer, a few bytes at a time. */
  | { readonly kind: 'slow-drip'; readonly bytesPerChunk: number; readonly everyMs: number }
  /** A well-formed 200 with a body of exactly so many bytes, announced by Content-Length unless `chunked`. */
  | { readonly kind: 'huge'; readonly bytes: number; readonly chunked?: boolean }
  /** A 200 that calls HTML JSON. */
  | { readonly kind: 'not-json' }
  /** A 200 whose JSON is none that this endpoint sends; `body` replaces the sample. */
  | { readonly kind: 'wrong-shape'; readonly body?: string }
  | { readonly kind: 'redirect'; readonly location: string; readonly status?: 301 | 302 | 303 | 307 | 308 }
  /** The answer, held at a gate. */
  | { readonly kind: 'delay-gate'; readonly gate: Gate; readonly point?: GatePoint };

/** An answer ready for the wire. `headers` are names and values by turns, with Content-Length. */
export interface WireAnswer {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: Buffer;
}

/** A fault that replaces or spoils the answer on the wire. */
export type WireFault = Exclude<Fault, { readonly kind: 'delay-gate' }>;

const JSON_HEADERS = {
  'content-type': 'application/json; charset=utf-8',
  'cache-control': 'max-age=0, private, must-revalidate',
};

/** Sends `answer` the way the fault has it. */
export function misbehave(response: ServerResponse, fault: WireFault, answer: WireAnswer): void {
  switch (fault.kind) {
    case 'refuse-headers-reset':
      response.socket?.resetAndDestroy();
      return;
    case 'reset-mid-body':
      response.writeHead(answer.status, [...answer.headers]);
      response.write(firstHalf(answer.body), () => response.socket?.resetAndDestroy());
      return;
    case 'truncated':
      response.writeHead(answer.status, withLength(answer.headers, answer.body.length + 1000));
      response.write(answer.body, () => response.socket?.end());
      return;
    case 'status':
      replace(response, fault.status, fault.headers ?? {}, fault.body ?? '');
      return;
    case 'hang':
      return;
    case 'slow-drip':
      response.writeHead(answer.status, [...answer.headers]);
      drip(response, answer.body, fault);
      return;
    case 'huge':
      sendHuge(response, fault.bytes, fault.chunked ?? false);
      return;
    case 'not-json':
      replace(response, 200, JSON_HEADERS, '<html><body>Bad gateway</body></html>');
      return;
    case 'wrong-shape':
      replace(response, 200, JSON_HEADERS, fault.body ?? '{"data":{"items":[]}}');
      return;
    case 'redirect':
      replace(response, fault.status ?? 302, { location: fault.location }, '');
      return;
  }
}

function replace(response: ServerResponse, status: number, headers: Readonly<Record<string, string>>, body: string): void {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

/** Half of the body, and the headers alone where there is no body. */
function firstHalf(body: Buffer): Buffer {
  return body.subarray(0, Math.ceil(body.length / 2));
}

function withLength(headers: readonly string[], length: number): string[] {
  return headers.map((value, index) => (headers[index - 1] === 'Content-Length' ? String(length) : value));
}

function drip(response: ServerResponse, body: Buffer, pace: { readonly bytesPerChunk: number; readonly everyMs: number }): void {
  let sent = 0;
  const timer = setInterval(() => {
    if (sent >= body.length) response.end();
    else response.write(body.subarray(sent, (sent += pace.bytesPerChunk)));
  }, pace.everyMs);
  response.once('close', () => clearInterval(timer));
}

function sendHuge(response: ServerResponse, bytes: number, chunked: boolean): void {
  const head = '{"meta":{},"payload":[],"padding":"';
  const tail = '"}';
  response.writeHead(200, chunked ? JSON_HEADERS : { ...JSON_HEADERS, 'content-length': bytes });
  response.write(head);
  let left = Math.max(0, bytes - head.length - tail.length);
  const pad = Buffer.alloc(65_536, 'x');
  const pump = (): void => {
    while (left > 0) {
      const flowing = response.write(pad.subarray(0, Math.min(left, pad.length)));
      left -= Math.min(left, pad.length);
      if (!flowing) return;
    }
    response.removeListener('drain', pump);
    response.end(tail);
  };
  response.on('drain', pump);
  pump();
}
