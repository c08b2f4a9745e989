// For programs that do not tell which port they took.

import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below those that systems give to connections going out, one of which would else take the port before the program does. */
const [FIRST, END] = [15_000, 32_000];
const TRIES_MAX = 100;

/** A port of this machine that nothing listens at. */
export async function freePort(): Promise<number> {
  for (let tries = 1; ; tries++) {
    const port = randomInt(FIRST, END);
    const server = createServer().listen(port, '127.0.0.1');
    try {
      // oxlint-disable-next-line no-await-in-loop -- until one is free
      await once(server, 'listening');
    } catch (error) {
      if (tries >= TRIES_MAX) throw error;
      continue;
    }
    server.close();
    // oxlint-disable-next-line no-await-in-loop
    await once(server, 'close');
    return port;
  }
}
