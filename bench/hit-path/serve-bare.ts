// A bare node:http server that sends one answer again and again. The answer comes from the parent.

import { createServer } from 'node:http';

export interface BareAnswer {
  /** Names and values in turn, as `rawHeaders` has them. */
  readonly headers: readonly string[];
  readonly body: string;
}

process.once('message', ({ headers, body }: BareAnswer) => {
  const bytes = Buffer.from(body, 'latin1');
  const list = [...headers];
  const server = createServer((_request, response) => {
    response.writeHead(200, list);
    response.end(bytes);
  });
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    if (address !== null && typeof address === 'object') process.send?.({ url: `http://127.0.0.1:${address.port}` });
  });
});
process.once('disconnect', () => process.exit());
