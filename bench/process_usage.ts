// What the system says of a process, read from outside and so alike for every runtime. Linux only.
import { readFileSync } from "node:fs";

const TICK_MICROS = 10_000; // USER_HZ is 100 on every Linux that has these runtimes

/** Processor time of all threads so far, in microseconds; NaN where the system does not tell. */
export function processorMicros(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  // The name in parentheses may hold anything; utime and stime are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MICROS;
}

/** Resident memory in bytes; NaN where the system does not tell. */
export function residentBytes(pid: number): number {
  const found = /^VmRSS:\s*(\d+)/m.exec(read(`/proc/${pid}/status`));
  return Number(found?.[1]) * 1024;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
