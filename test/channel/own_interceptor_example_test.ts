// The interceptor of examples/, in a group.
import assert from "node:assert/strict";
import { test } from "node:test";
import { signing } from "../../examples/own_interceptor.ts";
import { SimulatedGroup } from "../support/simulated_group.ts";

test("the example's interceptor lets signed messages through, and no others", async () => {
  const group = new SimulatedGroup();
  const layer = signing("secret");
  const keys = [layer, signing("secret"), signing("another")];
  for (const key of keys) group.add({ interceptors: [key] });
  group.add({ interceptors: [] });
  await group.network.run(async () => {
    await group.start();
    await group.network.advance(1000);
    const [a, b, c, d] = group.nodes;
    assert(a && b && c && d);
    await b.sendAll("signed", 6);
    await b.sendAll("", 6);
    assert.deepEqual(a.messages, ["signed", ""]);
    assert.equal(layer.dropped, 0);
    await c.sendAll("wrong key", 6);
    await d.sendAll("without a signature at all, though long enough", 6);
    await d.sendAll("", 6);
    assert.deepEqual(a.messages, ["signed", ""]);
    assert.equal(layer.dropped, 3);
    assert.equal(d.messages.length, 3);
    await Promise.all(group.nodes.map(({ channel }) => channel.stop()));
  });
});
