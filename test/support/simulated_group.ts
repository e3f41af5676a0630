// Channels on a simulated network, and what happens to them.
import assert from "node:assert/strict";
import {
  GroupChannel,
  type GroupChannelOptions,
} from "../../channel/group_channel.ts";
import { formatMember, type Member } from "../../protocol/tribes/member.ts";
import { encodeHex } from "../../protocol/bytes/hex.ts";
import { MemoryNetwork } from "../../transport/memory.ts";
import type { Transport } from "../../transport/types.ts";
import { ProbeTransport } from "./probe_transport.ts";

/** A channel and what it told. */
export class SimulatedNode {
  readonly host: string;
  readonly probe: ProbeTransport;
  readonly channel: GroupChannel;
  /** Texts of messages. */
  readonly messages: string[] = [];
  /** `+10.0.0.1:4000` and `-10.0.0.1:4000`. */
  readonly changes: string[] = [];
  /** What reached `onError`. */
  readonly errors: Error[] = [];

  constructor(
    transport: Transport,
    host: string,
    options: GroupChannelOptions = {},
  ) {
    this.host = host;
    this.probe = new ProbeTransport(transport);
    this.channel = new GroupChannel(this.probe, {
      onError: (error) => void this.errors.push(error),
      ...options,
    });
    this.channel.addChannelListener({
      messageReceived: ({ message }) => void this.messages.push(text(message)),
    });
    this.channel.addMembershipListener({
      memberAdded: (member) =>
        void this.changes.push(`+${formatMember(member)}`),
      memberDisappeared: (member) =>
        void this.changes.push(`-${formatMember(member)}`),
    });
  }

  /** The addresses of the members that it sees, sorted. */
  get view(): string[] {
    return this.channel.members().map(formatMember).sort();
  }

  /** The unique ids of the members that it sees, sorted. */
  get ids(): string[] {
    return this.channel.members().map(idOf).sort();
  }

  /** Sends to everybody that it sees. */
  sendAll(message: string, options?: number): Promise<Uint8Array> {
    return this.channel.send(
      this.channel.members(),
      bytes(message),
      options === undefined ? {} : { options },
    );
  }

  /** The member that has a host's address. */
  memberAt(host: string): Member {
    const members = this.channel.members();
    const found = members.find((member) =>
      formatMember(member).startsWith(`${host}:`)
    );
    assert.ok(found, `${this.host} does not see ${host}, but ${this.view}`);
    return found;
  }
}

/** Hosts `10.0.0.1` and so on, with one node each. */
export class SimulatedGroup {
  readonly network: MemoryNetwork;
  readonly nodes: SimulatedNode[] = [];

  constructor(network: MemoryNetwork = new MemoryNetwork({ seed: 1 })) {
    this.network = network;
  }

  /** Makes the node of the next host; it is not started. */
  add(options?: GroupChannelOptions): SimulatedNode {
    return this.addOn(`10.0.0.${this.nodes.length + 1}`, options);
  }

  /** Makes a node on a host; it is not started. */
  addOn(host: string, options?: GroupChannelOptions): SimulatedNode {
    const node = new SimulatedNode(
      this.network.transport(host),
      host,
      options,
    );
    this.nodes.push(node);
    return node;
  }

  /** Starts all nodes. */
  async start(): Promise<void> {
    await Promise.all(this.nodes.map(({ channel }) => channel.start()));
  }
}

/**
 * Runs a task on a fresh group of started nodes, and stops them; time passes as it needs to.
 *
 * @param options Of every node, or what makes those of each: interceptors belong to one channel.
 */
export async function withGroup(
  size: number,
  task: (group: SimulatedGroup, nodes: SimulatedNode[]) => Promise<void>,
  options: GroupChannelOptions | (() => GroupChannelOptions) = {},
  network: MemoryNetwork = new MemoryNetwork({ seed: 1 }),
): Promise<void> {
  const group = new SimulatedGroup(network);
  for (let i = 0; i < size; i++) {
    group.add(typeof options === "function" ? options() : options);
  }
  await network.run(async () => {
    await group.start();
    await network.advance(100);
    try {
      await task(group, group.nodes);
    } catch (error) {
      throw new Error(`With seed ${network.seed}`, { cause: error });
    }
    await Promise.all(group.nodes.map(({ channel }) => channel.stop()));
  });
}

/** Bytes of a text. */
export function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** The text of bytes. */
export function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** A member's unique id, hexadecimal. */
export function idOf(member: Member): string {
  return encodeHex(member.uniqueId);
}
