#!/usr/bin/env node
// The program: its command line, its settings, its streams.

import { run } from './commands/run.ts';

process.exitCode = await run(process.argv.slice(2), process.env, process);
