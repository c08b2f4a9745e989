// Folders for the files that programs under measurement need; gone when the bench ends, however it ends.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const made: string[] = [];
process.once('exit', () => made.forEach((path) => rmSync(path, { recursive: true, force: true })));

export function temporaryFolder(purpose: string): string {
  const path = mkdtempSync(join(tmpdir(), `backscroll-${purpose}-`));
  made.push(path);
  return path;
}
