// Headers in the form in which they are sent: names and values in turn.

import type { FastifyReply } from 'fastify';

/** As `writeHead` takes them. */
export type HeaderList = string[];

/** Puts them on a reply of Fastify's. */
export function putHeaders(reply: FastifyReply, headers: HeaderList): void {
  for (let at = 0; at < headers.length; at += 2) void reply.header(headers[at]!, headers[at + 1]);
}
