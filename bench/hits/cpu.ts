// What a process has cost, from the kernel's own count: load generators that saturate first do not distort it.

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

if (process.platform !== 'linux') throw new Error('CPU time is read from /proc: this bench runs on Linux only');
const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** CPU time of the process and of its children so far, all threads, in microseconds. */
export function cpuMicros(pid: number): number {
  return processTree(pid).reduce((sum, one) => sum + (ticksOf(one) / TICKS_PER_SECOND) * 1e6, 0);
}

/** The process and all that it started. */
function processTree(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) => {
    const file = `/proc/${pid}/task/${task}/children`;
    return existsSync(file) ? readFileSync(file, 'utf8').split(' ').filter(Boolean).map(Number) : [];
  });
  return [pid, ...children.flatMap(processTree)];
}

function ticksOf(pid: number): number {
  // The name in the second field may hold spaces and brackets.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return Number(fields[11]) + Number(fields[12]);
}
