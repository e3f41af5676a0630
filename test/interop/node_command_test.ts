// The main job: `tribes node` as a member of a real Tomcat's group.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CliProcess, type JsonLine } from "../support/cli_process.ts";
import {
  freeGroup,
  JavaPeer,
  memberAddress,
  needsJava,
} from "../support/java_peer.ts";

test(
  "tribes node is found by a real Tomcat channel and exchanges messages with it",
  needsJava("10.1.60"),
  async () => {
    const group = await freeGroup();
    await using java = await JavaPeer.start({ release: "10.1.60", group });
    await using node = new CliProcess([
      "node",
      "--port=0",
      "--mcast-bind=127.0.0.1",
      `--mcast-address=${group.address}`,
      `--mcast-port=${group.port}`,
      "--domain=shop",
      "--payload=green",
    ]);
    const { member } = await node.waitFor("ready") as { member: JsonLine };
    const seen = await java.waitForMember(String(member.uniqueId));
    assert.equal(seen.domain, "73686f70");
    assert.equal(seen.payload, "677265656e");
    const found = await node.waitFor("memberAdded");
    assert.equal((found.member as JsonLine).uniqueId, java.member.uniqueId);

    for (const options of [0, 2, 6, 8, 10]) {
      const tag = `to Java with ${options}`;
      node.write({ command: "send", text: tag, options, tag });
      await node.log.waitFor((line) =>
        line.event === "sent" && line.tag === tag
      );
      const message = await java.waitForEvent(
        "message",
        ({ text }) => text === tag,
      );
      assert.equal(message.options, options | 1);

      const text = `from Java with ${options}`;
      const sent = await java.request(
        { command: "send", text, options },
        "sent",
      );
      const received = await node.log.waitFor((line) =>
        line.event === "message" && line.text === text
      );
      assert.equal(received.options, options | 1);
      assert.equal(received.sha256, sent.sha256);
      assert.equal(
        (received.from as JsonLine).uniqueId,
        java.member.uniqueId,
      );
    }

    await java.request(
      { command: "setListener", mode: "throw", every: 1 },
      "done",
    );
    node.write({ command: "send", text: "refuse this", options: 6, tag: "no" });
    const failed = await node.waitFor("error");
    assert.equal(failed.code, "failed-ack");
    assert.equal(failed.tag, "no");
    const [faulty] = failed.faultyMembers as JsonLine[];
    assert.equal(faulty?.uniqueId, java.member.uniqueId);
    node.write({ command: "send", text: "and this", options: 2, tag: "yes" });
    await node.log.waitFor((line) =>
      line.event === "sent" && line.tag === "yes"
    );

    node.write({
      command: "send",
      text: "x",
      to: [memberAddress(java.member)],
      tag: "to",
    });
    await node.log.waitFor((line) =>
      line.event === "sent" && line.tag === "to"
    );
    node.write({ command: "stop" });
    assert.equal(await node.exited(), 0);
    await java.waitForEvent(
      "memberDisappeared",
      (event) => event.member.uniqueId === member.uniqueId,
    );
  },
);
