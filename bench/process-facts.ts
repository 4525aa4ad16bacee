/*
 * What the system tells of a process: its CPU time and its memory. Linux only; elsewhere there are no figures. Effects: reads
 * files under /proc.
 */
import { readFileSync } from 'node:fs';

/** CPU time since the process began; clock ticks are hundredths of a second. */
export function readCpuMs(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return Number.NaN;
  }
}

/** Memory that is resident. */
export function readResidentKib(pid: number): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? Number.NaN);
  } catch {
    return Number.NaN;
  }
}
