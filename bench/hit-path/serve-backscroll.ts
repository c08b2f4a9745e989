// The real app in a process of its own, as `backscroll serve` starts it. Settings come from the environment.

import { loadConfig } from '../../src/config.ts';
import { createLogger, start } from '../../src/main.ts';

const config = loadConfig(process.env);
const { app, url } = await start(config, createLogger(config));
process.once('disconnect', () => void app.close().then(() => process.exit()));
process.send?.({ url });
