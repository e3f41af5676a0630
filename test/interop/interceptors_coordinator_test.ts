/** Elections of Java's coordinators and ours in one group: everybody names the same coordinator. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { NonBlockingCoordinator } from "../../channel/interceptors/non_blocking_coordinator.ts";
import { SimpleCoordinator } from "../../channel/interceptors/simple_coordinator.ts";
import { TcpFailureDetector } from "../../channel/interceptors/tcp_failure_detector.ts";
import { encodeHex } from "../../protocol/bytes/hex.ts";
import type { Member } from "../../protocol/tribes/member.ts";
import { OurNode } from "../support/interop_channel.ts";
import { EventLog } from "../support/interop_events.ts";
import {
  type CoordinatorEvent,
  freeGroup,
  freePort,
  JavaPeer,
  type MulticastGroup,
  needsJava,
  type PeerMember,
} from "../support/java_peer.ts";

const RELEASE = "10.1.60";
const TIMEOUT = 60_000;
const QUICK = { frequency: 200, dropTime: 1200, heartbeatSleeptime: 500 };

/** Java's thread for events of members waits up to 15 s for an election. */
const PATIENT = { timeout: 30_000 };

type Kind = "NonBlockingCoordinator" | "SimpleCoordinator";

/** A member of a group with an election, of either kind. */
interface Elector extends AsyncDisposable {
  readonly member: PeerMember;
  /** Waits until its view has these members, by unique id, in this order. */
  waitForView(ids: readonly string[]): Promise<void>;
  /** Waits until a member is gone. */
  waitForEnd(of: Elector): Promise<unknown>;
}

/** Also waits until a member's beacons were heard for some time. */
async function startOurs(
  kind: Kind,
  group: MulticastGroup,
  port: number,
): Promise<Elector & { hears(other: Elector): Promise<void> }> {
  const views = new EventLog<string>("our coordinator");
  const options = {
    onElection: (view: readonly Member[]) => views.push(idsOf(view)),
  };
  const coordinator = kind === "NonBlockingCoordinator"
    ? new NonBlockingCoordinator(options)
    : new SimpleCoordinator(options);
  const node = await OurNode.start({
    group,
    ...QUICK,
    receiver: { port, autoBind: 1 },
    interceptors: [coordinator, new TcpFailureDetector()],
  });
  return {
    member: node.member,
    async waitForView(ids) {
      const wanted = ids.join();
      const after = views.length;
      if (idsOf(coordinator.view()) !== wanted) {
        await views.waitFor((view) => view === wanted, {
          ...PATIENT,
          after,
        });
      }
      assert.equal(idsOf([coordinator.coordinator()!]), ids[0]); // there is a view
      assert.equal(
        coordinator.isCoordinator(),
        ids[0] === node.member.uniqueId,
      );
    },
    waitForEnd: ({ member }) =>
      node.waitForMembership("memberDisappeared", member, PATIENT),
    async hears({ member: { uniqueId } }) {
      const aliveTime = () =>
        Number(
          node.members().find((known) => known.uniqueId === uniqueId)
            ?.aliveTime ?? 0,
        );
      const enough = aliveTime() + 4 * QUICK.frequency;
      while (aliveTime() < enough) {
        await new Promise((next) => setTimeout(next, 20));
      }
    },
    [Symbol.asyncDispose]: () => node.channel.stop(),
  };
}

/** Also gives the peer, to be killed. */
async function startJava(
  kind: Kind,
  group: MulticastGroup,
  port: number,
): Promise<Elector & { readonly peer: JavaPeer }> {
  const peer = await JavaPeer.start({
    release: RELEASE,
    group,
    ...QUICK,
    port,
    autoBind: 1,
    interceptors: [kind, "TcpFailureDetector"],
  });
  return {
    peer,
    member: peer.member,
    async waitForView(ids) {
      const wanted = ids.join();
      const after = peer.events.length;
      const is = ({ view }: CoordinatorEvent) =>
        view.map(({ uniqueId }) => uniqueId).join() === wanted;
      let now = await peer.request({ command: "coordinator" }, "coordinator");
      if (!is(now)) {
        now = await peer.waitForEvent("coordinator", is, {
          ...PATIENT,
          after,
        });
      }
      assert.equal(now.coordinator?.uniqueId, ids[0]);
    },
    waitForEnd: ({ member: { uniqueId } }) =>
      peer.waitForEvent(
        "memberDisappeared",
        ({ member }) => member.uniqueId === uniqueId,
        PATIENT,
      ),
    [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
  };
}

/** Waits until all are in the view of each, in the order given. */
async function agree(electors: readonly Elector[]): Promise<void> {
  const ids = electors.map(({ member }) => member.uniqueId);
  await Promise.all(electors.map((elector) => elector.waitForView(ids)));
}

async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports].sort((a, b) => a - b);
}

function idsOf(view: readonly Member[]): string {
  return view.map(({ uniqueId }) => encodeHex(uniqueId)).join();
}

test(
  "NonBlockingCoordinator agrees with two Javas, when the leader is killed, and when it is back",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const kind = "NonBlockingCoordinator";
    const group = await freeGroup();
    const [one = 0, two = 0, three = 0, four = 0] = await freePorts(4);
    const starting = [
      startJava(kind, group, one),
      startOurs(kind, group, two),
      startJava(kind, group, three),
      startOurs(kind, group, four),
    ] as const;
    await using stack = new AsyncDisposableStack();
    const [first, second, third, fourth] = await Promise.all(starting);
    for (const elector of [first, second, third, fourth]) stack.use(elector);
    await agree([first, second, third, fourth]);

    // A Java that knows a member from an election, and hears its first beacon when it is gone, keeps it for ever.
    await second.hears(first);
    first.peer.kill("SIGKILL");
    await agree([second, third, fourth]);
    // Java tests who is silent by connecting, and takes the new node on the port for the old one.
    await Promise.all(
      [second, third, fourth].map((elector) => elector.waitForEnd(first)),
    );

    const again = stack.use(await startJava(kind, group, one));
    await agree([again, second, third, fourth]);

    await second.hears(again);
    // The leader leaves, and then the next one, which is ours.
    again.peer.send({ command: "stop" });
    await again.peer.exited();
    await agree([second, third, fourth]);
    await second[Symbol.asyncDispose]();
    await agree([third, fourth]);
  },
);

test(
  "SimpleCoordinator agrees with Java's, also when the leader is killed",
  needsJava(RELEASE, TIMEOUT),
  async () => {
    const kind = "SimpleCoordinator";
    const group = await freeGroup();
    const [one = 0, two = 0] = await freePorts(2);
    await using stack = new AsyncDisposableStack();
    const [java, ours] = await Promise.all([
      startJava(kind, group, one),
      startOurs(kind, group, two),
    ]);
    stack.use(java);
    stack.use(ours);
    await agree([java, ours]);
    java.peer.kill("SIGKILL");
    await agree([ours]);
  },
);
