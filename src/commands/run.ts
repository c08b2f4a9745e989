// Which command was asked for. Each is one function elsewhere, loaded only when it is.

import { ConfigError } from '../config/load-config.ts';
import { CannotListen } from '../http/listen.ts';
import { VERSION } from '../version.ts';
import type { Terminal } from './terminal.ts';
import { UsageError } from './usage.ts';

const USAGE = `backscroll <command>

  serve   answer in front of the Chatwoot at CHATWOOT_URL (settings: see docs/settings.md)
  check   say whether the settings, the clients file and Chatwoot are as they must be
  demo    answer in front of a built-in sample Chatwoot and print calls to try

  key create [--name crm]
          make a key for a client, and its entry for the clients file
  token create --account 1 --conversations 2,3 [--view customer] [--expires 1h] [--sub name]
          sign a token with the first JWT_SECRET, for trying
  webhook create --account 1 --url https://backscroll.example.com
          register a webhook with Chatwoot for FEED=webhook, and print its secret once

  --version
          the version of this program
`;

/**
 * Runs a command line, without the program's name. Servers keep running after it.
 * @returns the exit code: 0; 1 where settings are wrong, or something is amiss; 2 where the command line is wrong
 */
export async function run(args: readonly string[], env: NodeJS.ProcessEnv, terminal: Terminal): Promise<number> {
  try {
    return await dispatch(args, env, terminal);
  } catch (error) {
    const isUsage = error instanceof UsageError;
    if (!isUsage && !(error instanceof ConfigError) && !(error instanceof CannotListen)) throw error;
    terminal.stderr.write(`${error.message}\n`);
    return isUsage ? 2 : 1;
  }
}

async function dispatch(args: readonly string[], env: NodeJS.ProcessEnv, terminal: Terminal): Promise<number> {
  const [first = 'help', second = ''] = args;
  switch (first === 'key' || first === 'token' || first === 'webhook' ? `${first} ${second}` : first) {
    case 'serve': {
      const { serve } = await import('../main.ts');
      await serve(env);
      return 0;
    }
    case 'demo': {
      const { demo } = await import('../demo.ts');
      await demo(env);
      return 0;
    }
    case 'check': {
      const { check } = await import('./check.ts');
      return (await check(args.slice(1), env, terminal)) ? 0 : 1;
    }
    case 'key create': {
      const { keyCreate } = await import('./key-create.ts');
      keyCreate(args.slice(2), terminal);
      return 0;
    }
    case 'token create': {
      const { tokenCreate } = await import('./token-create.ts');
      await tokenCreate(args.slice(2), env, terminal);
      return 0;
    }
    case 'webhook create': {
      const { webhookCreate } = await import('./webhook-create.ts');
      return (await webhookCreate(args.slice(2), env, terminal)) ? 0 : 1;
    }
    case '--version':
      terminal.stdout.write(`${VERSION}\n`);
      return 0;
    default:
      terminal.stderr.write(USAGE);
      return first === 'help' || first === '--help' ? 0 : 2;
  }
}
