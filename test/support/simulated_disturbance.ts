// A seeded schedule of trouble and traffic for a simulated group.
import type { Cluster, Life } from "./simulated_cluster.ts";

/** What can go wrong. */
export type FaultKind =
  | "datagrams" // loss, duplication and reordering
  | "cut"
  | "partition"
  | "crash"
  | "stop"
  | "pause"
  | "skew";

/** What is drawn from. */
export interface Disturbance {
  readonly kinds: readonly FaultKind[];
  /** Number of things that go wrong. */
  readonly faults: number;
  /** Greatest time between two of them, in milliseconds. */
  readonly pause: number;
  /** Least time that a partition lasts, in milliseconds. */
  readonly partitionLasts?: number;
  /** Greatest amount by which a wall clock is set off, in milliseconds. */
  readonly skew?: number;
  /** Messages, if any are sent. */
  readonly traffic?: Traffic;
}

/** Which messages are sent. */
export interface Traffic {
  /** Messages between two faults, at most. */
  readonly messages: number;
  /** Options that are drawn from. */
  readonly options: readonly number[];
  /** Greatest length in bytes; most are much shorter. */
  readonly length: number;
}

/** Lets things go wrong and sends messages; the last that goes wrong is not mended. */
export async function disturb(
  cluster: Cluster,
  { traffic, ...disturbance }: Disturbance,
): Promise<void> {
  for (let i = 0; i < disturbance.faults; i++) {
    if (traffic !== undefined) await converse(cluster, traffic);
    if (cluster.draw(3) === 0) cluster.heal();
    const kind = cluster.pick(disturbance.kinds);
    await fault(cluster, kind, disturbance);
    await cluster.advance(cluster.network.random() * disturbance.pause);
  }
  if (traffic !== undefined) await converse(cluster, traffic);
}

/** Sends messages from members to members, some of them at one moment. */
export async function converse(
  cluster: Cluster,
  traffic: Traffic,
): Promise<void> {
  for (let i = cluster.draw(traffic.messages + 1); i > 0; i--) {
    if (cluster.draw(3) === 0) await cluster.advance(cluster.draw(30));
    const senders = cluster.live.filter(({ isStarted }) => isStarted);
    if (senders.length === 0) return;
    sendOne(cluster, cluster.pick(senders), traffic);
  }
}

function sendOne(cluster: Cluster, sender: Life, traffic: Traffic): void {
  const members = sender.channel.members();
  if (members.length === 0) return;
  const some = members.filter(() => cluster.draw(2) === 0);
  const to = cluster.draw(3) === 0 || some.length === 0 ? members : some;
  cluster.send(
    sender,
    to,
    content(cluster, traffic.length),
    cluster.pick(traffic.options),
  );
}

/** Bytes of which half are easy to compress. */
function content(cluster: Cluster, length: number): Uint8Array {
  const greatest = cluster.draw(4) === 0 ? length : Math.min(length, 200);
  const bytes = new Uint8Array(cluster.draw(greatest + 1));
  if (cluster.draw(2) === 0) cluster.fill(bytes);
  else bytes.fill(cluster.draw(256));
  return bytes;
}

async function fault(
  cluster: Cluster,
  kind: FaultKind,
  { partitionLasts = 0, skew = 0 }: Disturbance,
): Promise<void> {
  const { network, live, hosts } = cluster;
  switch (kind) {
    case "datagrams":
      network.setConditions({
        loss: network.random() * 0.3,
        duplication: network.random() * 0.3,
        reordering: network.random() * 0.3,
      });
      return;
    case "cut":
      // Most connections are idle at any moment: cutting some finds one that is not.
      for (let i = 0; i < hosts.length; i++) {
        const first = cluster.pick(hosts);
        const second = cluster.pick(hosts);
        if (first !== second) cluster.cut(first, second);
      }
      return;
    case "partition": {
      const some = hosts.filter(() => network.random() < 0.4);
      cluster.part(some);
      await cluster.advance(partitionLasts);
      return;
    }
    case "crash":
    case "stop": {
      const down = cluster.down;
      // Half of the members at least stay.
      if (down.length > 0 && cluster.draw(2) === 0) {
        cluster.begin(cluster.pick(down));
      } else if (live.length * 2 > hosts.length) {
        const life = cluster.pick(live);
        if (kind === "crash") cluster.crash(life);
        else cluster.stop(life);
      }
      return;
    }
    case "pause":
      cluster.pause(cluster.pick(live).host);
      await cluster.advance(network.random() * 2000);
      return;
    case "skew":
      network.setClockSkew(
        cluster.pick(hosts),
        (network.random() * 2 - 1) * skew,
      );
      return;
  }
}
