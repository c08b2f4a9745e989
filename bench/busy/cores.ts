// Who runs where, and before whom: what is measured has one core, and on the other, what measures goes before all else.

import { execFileSync } from 'node:child_process';
import { setPriority } from 'node:os';
import { isInstalled, pinned } from '../hits/load.ts';

/** Keeps all of a process to one core, where that can be done. */
export function pin(pid: number, core: 0 | 1): void {
  const [command, ...args] = pinned(core);
  if (command !== undefined) execFileSync(command, ['-a', '-p', ...args, String(pid)], { stdio: 'ignore' });
}

/** Has a process give way to all others on its core: at once where `chrt` is installed, else by its priority. */
export function yieldTo(pid: number): void {
  if (isInstalled('chrt')) execFileSync('chrt', ['--idle', '--all-tasks', '--pid', '0', String(pid)], { stdio: 'ignore' });
  else setPriority(pid, 19);
}
