// A process of its own that is given orders once and asked things afterwards, so that its work does not count as that of others.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setPriority } from 'node:os';

export interface Worker<Orders, Told> {
  begin(orders: Orders): void;
  ask(): Promise<Told>;
  stop(): Promise<void>;
}

/** Starts the module, of this folder. Its `priority` is that of `os.setPriority`. */
export async function startWorker<Orders extends object, Told>(module: string, priority: number): Promise<Worker<Orders, Told>> {
  const child = fork(new URL(module, import.meta.url), { execArgv: ['--import', 'tsx'], serialization: 'advanced' });
  setPriority(child.pid!, priority);
  const closed = once(child, 'close');
  await once(child, 'message');
  return {
    begin: (orders) => void child.send(orders),
    async ask() {
      child.send('tell');
      const [told] = (await once(child, 'message')) as [Told];
      return told;
    },
    async stop() {
      child.kill();
      await closed;
    },
  };
}

/** The other side: does as it is told, and ends with who gives the orders. */
export function serveWorker(begin: (orders: unknown) => void, tell: () => object): void {
  process.on('message', (message) => {
    if (message === 'tell') process.send?.(tell());
    else begin(message);
  });
  process.once('disconnect', () => process.exit());
  // What is sent before somebody listens may be lost.
  process.send?.('ready');
}
