/** The Java peer itself, and its harness: what the interop tests of our own nodes stand on. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import {
  freeGroup,
  JAVA_RELEASES,
  JavaPeer,
  javaRelease,
  needsJava,
  skipReason,
} from "../support/java_peer.ts";

const TIMEOUT = 60_000;

test("javaRelease() rejects a release outside the table", async () => {
  await assert.rejects(javaRelease("1.2.3"), RangeError);
});

for (const release of Object.keys(JAVA_RELEASES)) {
  test(
    `JavaPeer runs Tomcat ${release} and stops it`,
    needsJava(release, TIMEOUT),
    async () => {
      await using peer = await JavaPeer.start({ release });
      assert.equal(peer.ready.release, release);
      assert.equal(peer.member.host, "7f000001");
      assert.deepEqual(
        (await peer.request({ command: "members" }, "members")).members,
        [],
      );
      await assert.rejects(
        peer.request({ command: "send", text: "x" }, "sent"),
        /no-members/,
      );
      await peer.stop();
      assert.equal(peer.events.at(-1)?.event, "stopped");
      assert.equal(peer.running, false);
    },
  );
}

test(
  "javaRelease() compiles once for callers at the same time",
  needsJava("10.1", TIMEOUT),
  async () => {
    const [first, second] = await Promise.all([
      javaRelease("10.1"),
      javaRelease("10.1"),
    ]);
    assert.deepEqual(first, second);
    assert.ok(first.classPath.split(":").every((path) => existsSync(path)));
  },
);

test(
  "two Java peers find each other, talk, and see a crash",
  needsJava(["10.1.60", "11.0"], TIMEOUT),
  async () => {
    const group = await freeGroup();
    const shared = {
      group,
      dropTime: 2000,
      heartbeatSleeptime: 1000,
      maxThreads: 1,
    };
    await using ten = await JavaPeer.start({
      release: "10.1.60",
      ...shared,
      domain: "746573",
      payload: "0102",
    });
    await using eleven = await JavaPeer.start({
      release: "11.0",
      ...shared,
      uniqueId: "5a".repeat(16),
    });

    assert.equal(eleven.member.uniqueId, "5a".repeat(16));
    await ten.waitForMember(eleven.member.uniqueId);
    const seen = await eleven.waitForMember(ten.address);
    assert.deepEqual([seen.uniqueId, seen.domain, seen.payload], [
      ten.member.uniqueId,
      "746573",
      "0102",
    ]);

    for (const options of [2, 6]) {
      const text = `options ${options} \u20ac`;
      const sent = await ten.request({
        command: "send",
        text,
        options,
        to: [eleven.address],
      }, "sent");
      assert.equal(sent.options, options | 1);
      const message = await eleven.waitForEvent(
        "message",
        (event) => event.uniqueId === sent.uniqueId,
      );
      assert.equal(message.text, text);
      assert.equal(message.options, options | 1);
      assert.equal(
        message.sha256,
        createHash("sha256").update(text).digest("hex"),
      );
      assert.equal(message.from.uniqueId, ten.member.uniqueId);
    }

    const object = { text: "snow \u2744", numbers: [1, 2.5, true, null] };
    const sent = await eleven.request(
      { command: "send", object, options: 6 },
      "sent",
    );
    assert.equal(sent.options, 6);
    const message = await ten.waitForEvent(
      "message",
      (event) => event.uniqueId === sent.uniqueId,
    );
    assert.equal(message.javaClass, "java.util.LinkedHashMap");
    assert.deepEqual(message.value, object);

    const large = await ten.request({
      command: "send",
      size: 5 * 1024 * 1024,
      options: 6,
    }, "sent");
    const arrived = await eleven.waitForEvent(
      "message",
      (event) => event.uniqueId === large.uniqueId,
    );
    assert.deepEqual([arrived.bytes, arrived.sha256], [
      large.bytes,
      large.sha256,
    ]);

    await eleven.request({ command: "setListener", mode: "throw" }, "done");
    const failed = await ten.request({
      command: "send",
      text: "refused",
      options: 6,
    }, "sendFailed");
    assert.equal(
      failed.cause,
      "org.apache.catalina.tribes.RemoteProcessException",
    );
    assert.equal(
      failed.faultyMembers[0]?.member.uniqueId,
      eleven.member.uniqueId,
    );
    // The default sender tries once more: the listener threw twice.
    await eleven.waitFor(() =>
      eleven.events.filter((event) => "threw" in event).length === 2
    );
    await eleven.request(
      { command: "setListener", mode: "ok", accept: false },
      "done",
    );
    await ten.request({ command: "send", text: "unheard", options: 6 }, "sent");
    await eleven.waitForEvent("dropped");
    await eleven.request({ command: "setListener", mode: "ok" }, "done");

    await eleven.request(
      { command: "expect", count: 500, digest: true },
      "done",
    );
    await ten.request({
      command: "sendSequence",
      count: 500,
      size: 64,
      options: 6,
    }, "sentSequence");
    const { count, bytes, inversions, duplicates, missing } = await eleven
      .waitForEvent("expected");
    assert.deepEqual({ count, bytes, inversions, duplicates, missing }, {
      count: 500,
      bytes: 32_000,
      inversions: 0,
      duplicates: 0,
      missing: 0,
    });

    eleven.kill("SIGSTOP");
    await ten.request(
      { command: "send", text: "to a frozen peer", options: 6 },
      "sendFailed",
    );
    eleven.kill("SIGCONT");
    await eleven.request({ command: "print" }, "done");

    const after = ten.events.length;
    eleven.kill("SIGKILL");
    await eleven.exited();
    await assert.rejects(eleven.waitForEvent("stopped"), /SIGKILL/);
    const gone = await ten.waitForEvent(
      "memberDisappeared",
      (event) => event.member.uniqueId === eleven.member.uniqueId,
      { after },
    );
    assert.equal(gone.member.command, "");
  },
);

test(
  "JavaPeer.stop() is told to the group by the shutdown beacon",
  needsJava(["9.0.70", "9.0"], TIMEOUT),
  async () => {
    const group = await freeGroup();
    const [left, right] = await Promise.all([
      JavaPeer.start({ release: "9.0.70", group, dropTime: 30_000 }),
      JavaPeer.start({ release: "9.0", group, dropTime: 30_000 }),
    ]);
    await using _left = left;
    await using _right = right;
    await left.waitForMember(right.address);
    await right.waitForMember(left.address);
    await right.request({ command: "setPayload", hex: "c0ffee" }, "done");
    await right.stop();
    const gone = await left.waitForEvent("memberDisappeared");
    assert.equal(gone.member.uniqueId, right.member.uniqueId);
    assert.equal(gone.member.command, "424142592d414c4558");
  },
);

test(
  "a Java peer that dies rejects waiters with the end of its log",
  needsJava("10.1", TIMEOUT),
  async () => {
    await assert.rejects(
      JavaPeer.start({ release: "10.1", interceptors: ["NoSuchThing"] }),
      /NoSuchThing/,
    );
    await using peer = await JavaPeer.start({ release: "10.1" });
    const waiting = assert.rejects(
      peer.waitForEvent("memberAdded"),
      /ended with/,
    );
    process.kill(peer.pid, "SIGKILL");
    await waiting;
  },
);

test(
  "Java peers meet by static members",
  needsJava("10.1", TIMEOUT),
  async () => {
    const interceptors = [
      "MessageDispatch",
      "TcpFailureDetector",
      "StaticMembership",
    ];
    const first = { uniqueId: "11".repeat(16) };
    await using one = await JavaPeer.start({
      release: "10.1",
      interceptors,
      ...first,
    });
    await using two = await JavaPeer.start({
      release: "10.1",
      interceptors,
      members: [`${one.address}:${first.uniqueId}`],
    });
    await two.waitForMember(first.uniqueId);
    const sent = await two.request({
      command: "send",
      text: "static",
      options: 6,
    }, "sent");
    await one.waitForEvent(
      "message",
      (event) => event.uniqueId === sent.uniqueId,
    );
  },
);

test(
  "a Java peer sends by UDP and by multicast",
  needsJava("11.0", TIMEOUT),
  async () => {
    const shared = { release: "11.0", group: await freeGroup(), udpPort: 0 };
    const [left, right] = await Promise.all([
      JavaPeer.start(shared),
      JavaPeer.start(shared),
    ]);
    await using _left = left;
    await using _right = right;
    assert.ok(left.member.udpPort > 0);
    await left.waitForMember(right.address);
    for (const options of [0x22, 0x40]) {
      const sent = await left.request(
        { command: "send", size: 300, options },
        "sent",
      );
      const message = await right.waitForEvent(
        "message",
        (event) => event.uniqueId === sent.uniqueId,
      );
      assert.deepEqual([message.options, message.sha256], [
        options | 1,
        sent.sha256,
      ]);
    }
  },
);

test(
  "the Java peer measures its codec and its memory",
  needsJava("10.1", TIMEOUT),
  async () => {
    await using peer = await JavaPeer.start({ release: "10.1" });
    const encoded = await peer.request({
      command: "benchEncode",
      size: 64,
      seconds: 0.2,
    }, "benchEncode");
    const decoded = await peer.request({
      command: "benchDecode",
      size: 70_000,
      seconds: 0.2,
    }, "benchDecode");
    const memory = await peer.request({ command: "memory" }, "memory");
    assert.ok(
      encoded.nsPerOp > 0 && decoded.nsPerOp > 0 && memory.usedHeap > 0,
    );
  },
);

test("skipReason() knows every release of the table or says what is missing", () => {
  for (const release of Object.keys(JAVA_RELEASES)) {
    const reason = skipReason(release);
    if (reason !== undefined) assert.match(reason, /^No Java peer/);
  }
});
