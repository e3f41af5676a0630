// Whole runs of groups with certain stacks, each judged by the ledger and by the watches of its layers.
// Tests run them with a few seeds, and with layers that are broken on purpose; the fuzzer with many.
import type { ChannelInterceptor } from "../../channel/interceptor.ts";
import { EncryptInterceptor } from "../../channel/interceptors/encrypt.ts";
import {
  FragmentationInterceptor,
  type FragmentationOptions,
} from "../../channel/interceptors/fragmentation.ts";
import { GzipInterceptor } from "../../channel/interceptors/gzip.ts";
import { MessageDispatchInterceptor } from "../../channel/interceptors/message_dispatch.ts";
import { OrderInterceptor } from "../../channel/interceptors/order.ts";
import { TcpFailureDetector } from "../../channel/interceptors/tcp_failure_detector.ts";
import { TwoPhaseCommitInterceptor } from "../../channel/interceptors/two_phase_commit.ts";
import {
  type Cluster,
  type ClusterOptions,
  type Life,
  runCluster,
} from "./simulated_cluster.ts";
import {
  converse,
  disturb,
  type FaultKind,
  type Traffic,
} from "./simulated_disturbance.ts";
import { shuffle } from "./simulated_layers.ts";
import {
  EncryptWatch,
  FragmentationWatch,
  OrderWatch,
  TwoPhaseWatch,
} from "./simulated_watches.ts";

/** All that can go wrong. */
export const ALL_FAULTS: readonly FaultKind[] = [
  "datagrams",
  "cut",
  "cut",
  "partition",
  "crash",
  "stop",
  "pause",
  "skew",
];

// Found again at the next heartbeat, and given up by every sender.
const QUIET = 20_000;
const WINDOW = 10_000;
const ACKED = 2;
const SYNCHRONIZED = 6;

/** A finished run, and the watch of the layer that it was about. */
export interface Judged<W> {
  readonly cluster: Cluster;
  readonly watch: W;
}

interface Conversation {
  readonly seed: number;
  readonly size: number;
  readonly kinds: readonly FaultKind[];
  readonly faults: number;
  readonly traffic: Traffic;
  readonly skew?: number;
  /** Time for all to end that can. */
  readonly quiet?: number;
  readonly channel?: ClusterOptions["channel"];
  readonly stack: NonNullable<ClusterOptions["stack"]>;
}

async function runConversation(plan: Conversation): Promise<Cluster> {
  const { seed, size, stack, channel, traffic } = plan;
  return await runCluster({
    seed,
    size,
    stack,
    conditions: { latency: [0.2, 20], segmentLength: [100, 2000] },
    ...(channel === undefined ? {} : { channel }),
  }, async (cluster) => {
    await disturb(cluster, {
      kinds: plan.kinds,
      faults: plan.faults,
      pause: 1500,
      traffic,
      skew: plan.skew ?? 0,
    });
    cluster.heal();
    await cluster.advance(plan.quiet ?? QUIET);
    cluster.checkViews("at the end");
    await converse(cluster, traffic);
    await cluster.advance(plan.quiet ?? QUIET);
    cluster.ledger.finish();
  });
}

/** The default stack with a layer on top, if one is given. */
export function runDefaultStack(
  seed: number,
  size = 10,
  top: () => ChannelInterceptor[] = () => [],
): Promise<Cluster> {
  return runConversation({
    seed,
    size,
    kinds: ALL_FAULTS,
    faults: 25,
    skew: 60_000,
    // Without ack, acknowledged, synchronized, in the background, and some of them as datagrams.
    traffic: {
      messages: 40,
      options: [0, ACKED, SYNCHRONIZED, 8, 8 | ACKED, 32, 32 | ACKED],
      length: 20_000,
    },
    channel: { receiver: { udpPort: 4500 } },
    stack: () => () => [
      ...top(),
      new MessageDispatchInterceptor(),
      new TcpFailureDetector(),
    ],
  });
}

/** Order above a layer that lets messages overtake each other. */
export async function runOrder(
  seed: number,
  kinds: readonly FaultKind[],
  make: () => ChannelInterceptor = () => new OrderInterceptor(),
): Promise<Judged<OrderWatch>> {
  let watch!: OrderWatch; // runConversation() asks for the stack at once
  const cluster = await runConversation({
    seed,
    size: 6,
    kinds,
    faults: 20,
    traffic: {
      messages: 40,
      options: [0, ACKED, ACKED, SYNCHRONIZED, 8 | ACKED],
      length: 2000,
    },
    stack: (cluster) => {
      watch = new OrderWatch(cluster, 3000);
      cluster.ledger.watches.push(watch);
      return (life) => [
        make(),
        watch.below(life),
        new MessageDispatchInterceptor(),
        new TcpFailureDetector(),
        shuffle(() => cluster.network.random(), 200),
      ];
    },
  });
  return { cluster, watch };
}

/** TwoPhaseCommit, with acknowledged messages. */
export async function runTwoPhaseCommit(
  seed: number,
  make: () => ChannelInterceptor = () => new TwoPhaseCommitInterceptor(),
): Promise<Judged<TwoPhaseWatch>> {
  let watch!: TwoPhaseWatch; // likewise
  const cluster = await runConversation({
    seed,
    size: 5,
    kinds: ["cut", "partition", "crash", "stop", "pause", "datagrams"],
    faults: 30,
    traffic: { messages: 30, options: [ACKED, SYNCHRONIZED], length: 2000 },
    stack: (cluster) => {
      watch = new TwoPhaseWatch(cluster);
      cluster.ledger.watches.push(watch);
      return (life) => [
        make(),
        watch.below(life),
        new MessageDispatchInterceptor(),
        new TcpFailureDetector(),
      ];
    },
  });
  return { cluster, watch };
}

/** Fragmentation with little room, and many messages in parts at one time. */
export async function runFragmentation(
  seed: number,
  make: (options: FragmentationOptions) => FragmentationInterceptor = (
    options,
  ) => new FragmentationInterceptor(options),
): Promise<Judged<FragmentationWatch>> {
  const maxHeldBytes = 30_000;
  const maxHeldMessages = 12;
  const expire = 10_000;
  let watch!: FragmentationWatch; // likewise
  const cluster = await runConversation({
    seed,
    size: 6,
    kinds: ["cut", "cut", "partition", "crash", "pause"],
    faults: 20,
    quiet: expire + QUIET,
    traffic: {
      messages: 30,
      options: [0, ACKED, SYNCHRONIZED, 8],
      length: 15_000,
    },
    stack: (cluster) => {
      watch = new FragmentationWatch(cluster, maxHeldBytes, maxHeldMessages);
      cluster.ledger.watches.push(watch);
      return (life) => {
        const layer = make({
          maxSize: 1000,
          expire,
          maxHeldBytes,
          maxHeldMessages,
        });
        return [
          layer,
          watch.below(life, layer),
          new MessageDispatchInterceptor(),
          new TcpFailureDetector(),
          shuffle(() => cluster.network.random(), 100),
        ];
      };
    },
  });
  return { cluster, watch };
}

/** Encrypt with clocks of which some are off by more than its window. */
export async function runEncrypt(
  seed: number,
  make: (life: Life) => ChannelInterceptor = encrypt,
): Promise<Judged<EncryptWatch>> {
  let watch!: EncryptWatch; // likewise
  const cluster = await runConversation({
    seed,
    size: 5,
    kinds: ["skew", "skew", "cut", "partition", "pause", "crash"],
    faults: 25,
    skew: 1.5 * WINDOW,
    traffic: { messages: 20, options: [0, ACKED, SYNCHRONIZED], length: 500 },
    stack: (cluster) => {
      watch = new EncryptWatch(cluster, WINDOW);
      cluster.ledger.watches.push(watch);
      return (life) => [
        ...watch.around(life, make(life)),
        new MessageDispatchInterceptor(),
        new TcpFailureDetector(),
      ];
    },
  });
  return { cluster, watch };
}

/** Order, Gzip, Fragmentation and Encrypt over the default stack, under all faults. */
export async function runWholeStack(
  seed: number,
  size = 8,
): Promise<Judged<OrderWatch>> {
  let watch!: OrderWatch; // likewise
  const cluster = await runConversation({
    seed,
    size,
    kinds: ALL_FAULTS,
    faults: 20,
    // Clocks agree well enough for messages that a fault has held up.
    skew: 1000,
    traffic: {
      messages: 25,
      options: [0, ACKED, SYNCHRONIZED, 8, 8 | ACKED],
      length: 12_000,
    },
    stack: (cluster) => {
      const { ledger } = cluster;
      watch = new OrderWatch(cluster, 3000);
      const fragmentation = new FragmentationWatch(cluster, 10_000_000, 1000);
      const encryption = new EncryptWatch(cluster, WINDOW);
      ledger.watches.push(watch, fragmentation, encryption);
      return (life) => {
        const fragments = new FragmentationInterceptor({
          maxSize: 1000,
          expire: 10_000,
          maxHeldBytes: 10_000_000,
          maxHeldMessages: 1000,
        });
        return [
          new OrderInterceptor(),
          watch.below(life),
          new GzipInterceptor({ compressionMinSize: 100 }),
          fragments,
          fragmentation.below(life, fragments),
          ...encryption.around(life, encrypt(life)),
          new MessageDispatchInterceptor(),
          new TcpFailureDetector(),
          shuffle(() => cluster.network.random(), 50),
        ];
      };
    },
  });
  return { cluster, watch };
}

/** An Encrypt layer whose vectors are drawn from the run's generator. */
export function encrypt({ cluster }: Life): EncryptInterceptor {
  return new EncryptInterceptor({
    encryptionKey: "00112233445566778899aabbccddeeff",
    replayWindowTime: WINDOW,
    random: (bytes) => cluster.fill(bytes),
  });
}
