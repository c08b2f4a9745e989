// A `100 Continue` that nobody asked for is an interim answer like any other (RFC 9110 15.2.1): the answer follows it. undici
// closes the connection on one, and passes over the other interim answers. So on the way in a 100 is made a 102.

import type { Socket } from 'node:net';

const CONTINUE = Buffer.from('HTTP/1.1 100');
const HEAD_END = '\r\n\r\n';
const LAST_DIGIT = CONTINUE.length - 1;

/**
 * Hides what would upset the client that reads from the socket. Only heads are looked at: a request was written and its
 * answer has not begun. One request at a time may be under way (no pipelining).
 */
export function passOverContinue(socket: Socket): void {
  let inHead = false;
  /** The beginning of a head, too short to tell what it is. */
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
      const start = bytes.subarray(at, at + CONTINUE.length);
      if (!start.equals(CONTINUE.subarray(0, start.length))) {
        inHead = false;
        return bytes;
      }
      if (start.length < CONTINUE.length) {
        held = Buffer.from(start);
        return at === 0 ? null : bytes.subarray(0, at);
      }
      bytes[at + LAST_DIGIT] = 0x32;
      const end = bytes.indexOf(HEAD_END, at);
      if (end < 0) return bytes; // The rest of it is no beginning of a head, so that nothing after it is looked at.
      at = end + HEAD_END.length;
    }
    return bytes;
  };
}
