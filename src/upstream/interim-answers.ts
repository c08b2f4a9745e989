// A `100 Continue` that nobody asked for is an interim answer like any other (RFC 9110 15.2.1): the answer follows it. undici
// closes the connection on one, and passes over the other interim answers. So on the way in a 100 is made a 102.

import type { Socket } from 'node:net';

/** The beginning of the head of an interim answer; a 101 is the end of HTTP. */
const INTERIM = /^HTTP\/1\.[01] 1(?!01)\d\d$/;
const START = 'HTTP/1.1 100';
const LAST_DIGIT = START.length - 1;
const HEAD_END = '\r\n\r\n';
/** An interim head that is longer is passed on as it is. */
const HEAD_BYTES_MAX = 16 * 1024;

/**
 * Hides what would upset the client that reads from the socket. Only heads are looked at: a request was written and its
 * answer has not begun. One request at a time may be under way (no pipelining).
 */
export function passOverContinue(socket: Socket): void {
  let inHead = false;
  /** An interim head of which the end has not come, or too little to tell. */
  let held: Buffer | null = null;

  const write = socket.write.bind(socket);
  socket.write = (...args: unknown[]): boolean => {
    inHead = true;
    return Reflect.apply(write, socket, args);
  };

  const read = socket.read.bind(socket);
  socket.read = (size?: number): unknown => {
    const chunk: unknown = read(size);
    if (!inHead || !(chunk instanceof Buffer)) return chunk;
    const bytes: Buffer = held === null ? chunk : Buffer.concat([held, chunk]);
    held = null;
    for (let at = 0; at < bytes.length;) {
      const start = bytes.toString('latin1', at, at + START.length);
      const end = bytes.indexOf(HEAD_END, at);
      // What is missing of a start that is cut is taken for that of an interim answer.
      const isInterim = INTERIM.test(start + START.slice(start.length));
      if (!isInterim || (end < 0 && bytes.length - at > HEAD_BYTES_MAX)) {
        inHead = false;
        return bytes;
      }
      if (end < 0) {
        held = Buffer.from(bytes.subarray(at));
        return at === 0 ? null : bytes.subarray(0, at);
      }
      if (start.endsWith('100')) bytes[at + LAST_DIGIT] = 0x32;
      at = end + HEAD_END.length;
    }
    return bytes;
  };
}
