// The built program in a process of its own, which also tells what it holds: memory after a collection, and handles.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import v8 from 'node:v8';
import vm from 'node:vm';
import { loadConfig } from '../../dist/src/config/load-config.js';
import { createLogger, start } from '../../dist/src/main.js';

v8.setFlagsFromString('--expose-gc');
const collectGarbage = vm.runInNewContext('gc');

const delay = monitorEventLoopDelay({ resolution: 10 });
delay.enable();
const config = loadConfig(process.env);
const { app, url } = await start(config, createLogger(config));
process.on('message', () => {
  const loopDelayMs = delay.max / 1e6;
  collectGarbage();
  delay.reset();
  const { heapUsed, external } = process.memoryUsage();
  const handles = process.getActiveResourcesInfo();
  const sockets = handles.filter((name) => name.startsWith('TCP')).length;
  process.send?.({
    heapBytes: heapUsed + external,
    sockets,
    others: handles.length - sockets,
    loopDelayMs,
    cache: app.readThrough.size,
  });
});
for (const end of ['disconnect', 'SIGTERM']) process.once(end, () => void app.close().then(() => process.exit()));
process.send?.({ url });
