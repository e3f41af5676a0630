// What went wrong on a simulated network, when, and between whom: what explains a retry, and a message
// that was acknowledged by a host that is gone.

interface Fault {
  until: number;
  readonly affects: (first: string, second: string) => boolean;
}

/** The faults of a run. */
export class FaultLog {
  readonly #now: () => number;
  readonly #faults: Fault[] = [];
  readonly #down = new Map<string, Fault>();
  #pauses: Fault[] = [];
  #parting: Fault | undefined;

  /** Makes a log without faults. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** All connections between two hosts were reset. */
  cut(first: string, second: string): void {
    this.#add((a, b) =>
      a === first && b === second || a === second && b === first
    );
  }

  /** A host crashed, or its channel stops; until {@linkcode FaultLog.begun}. */
  ended(host: string): void {
    const fault = this.#add((a, b) => a === host || b === host, Infinity);
    this.#down.set(host, fault);
  }

  /** Another channel starts on a host. */
  begun(host: string): void {
    const fault = this.#down.get(host);
    if (fault !== undefined) fault.until = this.#now();
    this.#down.delete(host);
  }

  /** A host's process stands still, until {@linkcode FaultLog.healed}. */
  paused(host: string): void {
    this.#pauses.push(this.#add((a, b) => a === host || b === host, Infinity));
  }

  /** Hosts are parted from all others, until others are or {@linkcode FaultLog.healed}. */
  parted(hosts: readonly string[]): void {
    this.#endParting();
    const inside = new Set(hosts);
    this.#parting = this.#add(
      (a, b) => inside.has(a) !== inside.has(b),
      Infinity,
    );
  }

  /** What lasted has ended. */
  healed(): void {
    this.#endParting();
    for (const fault of this.#pauses) fault.until = this.#now();
    this.#pauses = [];
  }

  /** Whether anything went wrong between two hosts since a time. */
  since(time: number, first: string, second: string): boolean {
    return this.#faults.some(({ until, affects }) =>
      until >= time && affects(first, second)
    );
  }

  #endParting(): void {
    if (this.#parting !== undefined) this.#parting.until = this.#now();
    this.#parting = undefined;
  }

  #add(affects: Fault["affects"], until: number = this.#now()): Fault {
    const fault = { until, affects };
    this.#faults.push(fault);
    return fault;
  }
}
