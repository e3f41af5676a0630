import assert from "node:assert/strict";
import { test } from "node:test";
import { createMember, encodeHost } from "../../protocol/mod.ts";
import { MemoryNetwork } from "../../transport/memory.ts";
import { Receiver } from "../../transport/receiver.ts";
import { Sender } from "../../transport/sender.ts";

test("Sender that fails one of several messages settles none before the others are done: their bytes are borrowed", async () => {
  const network = new MemoryNetwork({ seed: 1, latency: [10, 10] });
  const address = createMember({ host: encodeHost("10.0.0.1"), port: 4000 });
  const to = createMember({ host: encodeHost("10.0.0.2"), port: 4000 });
  const heard: string[] = [];
  await network.run(async () => {
    const sender = new Sender(network.transport("10.0.0.1"));
    const transport = network.transport("10.0.0.2");
    // Accepts, and reads nothing.
    const listener = await transport.listen({
      hostname: "10.0.0.2",
      port: 4000,
    });
    const send = (message: Uint8Array) =>
      sender.sendMessage([to], {
        options: 1,
        timestamp: 1,
        uniqueId: new Uint8Array(16),
        address,
        message,
      }).catch(() => {}).then(() => void message.fill(0x21));
    const large = send(new Uint8Array(1_000_000));
    const small = send(new TextEncoder().encode("borrowed"));
    await network.advance(100);
    // The large message is lost with its connection, and its retry is refused; the small one has another.
    await listener.close();
    network.resetConnections("10.0.0.1", "10.0.0.2");
    await network.advance(15);
    const receiver = await Receiver.start(
      transport,
      ({ message }) => void heard.push(new TextDecoder().decode(message)),
      { address: "10.0.0.2" },
    );
    await network.advance(100);
    await Promise.all([large, small]);
    await sender.close();
    await receiver.close();
  });
  assert.deepEqual(heard, ["borrowed"]);
});
