// What a setting's text comes to, wherever it stood. Shells and Compose take quotes and `NAME=` away before a program sees
// them, `docker --env-file` and files of secrets do not: the same line means the same everywhere.

/** Thrown where a value is wrong: why, in words that follow the variable's name and do not show the value. */
export class Unacceptable extends Error {
  readonly problems: readonly string[];

  constructor(...problems: readonly string[]) {
    super();
    this.problems = problems;
  }
}

/** A line as an environment file has it. */
const ASSIGNMENT = /^[ \t"']*(?:export[ \t]+)?([A-Z][A-Z0-9_]*)[ \t]*=/gm;

/**
 * The value of the setting `name`, written plainly or as `NAME=value`, in quotes or not; blanks around it do not count.
 * @param known the names of all settings: a line of another one is no value
 * @throws Unacceptable
 */
export function settingText(name: string, written: string, known: ReadonlySet<string>): string {
  const text = unquoted(written.trim());
  const lines = [...text.matchAll(ASSIGNMENT)].filter(([, word = '']) => known.has(word));
  const [line] = lines;
  if (line === undefined) return text;
  if (lines.length > 1 || line.index > 0 || line[1] !== name) {
    const other = lines.find(([, word]) => word !== name)?.[1] ?? name;
    throw new Unacceptable(`holds a line that sets ${other}: leave nothing there but the value`);
  }
  return unquoted(text.slice(line[0].length).trim());
}

/** What stands in one pair of quotes around the whole of it; anything else as it is. */
export function unquoted(text: string): string {
  const [quote] = text;
  const inner = text.slice(1, -1);
  const isQuoted = (quote === '"' || quote === "'") && text.length > 1 && text.endsWith(quote) && !inner.includes(quote);
  return isQuoted ? inner.trim() : text;
}
