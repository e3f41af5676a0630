/**
 * The peers that run the cells of the release table: few Java processes, each with several interceptors, of which a
 * message's options or its size choose one.
 *
 * @module
 */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { GroupChannel } from "../../channel/group_channel.ts";
import type {
  ChannelInterceptor,
  ReceiveNext,
  SendNext,
} from "../../channel/interceptor.ts";
import { makeInterceptor } from "../../channel/interceptor_registry.ts";
import { StaticMembershipService } from "../../channel/static_membership_service.ts";
import { parseInterceptor } from "../../cli/node_options.ts";
import { decodeHex, encodeHex } from "../../protocol/bytes/hex.ts";
import type { Generation } from "../../protocol/generation.ts";
import type { ChannelData } from "../../protocol/tribes/channel_data.ts";
import { encodeHost } from "../../protocol/tribes/host.ts";
import {
  createMember,
  type Member,
  type MemberInit,
} from "../../protocol/tribes/member.ts";
import { NodeTransport } from "../../transport/node.ts";
import { OurNode, peerMember } from "./interop_channel.ts";
import { EventLog } from "./interop_events.ts";
import { freeGroup, freePort, JavaPeer, type PeerMember } from "./java_peer.ts";

/** The name of all channels whose members ask each other. */
const CHANNEL_NAME = "Catalina-Channel";

/** Where a node will be. */
export interface Place {
  readonly host: string;
  readonly port: number;
  readonly uniqueId: string;
}

/** A place that was free just now. */
export async function freePlace(host = "127.0.0.1"): Promise<Place> {
  return {
    host,
    port: await freePort(),
    uniqueId: encodeHex(randomBytes(16)),
  };
}

/** A place as Java's options take it. */
export function placeText({ host, port, uniqueId }: Place): string {
  return `${host}:${port}:${uniqueId}`;
}

/** A place as the options of our layers take it. */
export function placeMember({ host, port, uniqueId }: Place): MemberInit {
  return { host: encodeHost(host), port, uniqueId: decodeHex(uniqueId) };
}

/** A member as a destination: its address alone, and its unique id. */
export function destinationOf({ member }: JavaPeer): Member {
  return createMember({
    host: decodeHex(member.host),
    port: member.port,
    uniqueId: decodeHex(member.uniqueId),
  });
}

/**
 * The layers of a stack as Tomcat's configuration has them, top first.
 *
 * @param generationOf The option `generation` of a layer, if it has it.
 */
export function makeStack(
  stack: readonly string[],
  generationOf: (name: string) => { readonly generation?: Generation } =
    () => ({}),
  staticMembers: readonly MemberInit[] = [],
): ChannelInterceptor[] {
  return stack.map((text) => {
    const { name, attributes } = parseInterceptor(text);
    return makeInterceptor(name, attributes, {
      ...generationOf(name),
      staticMembers,
    });
  });
}

/** The layer of one name. */
export function layerOf(
  stack: readonly ChannelInterceptor[],
  name: string,
): ChannelInterceptor {
  const layer = stack.find((layer) => layer.name === name);
  assert(layer !== undefined, name);
  return layer;
}

/** What went through the lowest place of a stack. */
export interface WireEvent {
  readonly event: "sent" | "received";
  /** Who sent it. */
  readonly from: string;
  readonly uniqueId: string;
  readonly options: number;
  readonly body: Uint8Array;
}

/** A layer that sees what the layers above make of messages. */
export class WireProbe implements ChannelInterceptor {
  /** Its name in errors. */
  readonly name = "WireProbe";
  /** What it saw. */
  readonly log: EventLog<WireEvent> = new EventLog("the wire");

  /** Sees a message that goes out. */
  sendMessage(
    destination: readonly Member[],
    message: ChannelData,
    next: SendNext,
  ): Promise<void> {
    this.#see("sent", message);
    return next(destination, message);
  }

  /** Sees a message that comes in. */
  messageReceived(
    message: ChannelData,
    next: ReceiveNext,
  ): void | Promise<void> {
    this.#see("received", message);
    return next(message);
  }

  /** Lengths of the bodies that went one way since a place of the log. */
  lengths(event: WireEvent["event"], after: number): number[] {
    return this.log.events.slice(after)
      .flatMap((each) => each.event === event ? [each.body.length] : []);
  }

  #see(event: WireEvent["event"], message: ChannelData): void {
    this.log.push({
      event,
      from: encodeHex(message.address.uniqueId),
      uniqueId: encodeHex(message.uniqueId),
      options: message.options,
      body: message.message.slice(),
    });
  }
}

/** A member came or went, as a {@linkcode AskingNode} was told. */
export interface Change {
  readonly event: "memberAdded" | "memberDisappeared";
  readonly member: PeerMember;
}

/** A channel of ours whose members are configured and ask each other. */
export class AskingNode implements AsyncDisposable {
  /** The channel. */
  readonly channel: GroupChannel;
  /** Who came and went. */
  readonly log: EventLog<Change> = new EventLog("our asking node");
  /** The messages that its application got, hexadecimal. */
  readonly messages: string[] = [];

  /** Makes a node that is not started. */
  constructor(
    own: Place,
    places: readonly Place[],
    interceptors: readonly ChannelInterceptor[],
  ) {
    const transport = new NodeTransport();
    this.channel = new GroupChannel(transport, {
      receiver: { address: own.host, port: own.port, autoBind: 1 },
      heartbeatSleeptime: 300,
      interceptors,
      membership: new StaticMembershipService(transport, {
        channelName: CHANNEL_NAME,
        rpcTimeout: 500,
        members: places.map(placeMember),
      }),
    });
    this.channel.addChannelListener({
      messageReceived: ({ message }) =>
        void this.messages.push(encodeHex(message)),
    });
    for (const event of ["memberAdded", "memberDisappeared"] as const) {
      this.channel.addMembershipListener({
        [event]: (member: Member) =>
          this.log.push({ event, member: peerMember(member) }),
      });
    }
  }

  /** Waits until a member came, and gives it as the channel knows it now. */
  async waitForMember(uniqueId: string): Promise<Member> {
    await this.log.waitFor((change) =>
      change.event === "memberAdded" && change.member.uniqueId === uniqueId
    );
    const known = this.channel.members().find((member) =>
      encodeHex(member.uniqueId) === uniqueId
    );
    assert(known !== undefined, `No member ${uniqueId}`);
    return known;
  }

  /** Leaves the group. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.channel.stop();
  }
}

/** Starts a Java whose members are configured and ask each other. */
export function startAskingJava(
  release: string,
  own: Place,
  places: readonly Place[],
  interceptors: readonly string[],
): Promise<JavaPeer> {
  return JavaPeer.start({
    release,
    port: own.port,
    autoBind: 1,
    service: "static",
    members: places.map(placeText),
    heartbeatSleeptime: 300,
    interceptors,
    attributes: {
      "channel.name": CHANNEL_NAME,
      "membership.rpcTimeout": 500,
    },
  });
}

/** A Java and a node of ours that have each other as static members, with the same stack. */
export interface StaticPair {
  readonly java: JavaPeer;
  readonly node: OurNode;
  /** Our layers. */
  readonly layers: readonly ChannelInterceptor[];
  /** Starts another node of ours in the place of the one that has left. */
  startAgain(): Promise<OurNode>;
}

/** Options of {@linkcode startStaticPair}. */
export interface StaticPairOptions {
  /** The release of Java. */
  readonly release: string;
  /** Layers above StaticMembership, top first. */
  readonly stack: readonly string[];
  /** The option `generation` of a layer of ours. */
  readonly generationOf: (
    name: string,
  ) => { readonly generation?: Generation };
  /** Address of Java's receiver. @default {"127.0.0.1"} */
  readonly host?: string;
  /** Threads of Java's receiver. */
  readonly maxThreads?: number;
  /** Other members of Java's. */
  readonly others?: readonly Place[];
  /** Gets what must be disposed. */
  readonly keep: <Kept extends AsyncDisposable>(kept: Kept) => Kept;
}

/** Starts both, each with the other as a static member. */
export async function startStaticPair(
  options: StaticPairOptions,
): Promise<StaticPair> {
  const { release, generationOf, keep, maxThreads, others = [] } = options;
  const stack = [...options.stack, "StaticMembership"];
  const ours = await freePlace();
  const theirs = await freePlace(options.host);
  const layers = () => makeStack(stack, generationOf, [placeMember(theirs)]);
  const start = async (interceptors: ChannelInterceptor[]) =>
    keep(
      await OurNode.start({
        receiver: { address: ours.host, port: ours.port, autoBind: 1 },
        uniqueId: decodeHex(ours.uniqueId),
        heartbeatSleeptime: 500,
        interceptors,
      }),
    );
  const first = layers();
  const [java, node] = await Promise.all([
    JavaPeer.start({
      release,
      address: theirs.host,
      port: theirs.port,
      autoBind: 1,
      uniqueId: theirs.uniqueId,
      heartbeatSleeptime: 500,
      // Java's coordinator starts multicast whatever the channel was told: where nobody else is.
      group: await freeGroup(),
      frequency: 100,
      startOptions: 3,
      interceptors: stack,
      members: [ours, ...others].map(placeText),
      ...(maxThreads === undefined ? {} : { maxThreads }),
    }).then(keep),
    start(first),
  ]);
  return { java, node, layers: first, startAgain: () => start(layers()) };
}
