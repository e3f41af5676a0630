// Gzip, Encrypt, Fragmentation and Order in any order: what goes in at one end comes out at another.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ChannelInterceptor } from "../../../channel/interceptor.ts";
import { makeInterceptor } from "../../../channel/interceptor_registry.ts";
import { parseGeneration } from "../../../protocol/generation.ts";
import { Layers } from "../../support/interceptor_layer.ts";
import { messageOf } from "../../support/tribes_peers.ts";
import { withGroup } from "../../support/simulated_group.ts";

const KEY = "1112131415161718191a1b1c1d1e1f20";
const ATTRIBUTES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Gzip: {},
  Fragmentation: { maxSize: "20" },
  Order: {},
  Encrypt: { encryptionKey: KEY },
};
const ALL = Object.keys(ATTRIBUTES);

function stackOf(
  names: readonly string[],
  release: string,
): ChannelInterceptor[] {
  const generation = parseGeneration(release);
  return names.map((name) =>
    makeInterceptor(name, ATTRIBUTES[name], { generation })
  );
}

test("Any stack of Gzip, Encrypt, Fragmentation and Order gives back any body", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray(ALL),
      fc.constantFrom("8.5.100", "9.0.70", "10.1.56", "10.1.60"),
      fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 5 }),
      fc.boolean(),
      async (names, release, bodies, reverse) => {
        const sender = await Layers.start(...stackOf(names, release));
        const receiver = await Layers.start(...stackOf(names, release));
        const messages = bodies.map((body) => messageOf(body, 2));
        const sent = [];
        for (const message of messages) {
          sent.push(...await sender.send(message));
        }
        const hasOrder = names.includes("Order");
        if (hasOrder && reverse) sent.reverse();
        for (const message of sent) await receiver.receive(message);
        assert.deepEqual(
          receiver.delivered.map(({ message }) => message),
          bodies,
        );
        for (
          const [i, { uniqueId, address, timestamp }] of messages.entries()
        ) {
          const { uniqueId: id, address: from, timestamp: time } = receiver
            .delivered[i]!; // there are as many
          assert.deepEqual([id, from, time], [uniqueId, address, timestamp]);
        }
      },
    ),
  );
});

test("GroupChannel with the four layers keeps order and content on a network with delays", async () => {
  const interceptors = () =>
    stackOf(["Order", "Gzip", "Fragmentation", "Encrypt"], "10.1.60");
  await withGroup(3, async (group, [a, b, c]) => {
    await group.network.advance(4000);
    const texts = Array.from({ length: 30 }, (_, i) => `${i} `.repeat(i * 5));
    const sends = texts.map((text) => a!.sendAll(text, 2)); // there are three
    await group.network.advance(2000);
    await Promise.all(sends);
    assert.deepEqual(b!.messages, texts); // likewise
    assert.deepEqual(c!.messages, texts); // likewise
    assert.deepEqual([a!.errors, b!.errors, c!.errors], [[], [], []]);
  }, () => ({ interceptors: interceptors() }));
});

test("makeInterceptor() takes the attributes that Tomcat's have", () => {
  const accepted: Readonly<Record<string, string>> = {
    "Gzip":
      "compressionMinSize=100 optionFlag=512 statsEnabled=true interval=5",
    "Encrypt":
      `encryptionKey=${KEY} encryptionAlgorithm=AES/CBC/PKCS5Padding ` +
      "replayWindowTime=500 replayWindowMessageCount=5 providerName=SunJCE optionFlag=512",
    "Fragmentation": "maxSize=5 expire=100 optionFlag=512",
    "Order": "expire=5 forwardExpired=false maxQueue=7 optionFlag=512",
  };
  for (const [name, text] of Object.entries(accepted)) {
    const attributes = Object.fromEntries(
      text.split(" ").map((item) => item.split("=", 2)),
    );
    const { name: made, optionFlag } = makeInterceptor(name, attributes);
    assert.deepEqual([made, optionFlag], [name, 512]);
    for (const wrong of [{ maxsize: "5" }, { optionFlag: "x" }]) {
      assert.throws(() => makeInterceptor(name, { ...attributes, ...wrong }), {
        name: "RangeError",
      });
    }
  }
  assert.throws(() => makeInterceptor("Encrypt"), /needs encryptionKey/);
  assert.throws(
    () => makeInterceptor("EncryptInterceptor", { encryptionKey: "12345xyz" }),
    (error: Error) => !error.message.includes("12345"),
  );
});

test("makeInterceptor() passes on the attributes: what is sent shows them", async () => {
  const layers = await Layers.start(
    makeInterceptor("Gzip", { compressionMinSize: "10", optionFlag: "512" }),
    makeInterceptor("Fragmentation", { maxSize: "15" }),
    makeInterceptor("Order", { optionFlag: "1024" }),
  );
  const [small] = await layers.send(messageOf(new Uint8Array(10)));
  assert.deepEqual([small!.options, small!.message.length], [0, 11]);
  const large = await layers.send(messageOf(new Uint8Array(11), 1024));
  assert(large.length > 1);
  for (const { options } of large) assert.equal(options, 512 | 1024);
  assert.equal(large[0]!.message.length, 15 + 9 + 4);
});
