// Text files as people write them: regular files only, bounded in size, in UTF-8 or UTF-16, with or without a byte order mark.

import { constants, closeSync, fstatSync, openSync, readFileSync, type Stats } from 'node:fs';
import { open } from 'node:fs/promises';

/** More than any file of settings or clients has; an end for a path that leads to something else. */
export const TEXT_FILE_BYTES_MAX = 16 * 1024 * 1024;

/** Without `O_NONBLOCK`, opening a FIFO waits for somebody who writes. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

/** A file that is there and cannot be used. Its `code`, like a system error's, says why without the path. */
export class UnusableFile extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/** The text of a file, without a byte order mark. @throws UnusableFile, a system error */
export function readTextFileSync(path: string): string {
  const descriptor = openSync(path, FLAGS);
  try {
    refuseUnfit(fstatSync(descriptor));
    return decode(readFileSync(descriptor));
  } finally {
    closeSync(descriptor);
  }
}

/** The same without holding up the process. A file system that hangs holds one of Node's few threads until it answers. */
export async function readTextFile(path: string): Promise<string> {
  const file = await open(path, FLAGS);
  try {
    refuseUnfit(await file.stat());
    return decode(await file.readFile());
  } finally {
    await file.close();
  }
}

function refuseUnfit(stats: Stats): void {
  if (stats.isDirectory()) throw new UnusableFile('EISDIR');
  if (!stats.isFile()) throw new UnusableFile('not a regular file');
  if (stats.size > TEXT_FILE_BYTES_MAX) throw new UnusableFile(`larger than ${TEXT_FILE_BYTES_MAX / 1024 / 1024} MB`);
}

function decode(bytes: Buffer): string {
  const encoding = encodingOf(bytes);
  let text: string;
  try {
    text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    throw new UnusableFile(`not ${encoding.toUpperCase()}; save it as UTF-8`);
  }
  // UTF-16 without its mark passes for UTF-8 where the text is ASCII.
  if (text.includes('\0')) throw new UnusableFile('NUL characters, as in UTF-16 without a byte order mark; save it as UTF-8');
  return text;
}

function encodingOf([first, second]: Buffer): 'utf-8' | 'utf-16le' | 'utf-16be' {
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  return first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8';
}
