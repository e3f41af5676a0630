import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { CloudFetchOptions } from "../../membership/cloud_membership.ts";
import {
  DnsMembershipProvider,
  type DnsMembershipProviderOptions,
  dnsResolver,
  systemResolver,
} from "../../membership/dns_membership_provider.ts";
import { decodeHost, encodeHex } from "../../protocol/mod.ts";
import { ChannelError } from "../../transport/errors.ts";
import { shared } from "../support/interop_channel.ts";
import { DnsPeer, needsDns } from "../support/dns_peer.ts";

const OPTIONS: CloudFetchOptions = {
  signal: new AbortController().signal,
  connectTimeout: 1000,
  readTimeout: 1000,
  startTime: 0,
};

function provider(
  addresses: readonly string[],
  options: DnsMembershipProviderOptions = {},
): DnsMembershipProvider {
  return new DnsMembershipProvider({
    serviceName: "tomcat.test",
    resolve: () => Promise.resolve(addresses),
    ...options,
  });
}

function md5(text: string): string {
  return createHash("md5").update(text).digest("hex");
}

test("DnsMembershipProvider gives each address with its digest and without an alive time", async () => {
  const members = await provider(["10.0.0.1", "192.168.7.255"])
    .fetchMembers(OPTIONS);
  assert.deepEqual(
    members.map(({ host, uniqueId, aliveTime }) => ({
      host: decodeHost(host),
      uniqueId: encodeHex(uniqueId),
      aliveTime,
    })),
    [
      { host: "10.0.0.1", uniqueId: md5("10.0.0.1"), aliveTime: -1 },
      { host: "192.168.7.255", uniqueId: md5("192.168.7.255"), aliveTime: -1 },
    ],
  );
});

test("DnsMembershipProvider digests an IPv6 address as Java writes it", async () => {
  const [member] = await provider(["fd00::a:0:1"]).fetchMembers(OPTIONS);
  assert.equal(encodeHex(member!.uniqueId), md5("fd00:0:0:0:0:a:0:1"));
});

for (
  const [environment, name, warnings] of [
    [
      {
        DNS_MEMBERSHIP_SERVICE_NAME: "a",
        OPENSHIFT_KUBE_PING_NAMESPACE: "b",
        KUBERNETES_NAMESPACE: "c",
      },
      "a",
      0,
    ],
    [
      { OPENSHIFT_KUBE_PING_NAMESPACE: "b", KUBERNETES_NAMESPACE: "c" },
      "b",
      0,
    ],
    [{ KUBERNETES_NAMESPACE: "c" }, "c", 0],
    [{ KUBERNETES_NAMESPACE: "" }, "tomcat", 1],
    [{}, "tomcat", 1],
  ] as const
) {
  test(`DnsMembershipProvider resolves ${name} with ${JSON.stringify(environment)}`, () => {
    const texts: string[] = [];
    const onWarning = (text: string) => void texts.push(text);
    const made = new DnsMembershipProvider({ environment, onWarning });
    assert.equal(made.serviceName, name);
    assert.equal(texts.length, warnings);
  });
}

for (
  const [what, resolve] of [
    ["no address", () => Promise.resolve([])],
    ["a failing server", () => Promise.reject(new Error("SERVFAIL"))],
    ["an address that is none", () => Promise.resolve(["fe80::1%eth0"])],
    ["too many", () => Promise.resolve(Array(65_537).fill("10.0.0.1"))],
  ] as const
) {
  test(`DnsMembershipProvider fails with ${what}`, async () => {
    await assert.rejects(
      provider([], { resolve }).fetchMembers(OPTIONS),
      (error) =>
        error instanceof ChannelError && error.code === "unsupported" &&
        error.message.startsWith('Cannot resolve "tomcat.test": '),
    );
  });
}

test("systemResolver() gives the addresses of this host's own name", async () => {
  const addresses = await systemResolver("localhost");
  assert(addresses.some((address) => ["127.0.0.1", "::1"].includes(address)));
});

const dns = shared((keep) => DnsPeer.start().then(keep));

test(
  "dnsResolver() gives all addresses of both kinds from a server",
  needsDns(),
  async () => {
    const peer = await dns();
    await peer.publish({
      "both.test": ["10.1.0.1", "fd00::1", "10.1.0.2"],
      "four.test": ["10.1.0.3"],
      "six.test": ["fd00::2"],
    });
    const resolve = dnsResolver([peer.address]);
    const of = async (name: string) => [...await resolve(name, OPTIONS)].sort();
    assert.deepEqual(await of("both.test"), [
      "10.1.0.1",
      "10.1.0.2",
      "fd00::1",
    ]);
    assert.deepEqual(await of("four.test"), ["10.1.0.3"]);
    assert.deepEqual(await of("six.test"), ["fd00::2"]);
  },
);

test(
  "DnsMembershipProvider sees what a server publishes anew",
  needsDns(),
  async () => {
    const peer = await dns();
    const made = provider([], { resolve: dnsResolver([peer.address]) });
    const seen = async () =>
      (await made.fetchMembers(OPTIONS)).map(({ host }) => decodeHost(host));
    await peer.publish({ "tomcat.test": ["10.1.0.1"] });
    assert.deepEqual(await seen(), ["10.1.0.1"]);
    await peer.publish({ "tomcat.test": ["10.1.0.2", "10.1.0.3"] });
    assert.deepEqual((await seen()).sort(), ["10.1.0.2", "10.1.0.3"]);
    await peer.publish({});
    await assert.rejects(seen(), ChannelError);
  },
);

test("dnsResolver() ends when it is given up", needsDns(), async () => {
  // A server that never answers: a port that is bound and not read.
  const { createSocket } = await import("node:dgram");
  const silent = createSocket("udp4");
  await new Promise<void>((resolve) => silent.bind(0, "127.0.0.1", resolve));
  const abort = new AbortController();
  const resolve = dnsResolver([`127.0.0.1:${silent.address().port}`]);
  const asked = new Promise((heard) => silent.once("message", heard));
  const resolved = resolve("tomcat.test", { signal: abort.signal });
  await asked;
  abort.abort();
  await assert.rejects(resolved);
  silent.close();
});
