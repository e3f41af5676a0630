import assert from "node:assert/strict";
import { test } from "node:test";
import {
  AjpServer,
  type AjpServerOptions,
  resolveAjpServerOptions,
} from "../../gateway/ajp_server.ts";
import { MemoryNetwork } from "../../transport/memory.ts";

test("resolveAjpServerOptions() has Tomcat's defaults and our limits", () => {
  const { onError: _, ...options } = resolveAjpServerOptions({ secret: null });
  assert.deepEqual(options, {
    secret: null,
    address: "127.0.0.1",
    port: 8009,
    packetSize: 8192,
    maxConnections: 8192,
    maxHeaderCount: 100,
    connectionTimeout: 60_000,
    keepAliveTimeout: -1,
    stallTimeout: 120_000,
    closeTimeout: 30_000,
    allowedRequestAttributesPattern: null,
    tomcatAuthentication: true,
    ajpFlush: true,
  });
});

for (const secret of [undefined, "", "with space", "\xfcmlaut", "a\nb", 7]) {
  test(`resolveAjpServerOptions() rejects secret ${JSON.stringify(secret)}`, () => {
    const options = { secret } as AjpServerOptions;
    assert.throws(() => resolveAjpServerOptions(options), (error) => {
      assert(error instanceof TypeError);
      assert.match(error.message, /^Cannot .* secret/);
      assert(!secret || !error.message.includes(String(secret)));
      return true;
    });
  });
}

const BAD_OPTIONS: readonly (readonly [keyof AjpServerOptions, number])[] = [
  ["port", -1],
  ["port", 65_536],
  ["port", 1.5],
  ["packetSize", 8191],
  ["packetSize", 65_537],
  ["packetSize", NaN],
  ["maxConnections", 0],
  ["maxConnections", Infinity],
  ["maxHeaderCount", -1],
  ["maxHeaderCount", 65_536],
  ["connectionTimeout", 0],
  ["connectionTimeout", -2],
  ["keepAliveTimeout", 0],
  ["keepAliveTimeout", NaN],
  ["stallTimeout", 0],
  ["stallTimeout", Infinity],
  ["closeTimeout", -1],
];

for (const [name, value] of BAD_OPTIONS) {
  test(`AjpServer.start() rejects ${name} ${value}`, async () => {
    const transport = new MemoryNetwork().transport("10.0.0.1");
    const options = { secret: null, [name]: value };
    await assert.rejects(
      AjpServer.start(transport, options, () => new Response()),
      (error: Error) =>
        error instanceof RangeError && error.message.includes(name) &&
        error.message.includes(String(value)),
    );
    const address = { hostname: "127.0.0.1", port: 8009 };
    await (await transport.listen(address)).close(); // nothing was bound
  });
}

test("AjpServer.start() rejects without a secret", () =>
  assert.rejects(
    AjpServer.start(
      new MemoryNetwork().transport("10.0.0.1"),
      {} as AjpServerOptions,
      () => new Response(),
    ),
    TypeError,
  ));

test("AjpServer.start() rejects a port that is taken", async () => {
  const transport = new MemoryNetwork().transport("10.0.0.1");
  const options = { secret: null, port: 8009 };
  await transport.listen({ hostname: "127.0.0.1", port: 8009 });
  await assert.rejects(
    AjpServer.start(transport, options, () => new Response()),
    { code: "address-in-use" },
  );
});
