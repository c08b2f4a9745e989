// How commands read what stands behind their names.

import { parseArgs, type ParseArgsConfig } from 'node:util';

/** The command line is wrong. The message says how, and never repeats a value. */
export class UsageError extends Error {}

/**
 * The options of a command, all of them texts and none of them required.
 * @throws UsageError for anything else
 */
export function optionsOf<Name extends string>(args: readonly string[], names: readonly Name[]): Partial<Record<Name, string>> {
  const options: ParseArgsConfig['options'] = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]));
  try {
    const { values } = parseArgs({ args: [...args], options, strict: true, allowPositionals: false });
    const given: Partial<Record<Name, string>> = {};
    for (const name of names) {
      const value = values[name];
      if (typeof value === 'string') given[name] = value;
    }
    return given;
  } catch {
    // The parser's own message repeats what was written.
    const known = names.map((name) => `--${name} …`).join(', ');
    throw new UsageError(names.length === 0 ? 'This command has no options' : `The options of this command are ${known}`);
  }
}
