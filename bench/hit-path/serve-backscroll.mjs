// The built program in a process of its own, as `npm start` runs it. Settings come from the environment.

import { loadConfig } from '../../dist/src/config.js';
import { createLogger, start } from '../../dist/src/main.js';

const config = loadConfig(process.env);
const { app, url } = await start(config, createLogger(config));
process.once('disconnect', () => void app.close().then(() => process.exit()));
process.send?.({ url });
