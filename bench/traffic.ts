// The whole stack over sockets: rates between processes, round trips, memory. Everything that is
// compared runs in the same round, one after another, between processes that are warm.
import { availableParallelism } from "node:os";
import type { Effort } from "./codec.ts";
import {
  type BenchNode,
  canPin,
  JavaNode,
  OurNode,
  type Traffic,
} from "./nodes.ts";
import { processorMicros, residentBytes } from "./process_usage.ts";
import type { Result } from "./report.ts";

const NO_ACK = 1;
const ACKED = 3;

/** Messages from one kind of node to another. */
interface Transfer {
  /** `FROM-TO/SIZE/HOW`. */
  readonly name: string;
  readonly traffic: Traffic;
  /** The transfer of the same round that it is compared with. */
  readonly baseline?: string;
  readonly goal?: number;
}

const TRANSFERS: readonly Transfer[] = [
  transfer("java-java", 64, "no-ack", 60_000, 1),
  transfer("ours-java", 64, "no-ack", 300_000, 4096, 6),
  transfer("ours-ours", 64, "no-ack", 600_000, 4096, 20),
  transfer("java-java", 64, "acked", 8_000, 1),
  transfer("ours-java", 64, "acked-64", 60_000, 64, 10),
  transfer("ours-java", 64, "acked-1024", 80_000, 1024, 10),
  transfer("ours-ours", 64, "acked-64", 150_000, 64, 20),
  transfer("ours-ours", 64, "acked-1024", 200_000, 1024, 20),
  transfer("java-java", 1024, "no-ack", 60_000, 1),
  transfer("ours-java", 1024, "no-ack", 150_000, 1024),
  transfer("ours-ours", 1024, "no-ack", 300_000, 1024),
  transfer("java-java", 1024, "acked", 8_000, 1),
  transfer("ours-java", 1024, "acked-64", 60_000, 64),
  transfer("ours-ours", 1024, "acked-64", 100_000, 64),
  transfer("java-java", 102_400, "no-ack", 4_000, 1),
  transfer("ours-java", 102_400, "no-ack", 4_000, 64),
  transfer("ours-ours", 102_400, "no-ack", 5_000, 64, 2),
  transfer("java-java", 102_400, "acked", 2_500, 1),
  transfer("ours-ours", 102_400, "acked-64", 4_000, 64, 2),
];

function transfer(
  path: string,
  size: number,
  how: string,
  count: number,
  window: number,
  goal?: number,
): Transfer {
  const acked = how !== "no-ack";
  const baseline = `java-java/${size}/${acked ? "acked" : how}`;
  const name = `${path}/${size}/${how}`;
  return {
    name,
    traffic: {
      count,
      size,
      options: acked ? ACKED : NO_ACK,
      window,
      burst: window >= 1024 ? window / 16 : 1,
    },
    ...(name === baseline ? {} : { baseline }),
    ...(goal === undefined ? {} : { goal }),
  };
}

/** What a run of the transport needs besides its effort. */
export interface TrafficOptions {
  /** The Java release; without it only our own nodes are measured. */
  readonly release?: string | undefined;
  /** Part of the messages, for a quick look. */
  readonly share: number;
  /** Runtime flags of our sending node, for profiles. */
  readonly senderFlags: readonly string[];
  /** The same of our receiving node. */
  readonly receiverFlags: readonly string[];
}

/** Rates between nodes, in messages a second. */
export async function runTransfers(
  effort: Effort,
  options: TrafficOptions,
): Promise<Result[]> {
  const wanted = wantedTransfers(effort, options.release !== undefined);
  if (wanted.length === 0) return [];
  const nodes = await startNodes(wanted, options);
  try {
    const measured = new Map<string, Rate[]>(
      wanted.map(({ name }) => [name, []]),
    );
    const figures = (name: string, figure: keyof Rate) =>
      measured.get(name)?.map((rate) => rate[figure]);
    // Round -1 warms both sides up.
    for (let round = -1; round < effort.rounds; round++) {
      for (const { name, traffic } of wanted) {
        effort.tell(
          `${name} (${round < 0 ? "warm-up" : `round ${round + 1}`})`,
        );
        const [from, to] = name.split("/")[0]!.split("-"); // FROM-TO/...
        const count = Math.max(200, Math.floor(traffic.count * options.share));
        const rate = await measureRate(
          from === "java" ? nodes.javaSender! : nodes.sender!, // started when wanted
          to === "java" ? nodes.javaReceiver! : nodes.receiver!,
          { ...traffic, count },
        );
        if (round >= 0) measured.get(name)!.push(rate); // it has every name
      }
    }
    return wanted.map(({ name, traffic, baseline, goal }) => ({
      name,
      unit: "msg/s",
      ours: figures(name, "perSecond")!, // it has every name
      bytes: traffic.size,
      against: baseline,
      theirs: baseline === undefined
        ? undefined
        : figures(baseline, "perSecond"),
      senderMicros: figures(name, "senderMicros"),
      receiverMicros: figures(name, "receiverMicros"),
      goal,
    }));
  } finally {
    await Promise.all(Object.values(nodes).map((node) => node?.stop()));
  }
}

/** The transfers that are asked for, each with its baseline. */
function wantedTransfers(effort: Effort, withJava: boolean): Transfer[] {
  const wanted = TRANSFERS.filter(({ name }) =>
    effort.wants(name) && (withJava || name.startsWith("ours-ours/"))
  );
  return TRANSFERS.filter((each) =>
    wanted.includes(each) ||
    withJava && wanted.some(({ baseline }) => baseline === each.name)
  );
}

interface Nodes {
  sender?: OurNode;
  receiver?: OurNode;
  javaSender?: JavaNode;
  javaReceiver?: JavaNode;
}

async function startNodes(
  transfers: readonly Transfer[],
  { release, senderFlags, receiverFlags }: TrafficOptions,
): Promise<Nodes> {
  const uses = (pattern: RegExp) =>
    transfers.some(({ name }) => pattern.test(name));
  const nodes: Nodes = {};
  if (uses(/^ours-/)) {
    nodes.sender = await OurNode.start({ flags: senderFlags });
  }
  if (uses(/^ours-ours/)) {
    nodes.receiver = await OurNode.start({ flags: receiverFlags });
  }
  if (release === undefined) return nodes;
  if (uses(/^java-/)) nodes.javaSender = await JavaNode.start(release);
  if (uses(/-java\//)) nodes.javaReceiver = await JavaNode.start(release);
  return nodes;
}

interface Rate {
  readonly perSecond: number;
  /** Processor time a message at either end, which other work on the machine hardly changes. */
  readonly senderMicros: number;
  readonly receiverMicros: number;
}

/** From the first message to the last, at the end that takes longer. */
async function measureRate(
  from: BenchNode,
  to: BenchNode,
  traffic: Traffic,
): Promise<Rate> {
  const { count } = traffic;
  const { arrived } = await to.expect(count);
  const before = [processorMicros(from.pid), processorMicros(to.pid)] as const;
  const sent = await from.send(to.address, traffic);
  const milliseconds = Math.max(sent, await arrived);
  return {
    perSecond: count / milliseconds * 1000,
    senderMicros: (processorMicros(from.pid) - before[0]) / count,
    receiverMicros: (processorMicros(to.pid) - before[1]) / count,
  };
}

/** One acknowledged message after another, against a raw TCP ping-pong between the same processes. */
export async function runRoundTrips(effort: Effort): Promise<Result[]> {
  const name = "round-trip/64/p50";
  if (!effort.wants(name)) return [];
  effort.tell(name);
  const last = Math.min(1, availableParallelism() - 1);
  const a = await OurNode.start({ core: 0 });
  const b = await OurNode.start({ core: last });
  try {
    const ours: number[] = [];
    const theirs: number[] = [];
    const rounds = effort.rounds * 4; // short ones, since a round's luck is shared
    // Much more of ours than of raw TCP is for the compiler to warm up.
    for (let round = -WARM_UP; round < rounds; round++) {
      const tribes = await a.roundTrip(b.address, ROUND_TRIPS, 64);
      const raw = await a.rawRoundTrip(b.rawPort, ROUND_TRIPS, 64);
      if (round < 0) continue;
      ours.push(tribes);
      theirs.push(raw);
    }
    const against = canPin() ? "raw TCP, pinned" : "raw TCP, not pinned";
    return [{
      name,
      unit: "us",
      ours,
      theirs,
      against,
      goal: 1.25,
      limit: true,
    }];
  } finally {
    await Promise.all([a.stop(), b.stop()]);
  }
}

const ROUND_TRIPS = 500;
const WARM_UP = 16;
const MEMORY_MESSAGES = 250_000;

/** Resident memory of a node that received 250,000 acknowledged messages and sent as many without. */
export async function runMemory(
  effort: Effort,
  { release, share }: TrafficOptions,
): Promise<Result[]> {
  const name = "memory/after-250k";
  if (!effort.wants(name)) return [];
  const count = Math.floor(MEMORY_MESSAGES * share);
  const other = await OurNode.start();
  const measure = async (node: BenchNode) => {
    try {
      const base = { count, size: 64, window: 1024, burst: 64 };
      await measureRate(other, node, { ...base, options: ACKED });
      await measureRate(node, other, { ...base, options: NO_ACK });
      return residentBytes(node.pid) / 2 ** 20;
    } finally {
      await node.stop();
    }
  };
  const ours: number[] = [];
  const small: number[] = [];
  const usual: number[] = [];
  try {
    for (let round = 0; round < Math.min(effort.rounds, 3); round++) {
      effort.tell(`${name} (round ${round + 1})`);
      ours.push(await measure(await OurNode.start()));
      if (release === undefined) continue;
      small.push(await measure(await JavaNode.start(release, "interop")));
      usual.push(await measure(await JavaNode.start(release, "usual")));
    }
  } finally {
    await other.stop();
  }
  const result: Result = { name, unit: "MiB", ours, goal: 0.5, limit: true };
  if (release === undefined) return [result];
  return [
    { ...result, against: "Java, 64 to 256 MiB, SerialGC", theirs: small },
    { ...result, against: "Java, its own heap and GC", theirs: usual },
  ];
}
