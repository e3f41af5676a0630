// A group of channels that is disturbed from a seed, sends messages meanwhile, and is judged: by a ledger
// of all messages, and by what its members see.
//
// Everything is drawn from the network's generator: times, faults, messages, unique ids. So one seed is
// one run, and its trace is the same each time.
import process from "node:process";
import { GroupChannel } from "../../channel/group_channel.ts";
import type { GroupChannelOptions } from "../../channel/group_channel_options.ts";
import type { ChannelInterceptor } from "../../channel/interceptor.ts";
import { encodeHex } from "../../protocol/bytes/hex.ts";
import { formatMember, type Member } from "../../protocol/tribes/member.ts";
import { ChannelError } from "../../transport/errors.ts";
import {
  MemoryNetwork,
  type NetworkConditions,
} from "../../transport/memory.ts";
import { FaultLog } from "./simulated_faults.ts";
import {
  type LedgerLife,
  MessageLedger,
  type SentMessage,
} from "./simulated_ledger.ts";

/** The seeds of a test: these, or the one that `TRIBES_SEED` repeats. */
export function seeds(...usual: readonly number[]): readonly number[] {
  const asked = process.env.TRIBES_SEED;
  return asked === undefined || asked === "" ? usual : [Number(asked)];
}

/** How a group is made. */
export interface ClusterOptions {
  readonly seed: number;
  readonly size: number;
  /** What the links do from the beginning. */
  readonly conditions?: Partial<NetworkConditions>;
  /** Of every channel. */
  readonly channel?: GroupChannelOptions;
  /** Gives the layers of one life of a channel, top first; the default stack without it. */
  readonly stack?: (
    cluster: Cluster,
  ) => (life: Life) => readonly ChannelInterceptor[];
}

/** One life of a channel on a host: a restart makes another. */
export class Life implements LedgerLife {
  readonly host: string;
  readonly cluster: Cluster;
  readonly channel: GroupChannel;
  /** What reached `onError`. */
  readonly errors: Error[] = [];
  endedAt: number | undefined;
  goneAt: number | undefined;
  /** Whether its host crashed. */
  isCrashed = false;
  #started = false;

  constructor(
    cluster: Cluster,
    host: string,
    options: GroupChannelOptions,
    layers: ((life: Life) => readonly ChannelInterceptor[]) | undefined,
  ) {
    this.cluster = cluster;
    this.host = host;
    const interceptors = layers?.(this);
    this.channel = new GroupChannel(cluster.network.transport(host), {
      ...options,
      ...(interceptors === undefined ? {} : { interceptors }),
      random: (bytes) => cluster.fill(bytes),
      onError: (error) => void this.errors.push(error),
    });
    this.channel.addChannelListener({
      messageReceived: (message) => {
        cluster.note(`${host} got ${encodeHex(message.uniqueId).slice(0, 8)}`);
        cluster.ledger.delivered(this, message);
      },
    });
    this.channel.addMembershipListener({
      memberAdded: (member) => this.#changed("+", member),
      memberDisappeared: (member) => {
        this.#changed("-", member);
        cluster.ledger.disappeared(this, encodeHex(member.uniqueId));
      },
    });
  }

  /** `10.0.0.1:4000`. */
  get address(): string {
    return formatMember(this.channel.localMember());
  }

  /** The unique id, hexadecimal. */
  get id(): string {
    return encodeHex(this.channel.localMember().uniqueId);
  }

  /** Whether it can send. */
  get isStarted(): boolean {
    return this.#started && this.endedAt === undefined;
  }

  /** Starts the channel; never rejects. */
  async start(): Promise<void> {
    try {
      await this.channel.start();
      this.#started = true;
    } catch (error) {
      if (this.endedAt === undefined) {
        this.cluster.ledger.violate(`${this.host} cannot start: ${error}`);
      }
    }
  }

  #changed(sign: string, member: Member): void {
    this.cluster.note(`${this.host} ${sign}${formatMember(member)}`);
  }
}

/** Hosts `10.0.0.1` and so on, each with one life of a channel at a time. */
export class Cluster {
  readonly network: MemoryNetwork;
  readonly faults: FaultLog;
  readonly ledger: MessageLedger;
  /** What happened, in order; the same for the same seed. */
  readonly trace: string[] = [];
  /** Every life that there was. */
  readonly lives: Life[] = [];
  readonly #options: ClusterOptions;
  readonly #layers:
    | ReturnType<NonNullable<ClusterOptions["stack"]>>
    | undefined;
  readonly #present = new Map<string, Life>(); // by host

  /** Makes hosts without channels. */
  constructor(options: ClusterOptions) {
    this.#options = options;
    this.network = new MemoryNetwork({
      seed: options.seed,
      ...options.conditions,
    });
    const now = () => this.network.now;
    this.faults = new FaultLog(now);
    this.ledger = new MessageLedger(this.lives, this.faults, now);
    this.#layers = options.stack?.(this);
  }

  /** The hosts. */
  get hosts(): string[] {
    return Array.from(
      { length: this.#options.size },
      (_, i) => `10.0.${(i + 1) >> 8}.${(i + 1) & 255}`,
    );
  }

  /** The lives that did not end. */
  get live(): Life[] {
    return [...this.#present.values()]
      .filter(({ endedAt }) => endedAt === undefined);
  }

  /** Draws an integer below a number. */
  draw(count: number): number {
    return Math.floor(this.network.random() * count);
  }

  /** Draws one of some. */
  pick<T>(items: readonly T[]): T {
    return items[this.draw(items.length)]!; // draw() gives an index
  }

  /** Fills bytes from the generator. */
  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.draw(256);
  }

  /** Adds to the trace. */
  note(text: string): void {
    this.trace.push(`${this.network.now.toFixed(3)} ${text}`);
  }

  /** Begins a life on a host. */
  begin(host: string): Life {
    const before = this.#present.get(host);
    if (before?.isCrashed) this.network.restart(host);
    const life = new Life(
      this,
      host,
      this.#options.channel ?? {},
      this.#layers,
    );
    this.#present.set(host, life);
    this.lives.push(life);
    this.note(`${host} begins`);
    this.faults.begun(host);
    void life.start();
    return life;
  }

  /** Lets time pass. */
  advance(milliseconds: number): Promise<void> {
    return this.network.advance(milliseconds);
  }

  /** Crashes a life's host. */
  crash(life: Life): void {
    this.note(`${life.host} crashes`);
    life.endedAt = this.network.now;
    life.goneAt = this.network.now;
    life.isCrashed = true;
    this.faults.ended(life.host);
    this.network.crash(life.host);
  }

  /** Lets a life's channel stop by itself. */
  stop(life: Life): void {
    this.note(`${life.host} stops`);
    life.endedAt = this.network.now;
    this.faults.ended(life.host);
    life.channel.stop().then(
      () => {
        life.goneAt = this.network.now;
      },
      (error) => this.ledger.violate(`${life.host} cannot stop: ${error}`),
    );
  }

  /** Hosts whose last life ended and can be followed by another. */
  get down(): string[] {
    return [...this.#present].filter(([_, life]) => life.goneAt !== undefined)
      .map(([host]) => host);
  }

  /** Cuts all connections between two hosts. */
  cut(first: string, second: string): void {
    this.note(`cut ${first} ${second}`);
    this.faults.cut(first, second);
    this.network.resetConnections(first, second);
  }

  /** Parts hosts from the others. */
  part(hosts: readonly string[]): void {
    this.note(`part ${hosts}`);
    this.faults.parted(hosts);
    this.network.partition([hosts]);
  }

  /** Suspends a host's process. */
  pause(host: string): void {
    this.note(`pause ${host}`);
    this.faults.paused(host);
    this.network.pause(host);
  }

  /** Ends all that lasts. */
  heal(): void {
    this.note("heal");
    for (const host of this.hosts) this.network.resume(host);
    this.network.heal();
    this.network.setConditions({ loss: 0, duplication: 0, reordering: 0 });
    this.faults.healed();
  }

  /** Sends a message, and enters it in the ledger. */
  send(
    life: Life,
    to: readonly Member[],
    bytes: Uint8Array,
    options: number,
  ): SentMessage {
    const uniqueId = new Uint8Array(16);
    this.fill(uniqueId);
    const sent = this.ledger.open(life, uniqueId, bytes, to, options);
    const name = `${life.host} ${sent.id.slice(0, 8)}`;
    this.note(`${name} of ${bytes.length} to ${to.length}, options ${options}`);
    life.channel.send(to, bytes, { options, uniqueId }).then(
      () => {
        sent.outcome = "resolved";
        bytes.fill(0xee); // ours again
        this.note(`${name} is sent`);
      },
      (error) => {
        sent.outcome = "rejected";
        bytes.fill(0xee); // likewise
        sent.faulty = error instanceof ChannelError
          ? error.faultyMembers.map(({ member }) => formatMember(member))
          : [];
        if (!(error instanceof ChannelError)) {
          this.ledger.violate(`${name} is no ChannelError: ${error}`);
        }
        this.note(`${name} failed for ${sent.faulty}`);
      },
    );
    return sent;
  }

  /** Notes each live member that does not see all others by their present ids, or sees anybody else. */
  checkViews(note: string): void {
    const { live } = this;
    const members = live.map(({ id }) => id).sort();
    for (const life of live) {
      const expected = members.filter((id) => id !== life.id);
      const view = life.channel.members()
        .map(({ uniqueId }) => encodeHex(uniqueId)).sort();
      if (view.join() === expected.join()) continue;
      const lacks = live.filter(({ id }) =>
        id !== life.id && !view.includes(id)
      ).map(({ host }) => host);
      const extra = view.filter((id) => !expected.includes(id));
      this.ledger.violate(
        `${note}: ${life.host} lacks ${lacks} and sees ${extra.length} that are gone`,
      );
    }
  }
}

/**
 * Runs a task on a fresh group of started channels.
 *
 * @returns The group when the task is done: look at its ledger.
 */
export async function runCluster(
  options: ClusterOptions,
  task: (cluster: Cluster) => Promise<void>,
): Promise<Cluster> {
  const cluster = new Cluster(options);
  await cluster.network.run(async () => {
    for (const host of cluster.hosts) cluster.begin(host);
    await cluster.advance(1100); // two beacons; then a channel has started
    await task(cluster);
  });
  return cluster;
}

/**
 * Asserts that nothing was wrong.
 *
 * @throws {Error} With the seed, what was wrong, and what happened last before it.
 */
export function assertHolds(cluster: Cluster): void {
  const { violations } = cluster.ledger;
  if (violations.length === 0) return;
  throw new Error(
    `Seed ${cluster.network.seed} (TRIBES_SEED=${cluster.network.seed} repeats it): ${violations.length} violations\n${
      violations.slice(0, 10).join("\n")
    }`,
  );
}
