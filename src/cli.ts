#!/usr/bin/env node
// Commands. Each is one function elsewhere; here is only which one was asked for.

import { ConfigError } from './config.ts';
import { serve } from './main.ts';

const USAGE = `backscroll <command>

  serve   answer in front of the Chatwoot at CHATWOOT_URL (settings: see the README)
  demo    answer in front of a built-in sample Chatwoot and print calls to try
`;

async function run(command: string): Promise<void> {
  switch (command) {
    case 'serve':
      return serve(process.env);
    case 'demo': {
      const { demo } = await import('./demo.ts');
      return demo(process.env);
    }
    default:
      process.stderr.write(USAGE);
      process.exitCode = command === 'help' || command === '--help' ? 0 : 2;
  }
}

try {
  await run(process.argv[2] ?? 'help');
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
