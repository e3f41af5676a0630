// What each interceptor costs a message: sent through it by one stack and received through it by
// another, next to two stacks without a layer in the same round.
import assert from "node:assert/strict";
import type { ChannelInterceptor } from "../channel/interceptor.ts";
import { InterceptorStack } from "../channel/interceptor_stack.ts";
import { DomainFilterInterceptor } from "../channel/interceptors/domain_filter.ts";
import { EncryptInterceptor } from "../channel/interceptors/encrypt.ts";
import { FragmentationInterceptor } from "../channel/interceptors/fragmentation.ts";
import { GzipInterceptor } from "../channel/interceptors/gzip.ts";
import { MessageDispatchInterceptor } from "../channel/interceptors/message_dispatch.ts";
import { NonBlockingCoordinator } from "../channel/interceptors/non_blocking_coordinator.ts";
import { OrderInterceptor } from "../channel/interceptors/order.ts";
import { SimpleCoordinator } from "../channel/interceptors/simple_coordinator.ts";
import { StaticMembershipInterceptor } from "../channel/interceptors/static_membership.ts";
import { TcpFailureDetector } from "../channel/interceptors/tcp_failure_detector.ts";
import { TcpPingInterceptor } from "../channel/interceptors/tcp_ping.ts";
import { ThroughputInterceptor } from "../channel/interceptors/throughput.ts";
import { TwoPhaseCommitInterceptor } from "../channel/interceptors/two_phase_commit.ts";
import { UniqueIdSource } from "../channel/unique_id_source.ts";
import { parseGeneration } from "../protocol/generation.ts";
import type { ChannelData } from "../protocol/tribes/channel_data.ts";
import type { Transport } from "../transport/types.ts";
import type { Effort } from "./codec.ts";
import { sampleMember, seededRandom } from "./corpus.ts";
import type { Result } from "./report.ts";

const SIZES = [64, 1024, 102_400] as const;
const BASELINE = "none";
/** Messages that are under way at one time. */
const BATCH = 32;

/** Layers by name, one for each end. */
const LAYERS: readonly (readonly [string, () => ChannelInterceptor])[] = [
  ["MessageDispatch", () => new MessageDispatchInterceptor()],
  ["TcpFailureDetector", () => new TcpFailureDetector()],
  ["TcpPing", () => new TcpPingInterceptor()],
  ["StaticMembership", () => new StaticMembershipInterceptor({ members: [] })],
  ["SimpleCoordinator", () => new SimpleCoordinator()],
  ["NonBlockingCoordinator", () => new NonBlockingCoordinator()],
  ["DomainFilter", () =>
    new DomainFilterInterceptor({
      domain: new TextEncoder().encode("catalina"),
    })],
  ["Throughput", () => new ThroughputInterceptor()],
  ["Order", () => new OrderInterceptor()],
  ["Fragmentation", () => new FragmentationInterceptor()],
  [
    "Fragmentation-10k",
    () => new FragmentationInterceptor({ maxSize: 10_240 }),
  ],
  ["Gzip", () => new GzipInterceptor()],
  ["TwoPhaseCommit", () => new TwoPhaseCommitInterceptor()],
  // The last release of each generation: what it encrypts with, and what it protects from replays.
  ["Encrypt-9.0.118-CBC", () => encrypt("9.0.118")],
  ["Encrypt-9.0.120-CBC-replay", () => encrypt("9.0.120")],
  ["Encrypt-9.0.121-GCM-replay", () => encrypt("9.0.121")],
];

function encrypt(release: string): EncryptInterceptor {
  return new EncryptInterceptor({
    encryptionKey: "00112233445566778899aabbccddeeff",
    generation: parseGeneration(release),
  });
}

/** Nanoseconds a message, sent and received, for each layer and size. */
export async function runInterceptors(effort: Effort): Promise<Result[]> {
  const results: Result[] = [];
  for (const size of SIZES) {
    const nameOf = (layer: string) => `interceptors/${layer}/${size}`;
    const wanted = LAYERS.filter(([layer]) => effort.wants(nameOf(layer)));
    if (wanted.length === 0) continue;
    effort.tell(nameOf("*"));
    const paths = [
      await Path.open(BASELINE, size, () => []),
      ...await Promise.all(
        wanted.map(([name, make]) => Path.open(name, size, () => [make()])),
      ),
    ];
    for (const path of paths) await path.time(effort.time); // warms up
    const figures = new Map<string, number[]>(
      paths.map(({ name }) => [name, []]),
    );
    for (let round = 0; round < effort.rounds; round++) {
      for (const path of paths) {
        figures.get(path.name)!.push(await path.time(effort.time / 2)); // it has every name
      }
    }
    const baseline = figures.get(BASELINE)!; // likewise
    for (const { name } of paths) {
      const result: Result = {
        name: nameOf(name),
        unit: "ns",
        ours: figures.get(name)!, // likewise
        bytes: size,
      };
      results.push(
        name === BASELINE ? result : {
          ...result,
          against: "no layer",
          theirs: baseline,
          limit: true,
        },
      );
    }
  }
  return results;
}

/** Two stacks of which one sends to the other. */
class Path {
  readonly name: string;
  readonly #from: InterceptorStack;
  readonly #template: ChannelData;
  readonly #ids = new UniqueIdSource(seededRandom(1));
  readonly #to = [sampleMember(2, seededRandom(2))];
  #delivered = 0;
  #last: ChannelData | undefined;
  #sent = 0;

  private constructor(
    name: string,
    size: number,
    make: () => ChannelInterceptor[],
    starting: Promise<void>[],
  ) {
    this.name = name;
    this.#template = {
      options: 3,
      timestamp: 0,
      uniqueId: new Uint8Array(16),
      address: sampleMember(1, seededRandom(1)),
      message: sessionText(size),
    };
    const receiver = this.#stack(make(), () => Promise.resolve());
    this.#from = this.#stack(
      make(),
      async (_, message) => await receiver.messageReceived(message),
    );
    starting.push(receiver.start(), this.#from.start());
  }

  /** Makes both stacks, and checks that a message comes out as it went in. */
  static async open(
    name: string,
    size: number,
    make: () => ChannelInterceptor[],
  ): Promise<Path> {
    const starting: Promise<void>[] = [];
    const path = new Path(name, size, make, starting);
    await Promise.all(starting);
    await path.#send();
    assert.equal(path.#delivered, 1, name);
    assert.deepEqual(path.#last?.message, path.#template.message, name);
    return path;
  }

  /** Median nanoseconds of one message, over batches for so many milliseconds. */
  async time(milliseconds: number): Promise<number> {
    const batches: number[] = [];
    const end = performance.now() + milliseconds;
    do {
      const began = performance.now();
      // A clock of coarse steps needs more than one batch of the fastest.
      for (let i = 0; i < 8; i++) await this.#sendBatch();
      batches.push((performance.now() - began) * 1e6 / (8 * BATCH));
    } while (performance.now() < end);
    assert.equal(this.#delivered, this.#sent, this.name);
    return batches.toSorted((a, b) => a - b)[batches.length >> 1]!; // not empty
  }

  async #sendBatch(): Promise<void> {
    const sent: Promise<void>[] = [];
    for (let i = 0; i < BATCH; i++) sent.push(this.#send());
    await Promise.all(sent);
  }

  #send(): Promise<void> {
    this.#sent++;
    return this.#from.sendMessage(this.#to, {
      ...this.#template,
      timestamp: Date.now(),
      uniqueId: this.#ids.next(),
    });
  }

  #stack(
    interceptors: readonly ChannelInterceptor[],
    transmit: ConstructorParameters<typeof InterceptorStack>[1]["transmit"],
  ): InterceptorStack {
    const clock = {
      now: () => performance.now(),
      wallTime: () => Date.now(),
      startTimer: () => ({ cancel: () => {} }),
    };
    return new InterceptorStack(interceptors, {
      transport: { clock } as unknown as Transport, // layers that are idle use nothing else of it
      transmit,
      deliver: (message) => {
        this.#delivered++;
        this.#last = message;
      },
      memberChanged: () => {},
      members: () => [],
      localMember: () => this.#template.address,
      makeMessage: (message, options) => ({
        ...this.#template,
        options,
        timestamp: Date.now(),
        uniqueId: this.#ids.next(),
        message,
      }),
      fault: (error) => {
        if (error.name !== "StackWarning") throw error;
      },
    });
  }
}

/** Text as a session's attributes have it: names that repeat, values that do not. */
function sessionText(size: number): Uint8Array<ArrayBuffer> {
  const text = new Uint8Array(size);
  const name = new TextEncoder().encode("attribute=org.example.Cart;value=");
  const random = seededRandom(size);
  random(text);
  for (let at = 0; at < size; at++) {
    const within = at % 64;
    text[at] = name[within] ?? 97 + text[at]! % 26; // at < size
  }
  return text;
}
