// Which connections to Chatwoot are known to be there.

import { expect, onTestFinished, test } from 'vitest';
import { Carriage, openConnections } from '../../src/upstream/connections.ts';
import { Receiver } from '../../src/upstream/receiver.ts';
import { freePort } from '../support/free-port.ts';

test('those that could not be made are held by nobody', async () => {
  const sizes: number[] = [];
  class Seen extends Carriage {
    override taken(connection: Parameters<Carriage['taken']>[0]): void {
      super.taken(connection);
      sizes.push(connection.all.size);
    }
  }
  const port = await freePort();
  const connections = openConnections(new URL(`http://127.0.0.1:${port}`), { connections: 2, timeoutMs: 1_000 });
  onTestFinished(() => connections.close());
  for (let nth = 0; nth < 6; nth++) {
    const receiver = new Receiver({ maxBytesOf: () => 100, signal: new AbortController().signal, onHead: () => undefined });
    const carried = { method: 'GET', path: '/', opaque: new Seen(() => undefined) } as const;
    connections.dispatch(carried, receiver);
    await expect(receiver.received).rejects.toThrow('ECONNREFUSED'); // oxlint-disable-line no-await-in-loop -- one after the other
  }
  expect(sizes).toHaveLength(6);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(2);
});
