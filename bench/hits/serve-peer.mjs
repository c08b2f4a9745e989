// The servers that a hit is measured against. Each sends one answer again and again; the answer comes from the parent.
//
//   bare      node:http and nothing else
//   fastify   Fastify with a Buffer
//   stock     Fastify, @fastify/rate-limit and one line of pino a request: what anybody would put together

import rateLimit from '@fastify/rate-limit';
import Fastify from 'fastify';
import { createServer } from 'node:http';

const [kind] = process.argv.slice(2);

process.once('message', ({ headers, body }) => {
  const bytes = Buffer.from(body, 'latin1');
  const listening = kind === 'bare' ? serveBare(headers, bytes) : serveFastify(headers, bytes, kind === 'stock');
  void listening.then((port) => process.send({ url: `http://127.0.0.1:${port}` }));
});
process.once('disconnect', () => process.exit());

function serveBare(headers, bytes) {
  const server = createServer((_request, response) => {
    response.writeHead(200, headers);
    response.end(bytes);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));
}

async function serveFastify(rawHeaders, bytes, withAll) {
  const headers = Object.fromEntries(rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [[name, rawHeaders[at + 1]]] : [])));
  const app = Fastify(
    withAll
      ? {
          logger: { level: 'info', base: null },
          logController: new Fastify.LogController({ disableRequestLogging: true }),
        }
      : {},
  );
  if (withAll) {
    await app.register(rateLimit, { max: 1_000_000, timeWindow: 1000 });
    app.addHook('onResponse', (request, reply, done) => {
      request.log.info({ status: reply.statusCode, ms: reply.elapsedTime }, 'answered');
      done();
    });
  }
  app.get('/*', (_request, reply) => reply.headers(headers).send(bytes));
  await app.listen({ port: 0, host: '127.0.0.1' });
  return app.server.address().port;
}
