/** CloudMembership and Tomcat's CloudMembershipService on two loopback addresses, asking one DNS name or one API server. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { GroupChannel } from "../../channel/group_channel.ts";
import {
  CloudMembership,
  type MembershipProvider,
} from "../../membership/cloud_membership.ts";
import {
  DnsMembershipProvider,
  dnsResolver,
} from "../../membership/dns_membership_provider.ts";
import { KubernetesMembershipProvider } from "../../membership/kubernetes_membership_provider.ts";
import { encodeHex, type Member } from "../../protocol/mod.ts";
import { NodeTransport } from "../../transport/node.ts";
import { DnsPeer, needsDns } from "../support/dns_peer.ts";
import { EventLog } from "../support/interop_events.ts";
import { freePort, JavaPeer, needsJava } from "../support/java_peer.ts";
import { KubernetesPeer } from "../support/kubernetes_peer.ts";

const RELEASE = "10.1.60";
const JAVA = "127.0.0.2";
const OURS = "127.0.0.3";
const SERVICE = "tomcat.test";

interface Change {
  readonly event: "memberAdded" | "memberDisappeared";
  readonly member: Member;
}

/** Runs both, lets them find each other and exchange messages, and takes Java away. */
async function meet(
  membershipProviderClassName: string,
  provider: MembershipProvider,
  environment: Record<string, string>,
  takeAway: () => Promise<void> | void,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "cloud-"));
  const hosts = join(folder, "hosts");
  // Tomcat takes itself for the address of this host's name.
  writeFileSync(
    hosts,
    `${JAVA} ${hostname()}\n${JAVA} ${SERVICE}\n${OURS} ${SERVICE}\n`,
  );
  const port = await freePort();
  const log = new EventLog<Change>("our node");
  const errors: Error[] = [];
  await using ours = new GroupChannel(new NodeTransport(), {
    receiver: { address: OURS, port, autoBind: 1 },
    heartbeatSleeptime: 200,
    membership: new CloudMembership(provider, { expirationTime: 1000 }),
    onError: (error) => errors.push(error),
  });
  for (const event of ["memberAdded", "memberDisappeared"] as const) {
    ours.addMembershipListener({
      [event]: (member: Member) => log.push({ event, member }),
    });
  }
  await using java = await JavaPeer.start({
    release: RELEASE,
    service: "cloud",
    address: JAVA,
    port,
    autoBind: 1,
    heartbeatSleeptime: 200,
    environment,
    jvmArguments: [`-Djdk.net.hosts.file=${hosts}`],
    attributes: {
      "membership.membershipProviderClassName": membershipProviderClassName,
    },
  });
  await ours.start();
  const seen = await java.waitForMember(`${OURS}:${port}`);
  const { member } = await log.waitFor(({ event }) => event === "memberAdded");
  // Each has the unique id that the other gives it.
  assert.equal(seen.uniqueId, encodeHex(ours.localMember().uniqueId));
  assert.equal(encodeHex(member.uniqueId), java.member.uniqueId);
  const id = encodeHex(
    await ours.send([member], Uint8Array.of(65), { options: 6 }),
  );
  await java.waitForEvent("message", ({ uniqueId }) => uniqueId === id);
  await java.request({ command: "send", text: "hello", options: 6 }, "sent");
  await java[Symbol.asyncDispose]();
  await takeAway();
  await log.waitFor(({ event }) => event === "memberDisappeared");
  assert.deepEqual(errors, []);
  rmSync(folder, { recursive: true, force: true });
}

test("CloudMembership and Tomcat's find each other by DNS", {
  ...needsDns(),
  skip: needsDns().skip || needsJava(RELEASE).skip,
}, async () => {
  await using dns = await DnsPeer.start();
  await dns.publish({ [SERVICE]: [JAVA, OURS] });
  const provider = new DnsMembershipProvider({
    serviceName: SERVICE,
    resolve: dnsResolver([dns.address]),
  });
  await meet(
    "dns",
    provider,
    { DNS_MEMBERSHIP_SERVICE_NAME: SERVICE },
    () => dns.publish({ [SERVICE]: [OURS] }),
  );
});

test(
  "CloudMembership and Tomcat's find each other by Kubernetes, and ask alike",
  needsJava(RELEASE),
  async () => {
    await using kubernetes = await KubernetesPeer.start();
    const pods = [
      { name: "tomcat-a", uid: "6e2a3a74-a", ip: JAVA },
      { name: "tomcat-b", uid: "6e2a3a74-b", ip: OURS },
      {
        name: "tomcat-c",
        uid: "6e2a3a74-c",
        ip: "127.0.0.4",
        phase: "Pending",
      },
    ];
    kubernetes.pods = pods;
    const environment = {
      ...kubernetes.environment,
      KUBERNETES_LABELS: "app=tomcat,tier in (a, b~c*)",
    };
    const provider = new KubernetesMembershipProvider({ environment });
    await meet("kubernetes", provider, environment, () => {
      kubernetes.pods = pods.slice(1);
    });
    assert(kubernetes.requests.length >= 3); // Java's at its start, ours, and those of heartbeats
    const [first, ...others] = kubernetes.requests.map((
      { authorization, ...rest },
    ) => ({
      ...rest,
      authorization: authorization?.trim(),
    }));
    for (const each of others) assert.deepEqual(each, first);
  },
);
