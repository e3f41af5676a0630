import assert from "node:assert/strict";
import { test } from "node:test";
import { NodeTransport, TransportError } from "../../transport/node.ts";
import {
  accept,
  listen,
  rejectsWith,
  transportSuite,
} from "../support/transport_suite.ts";

const transport = new NodeTransport();
const hosts = { server: transport, client: transport, hostname: "127.0.0.1" };

transportSuite({
  name: "NodeTransport",
  external: transport.localAddresses().find((address) =>
    !address.includes(":") && !address.startsWith("127.")
  ),
  ipv6: transport.localAddresses().includes("::1"),
  run: (task) => task(hosts),
});

test("NodeTransport.connect() gives the runtime's error as the cause", async () => {
  const listener = await listen(hosts);
  await listener.close();
  const error = await transport.connect(listener.address).catch((e) => e);
  assert.ok(error instanceof TransportError);
  assert.equal(error.name, "TransportError");
  assert.ok(error.cause instanceof Error);
  assert.equal((error.cause as { code?: string }).code, "ECONNREFUSED");
});

test("NodeTransport.connect() resolves a host name", async () => {
  await using listener = await listen(hosts);
  const { port } = listener.address;
  await using client = await transport.connect({ hostname: "localhost", port });
  await using server = await accept(listener);
  assert.deepEqual(client.remoteAddress, listener.address);
  assert.deepEqual(server.remoteAddress, client.localAddress);
});

test(
  "NodeTransport.listen() names an IPv4 peer of a dual-stack socket by IPv4",
  {
    skip: !transport.localAddresses().includes("::1") && "no ::1 on this host",
  },
  async () => {
    await using listener = await transport.listen({ hostname: "::", port: 0 });
    const { port } = listener.address;
    await using client = await transport.connect({
      hostname: "127.0.0.1",
      port,
    });
    await using server = await accept(listener);
    assert.deepEqual(server.remoteAddress, client.localAddress);
    assert.deepEqual(server.localAddress, client.remoteAddress);
  },
);

test("NodeTransport.bindDatagram() refuses an impossible time to live", async () => {
  const group = "239.255.7.7";
  await rejectsWith(
    transport.bindDatagram({
      multicast: { group, interfaceAddress: "127.0.0.1", ttl: 256 },
    }),
    "unsupported",
    "Cannot send multicast with a time to live of 256: the runtime refuses it",
  );
});

test("NodeTransport.localAddresses() has external IPv4 before external IPv6", () => {
  const addresses = transport.localAddresses();
  assert.ok(addresses.includes("127.0.0.1"));
  const external = addresses.filter((a) =>
    a !== "::1" && !a.startsWith("127.")
  );
  const families = external.map((address) => address.includes(":"));
  assert.deepEqual(families, [...families].sort());
});
