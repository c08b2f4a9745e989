// Request headers as Puma hands them to Rails: one key for both spellings of a name (contract 2.1).

/** Values under upper-case names with underscores. The hyphen spelling wins, repeated names are joined. */
export function cgiHeaders(rawHeaders: readonly string[]): ReadonlyMap<string, string> {
  const pairs = toPairs(rawHeaders);
  const withHyphen = new Set(pairs.filter(([name]) => !name.includes('_')).map(([name]) => cgiName(name)));
  const headers = new Map<string, string>();
  for (const [name, value] of pairs) {
    const key = cgiName(name);
    if (name.includes('_') && withHyphen.has(key)) continue;
    const earlier = headers.get(key);
    headers.set(key, earlier === undefined ? value : `${earlier}, ${value}`);
  }
  return headers;
}

function cgiName(name: string): string {
  return name.toUpperCase().replaceAll('-', '_');
}

function toPairs(rawHeaders: readonly string[]): [string, string][] {
  return Array.from({ length: rawHeaders.length / 2 }, (_, index) => [
    rawHeaders[index * 2] ?? '',
    rawHeaders[index * 2 + 1] ?? '',
  ]);
}
