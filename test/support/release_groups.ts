/**
 * The groups of peers that the tests of the release table share: in multicast, among members that ask each other, and
 * with a static member; made when the first test asks for them.
 *
 * @module
 */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { ChannelInterceptor } from "../../channel/interceptor.ts";
import { RpcChannel } from "../../channel/rpc_channel.ts";
import { decodeHex, encodeHex } from "../../protocol/bytes/hex.ts";
import { NodeTransport } from "../../transport/node.ts";
import { KEY } from "./interceptor_peers.ts";
import { hexOf, OurNode, shared } from "./interop_channel.ts";
import { EventLog } from "./interop_events.ts";
import { freeGroup, JavaPeer } from "./java_peer.ts";
import {
  AskingNode,
  freePlace,
  makeStack,
  type Place,
  startAskingJava,
  startStaticPair,
  type StaticPair,
  WireProbe,
} from "./release_peers.ts";
import {
  settingsOf,
  TABLE_RELEASES,
  type TableRelease,
} from "./release_table.ts";
import { FakeReceiver } from "./tribes_peers.ts";

/** Java's threads for events of members wait for an election. */
export const PATIENT: { readonly timeout: number } = { timeout: 30_000 };

/** The bits of a message that choose a layer; Gzip takes what is longer than 10,000 bytes. */
export const CHOSEN = {
  twoPhaseCommit: 0x200,
  order: 0x400,
  fragmentation: 0x800,
} as const;
/** Bytes of a whole part. */
export const PART = 2000;
const CHOSEN_STACK = [
  `TwoPhaseCommit:optionFlag=${CHOSEN.twoPhaseCommit}`,
  `Order:optionFlag=${CHOSEN.order}`,
  "Gzip:compressionMinSize=10000",
  "TcpPing:useThread=true,interval=300",
  "Throughput",
  `Fragmentation:maxSize=${PART},optionFlag=${CHOSEN.fragmentation}`,
];
/** The row of elections. */
export const ELECTIONS = "NonBlockingCoordinator, hosts with bytes above 127";
/** The row of the stack. */
export const FOUR = "Order, Gzip, Fragmentation, Encrypt";
const FOUR_STACK = [
  "Order",
  "Gzip",
  "Fragmentation:maxSize=5000",
  `Encrypt:encryptionKey=${KEY}`,
];

type Keep = <Kept extends AsyncDisposable>(kept: Kept) => Kept;

/** What {@linkcode asking} gives. */
export interface AskingGroup {
  /** One a release. */
  readonly javas: JavaPeer[];
  /** Where our member of the group is. */
  readonly own: Place;
  /** Our member of the group. */
  readonly ours: AskingNode;
  /** What is below its layers. */
  readonly asked: WireProbe;
  /** Where another is when `visited` is called first. */
  readonly visitor: Place;
  /** Waits until it has come and left. */
  visited(): Promise<void>;
  /** A node that is no member. */
  readonly node: OurNode;
  /** Its layers. */
  readonly layers: readonly ChannelInterceptor[];
  /** What is below them. */
  readonly probe: WireProbe;
  /** Its RPC channel "echo". */
  readonly rpc: RpcChannel;
}

/** What {@linkcode multicast} gives. */
export interface MulticastDomains {
  /** One a release. */
  readonly javas: JavaPeer[];
  /** A node of their domain. */
  readonly node: OurNode;
  /** Its layers. */
  readonly layers: readonly ChannelInterceptor[];
  /** A node of ours of another domain. */
  readonly stranger: OurNode;
}

/** A pair, and a member of Java's that is no more than a socket. */
export interface StackedPair extends StaticPair {
  /** The socket. */
  readonly fake: FakeReceiver;
  /** What came to it, hexadecimal. */
  readonly bodies: EventLog<string>;
}

/** Gives the peers of a release; who takes them may end them. */
export type Peers<Kept> = (
  release: TableRelease,
  use: "share" | "take",
) => Promise<Kept>;

/** Members that ask each other, and a node of ours beside them, which sends to their addresses. */
export const asking: () => Promise<AskingGroup> = shared(async (keep) => {
  const [own, visitor, ...others] = await Promise.all(
    Array.from({ length: TABLE_RELEASES.length + 2 }, () => freePlace()),
  );
  assert(own !== undefined && visitor !== undefined);
  const places = [own, visitor, ...others];
  const javas = await Promise.all(
    TABLE_RELEASES.map((release, i) =>
      startAskingJava(release, others[i]!, places, CHOSEN_STACK) // a place each
        .then(keep)
    ),
  );
  const layers = makeStack(CHOSEN_STACK);
  const probe = new WireProbe();
  const interceptors = [...layers, probe];
  const node = keep(await OurNode.start({ heartbeat: false, interceptors }));
  const asked = new WireProbe();
  const ours = keep(
    new AskingNode(own, places, [...makeStack(CHOSEN_STACK), asked]),
  );
  await ours.channel.start();
  const rpc = new RpcChannel(node.channel, new TextEncoder().encode("echo"), {
    callback: { replyRequest: (message) => message },
  });
  let visit: Promise<void> | undefined;
  const visited = () => {
    visit ??= (async () => {
      await using guest = new AskingNode(
        visitor,
        places,
        makeStack(CHOSEN_STACK),
      );
      await guest.channel.start();
      for (const java of javas) await java.waitForMember(visitor.uniqueId);
    })();
    return visit;
  };
  return {
    own,
    visitor,
    visited,
    javas,
    node,
    layers,
    probe,
    ours,
    asked,
    rpc,
  };
});

/** A multicast group, with a node of ours in another domain. */
export const multicast: () => Promise<MulticastDomains> = shared(
  async (keep) => {
    const group = await freeGroup();
    const frequency = 300;
    const stackOf = (domain: string) => [
      "SimpleCoordinator",
      `DomainFilter:domain=${domain}`,
      "MessageDispatch",
      "TcpFailureDetector",
    ];
    const start = (domain: string, interceptors = makeStack(stackOf(domain))) =>
      OurNode.start({
        group,
        frequency,
        domain: decodeHex(hexOf(domain)),
        interceptors,
      }).then(keep);
    const layers = makeStack(stackOf("red"));
    const [node, stranger, ...javas] = await Promise.all([
      start("red", layers),
      start("blue"),
      ...TABLE_RELEASES.map((release) =>
        JavaPeer.start({
          release,
          group,
          frequency,
          domain: hexOf("red"),
          interceptors: stackOf("red"),
        }).then(keep)
      ),
    ]);
    await Promise.all(javas.flatMap((java) => [
      node.waitForMember(java, PATIENT),
      java.waitForMember(node.member.uniqueId, PATIENT),
    ]));
    return { node, stranger, javas, layers };
  },
);

/** Encryption alone above the detector, and elections; by their addresses members of a release have another order. */
export const electors: Peers<StaticPair> = pairsOf((release, keep) =>
  startStaticPair({
    release,
    host: "127.200.0.1", // 200 is -56 with its sign
    stack: [
      "NonBlockingCoordinator",
      `Encrypt:encryptionKey=${KEY}`,
      "TcpFailureDetector",
    ],
    generationOf: (name) =>
      name === "Encrypt"
        ? settingsOf("EncryptInterceptor", release)
        : name === "NonBlockingCoordinator"
        ? settingsOf(ELECTIONS, release)
        : {},
    keep,
  })
);

/** The stack of four with the detector below them, and a member of Java's that is no more than a socket. */
export const stacked: Peers<StackedPair> = pairsOf(async (release, keep) => {
  const bodies = new EventLog<string>("the socket");
  const fake = await FakeReceiver.listen(
    new NodeTransport(),
    "127.0.0.1",
    ({ message }) => bodies.push(encodeHex(message)),
  );
  keep({ [Symbol.asyncDispose]: () => fake.close() });
  const pair = await startStaticPair({
    release,
    stack: [
      "TcpPing:useThread=true,interval=300", // lets the detector test
      ...FOUR_STACK,
      "TcpFailureDetector",
    ],
    generationOf: () => settingsOf(FOUR, release),
    maxThreads: 1, // parts of a message are not safe from each other in Java's Fragmentation
    others: [{
      host: "127.0.0.1",
      port: fake.member.port,
      uniqueId: encodeHex(randomBytes(16)),
    }],
    keep,
  });
  return { ...pair, fake, bodies };
});

/** Peers of each release, started when they are asked for; after those that were taken come new ones. */
function pairsOf<Kept>(
  start: (release: TableRelease, keep: Keep) => Promise<Kept>,
): Peers<Kept> {
  const running = new Map<TableRelease, Promise<Kept>>();
  const keeper = shared((keep) => Promise.resolve(keep));
  return async (release: TableRelease, use: "share" | "take") => {
    const keep = await keeper();
    const peers = running.get(release) ?? start(release, keep);
    if (use === "share") running.set(release, peers);
    else running.delete(release);
    return await peers;
  };
}
