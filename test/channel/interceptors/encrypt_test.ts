import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { GroupChannel } from "../../../channel/group_channel.ts";
import {
  type ChannelInterceptor,
  StackWarning,
} from "../../../channel/interceptor.ts";
import { DroppedMessageError } from "../../../channel/interceptors/dropped_messages.ts";
import { EncryptInterceptor } from "../../../channel/interceptors/encrypt.ts";
import type { EncryptOptions } from "../../../channel/interceptors/encrypt_options.ts";
import { MessageCipher } from "../../../channel/interceptors/message_cipher.ts";
import { TcpFailureDetector } from "../../../channel/interceptors/tcp_failure_detector.ts";
import { decodeHex, encodeHex } from "../../../protocol/bytes/hex.ts";
import { DecodeError } from "../../../protocol/errors.ts";
import { parseGeneration } from "../../../protocol/generation.ts";
import type { ChannelData } from "../../../protocol/tribes/channel_data.ts";
import { MemoryNetwork } from "../../../transport/memory.ts";
import { LAYER_TIME, Layers } from "../../support/interceptor_layer.ts";
import { interceptorVectors } from "../../support/interceptor_vectors.ts";
import { messageOf } from "../../support/tribes_peers.ts";

const KEY = "1112131415161718191a1b1c1d1e1f20";
const NEWEST = "10.1.60";
const TIMED_CBC = "10.1.56";
const OLD_CBC = "9.0.70";
const GENERATIONS = [NEWEST, TIMED_CBC, OLD_CBC];

function encrypt(
  release: string = NEWEST,
  options: Partial<EncryptOptions> = {},
): EncryptInterceptor {
  const generation = parseGeneration(release);
  return new EncryptInterceptor({ encryptionKey: KEY, generation, ...options });
}

function start(
  release?: string,
  options?: Partial<EncryptOptions>,
): Promise<Layers> {
  return Layers.start(encrypt(release, options));
}

/** A message as it leaves an encrypting node. */
async function encrypted(
  body: string | Uint8Array = "hello",
  release?: string,
  options?: Partial<EncryptOptions>,
): Promise<ChannelData> {
  const sender = await start(release, options);
  const [message] = await sender.send(messageOf(body, 6));
  return message!; // it was sent
}

/** Hands in a message that must not come out; gives what was told. */
function assertDropped(layers: Layers, message: ChannelData): Error[] {
  const before = layers.delivered.length;
  const faults = layers.faults.length;
  try {
    const pending = layers.receive(message);
    assert.equal(pending, undefined);
  } catch (error) {
    assert(error instanceof DecodeError, `not a DecodeError: ${error}`);
    assert.equal(error.code, "truncated");
  }
  assert.equal(layers.delivered.length, before, "it was passed up");
  return layers.faults.slice(faults);
}

function reasonsOf(faults: readonly Error[]): string[] {
  return faults.map((fault) => {
    assert(fault instanceof DroppedMessageError, `${fault}`);
    assert.equal(fault.code, "bad-message");
    return fault.reason;
  });
}

test("EncryptInterceptor never passes up what it cannot decrypt", async () => {
  for (const release of GENERATIONS) {
    const layers = await start(release);
    const { message: body, ...rest } = await encrypted("hello", release);
    const bodies: Uint8Array[] = [
      new TextEncoder().encode("hello, not encrypted at all, of no length"),
      new TextEncoder().encode("plain"),
      new Uint8Array(),
      new Uint8Array(11),
      new Uint8Array(15),
      new Uint8Array(16),
      new Uint8Array(27),
      new Uint8Array(28),
      body.subarray(1),
      body.subarray(0, 16),
      // Without a tag, one wrong key in 256 gives valid padding: not so with this vector.
      ...await Promise.all([KEY.replace("11", "12"), KEY + KEY].map(
        async (encryptionKey) => {
          const random = (bytes: Uint8Array) => void bytes.fill(7);
          const options = { encryptionKey, random };
          return (await encrypted("hello", release, options)).message;
        },
      )),
    ];
    for (const other of GENERATIONS) {
      if (other === release) continue;
      bodies.push((await encrypted("hello", other)).message);
      bodies.push((await encrypted("", other)).message);
    }
    for (const message of bodies) assertDropped(layers, { ...rest, message });
    assert.deepEqual(layers.texts, []);
    await layers.receive({ ...rest, message: body });
    assert.deepEqual(layers.texts, ["hello"]);
  }
});

test("EncryptInterceptor drops every truncation of a body", async () => {
  for (const release of [NEWEST, OLD_CBC, TIMED_CBC]) {
    const layers = await start(release);
    const message = await encrypted("a".repeat(40), release);
    const { length } = message.message;
    for (let end = 0; end < length; end++) {
      // Without a tag, whole blocks that happen to end as padding does cannot be told from others.
      if (release !== NEWEST && end % 16 === 0 && end > 16) continue;
      const cut = message.message.subarray(0, end);
      assertDropped(layers, { ...message, message: cut });
    }
  }
});

test("EncryptInterceptor with GCM drops a body with any bit changed", async () => {
  for (const key of [KEY, KEY + KEY.slice(0, 16), KEY + KEY]) {
    const layers = await start(NEWEST, { encryptionKey: key });
    const message = await encrypted("hello", NEWEST, { encryptionKey: key });
    for (let bit = 0; bit < message.message.length * 8; bit++) {
      const changed = message.message.slice();
      changed[bit >> 3]! ^= 1 << (bit & 7); // within the body
      assertDropped(layers, { ...message, message: changed });
    }
    await layers.receive(message);
    assert.deepEqual(layers.texts, ["hello"]);
  }
});

test("EncryptInterceptor drops a message while it is not started", async () => {
  const layers = await start();
  const message = await encrypted();
  await layers.stop();
  assertDropped(layers, message);
});

test("EncryptInterceptor drops a message whatever its send options are", async () => {
  const layers = await start(NEWEST, { optionFlag: 0x1000 });
  for (const options of [0, 1, 2, 6, 8, 0x1000, -1]) {
    assertDropped(
      layers,
      messageOf("not encrypted, forty bytes long at least", options),
    );
  }
});

test("EncryptInterceptor passes up a message whose listener fails as a failure of that listener", async () => {
  const layers = await start();
  layers.deliver = () => {
    throw new RangeError("mine");
  };
  const message = await encrypted();
  assert.throws(() => layers.receive(message), /mine/);
  assert.deepEqual(layers.faults, []);
});

test("EncryptInterceptor fails a body that is too short for vector and tag, as Tomcat does", async () => {
  for (const [release, least] of [[NEWEST, 28], [TIMED_CBC, 16]] as const) {
    const layers = await start(release);
    assert.throws(
      () => layers.receive(messageOf(new Uint8Array(least - 1))),
      DecodeError,
    );
    await layers.receive(messageOf(new Uint8Array(least)));
    assert.deepEqual(layers.delivered, []);
  }
});

for (const release of GENERATIONS) {
  test(`EncryptInterceptor of ${release} gives back any body, and options, id and sender as they are`, async () => {
    const sender = await start(release);
    const receiver = await start(release);
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 100 }),
        fc.integer(),
        async (body, options) => {
          const message = messageOf(body, options);
          const [sent] = await sender.send(message);
          assert.notDeepEqual(sent!.message, body);
          const before = receiver.delivered.length;
          await receiver.receive(sent!);
          assert.deepEqual(receiver.delivered.slice(before), [message]);
        },
      ),
    );
  });
}

test("EncryptInterceptor writes the algorithm and format of each generation", async () => {
  for (
    const [release, ivLength, overhead] of [
      ["8.5.100", 16, 16],
      ["9.0.118", 16, 16],
      ["9.0.119", 16, 32],
      ["9.0.120", 16, 32],
      ["9.0.121", 12, 12 + 8 + 16],
      ["10.0.27", 16, 16],
      ["10.1.55", 16, 16],
      ["10.1.56", 16, 32],
      ["10.1.58", 12, 12 + 8 + 16],
      ["11.0.22", 16, 16],
      ["11.0.23", 16, 32],
      ["11.0.25", 12, 12 + 8 + 16],
      ["12.0", 12, 12 + 8 + 16],
    ] as const
  ) {
    const { message } = await encrypted("0123456789", release);
    const expected = ivLength === 16
      ? 16 + (overhead === 32 ? 32 : 16) // padded to whole blocks
      : overhead + 10;
    assert.equal(message.length, expected, release);
  }
});

test("EncryptInterceptor takes a vector of its own for each message", async () => {
  const sender = await start();
  const seen = new Set<string>();
  for (let i = 0; i < 100; i++) {
    const [sent] = await sender.send(messageOf("same"));
    seen.add(encodeHex(sent!.message.subarray(0, 12)));
  }
  assert.equal(seen.size, 100);
});

test("EncryptInterceptor gives a message without a time the present one", async () => {
  const sender = await start();
  sender.now = 5000;
  const [sent] = await sender.send(messageOf("x", 0, { timestamp: 0 }));
  assert.equal(sent!.timestamp, LAYER_TIME + 5000);
  const receiver = await start();
  receiver.now = 5000;
  await receiver.receive(sent!);
  assert.deepEqual(receiver.texts, ["x"]);
});

test("EncryptInterceptor refuses a replay, and one that is too old or too new", async () => {
  const layers = await start();
  const message = await encrypted();
  await layers.receive(message);
  const replay = assertDropped(layers, message);
  assert.deepEqual(reasonsOf(replay), ["replayed"]);
  assert.deepEqual(layers.texts, ["hello"]);

  const late = await start();
  late.now = 10_001;
  const old = assertDropped(late, message);
  assert.deepEqual(reasonsOf(old), ["out-of-window"]);
  assert.match(old[0]!.message, /10001 ms from ours.*clocks differ/);

  const early = await start();
  early.clockError = -10_001;
  assert.deepEqual(reasonsOf(assertDropped(early, message)), [
    "out-of-window",
  ]);

  for (const error of [-10_000, 9_999]) {
    const edge = await start();
    edge.clockError = error;
    await edge.receive(message);
    assert.deepEqual(edge.texts, ["hello"], String(error));
  }
});

test("EncryptInterceptor takes the time from within, not that of the message", async () => {
  const layers = await start();
  const message = await encrypted();
  layers.now = 60_000;
  const faults = assertDropped(layers, {
    ...message,
    timestamp: LAYER_TIME + 60_000,
  });
  assert.deepEqual(reasonsOf(faults), ["other-generation"]);
});

test("EncryptInterceptor drops a plain text that is too short for a time, though it begins as one", async () => {
  const layers = await start();
  const time = new Uint8Array(8);
  new DataView(time.buffer).setBigInt64(0, BigInt(LAYER_TIME));
  for (let length = 0; length < 8; length++) {
    const message = await encrypted(time.subarray(0, length), NEWEST, {
      format: "plain",
    });
    assertDropped(layers, message);
  }
  await layers.receive(await encrypted(time, NEWEST, { format: "plain" }));
  assert.deepEqual(layers.texts, [""]);
});

test("EncryptInterceptor forgets what it has seen when it is started anew, as Tomcat does", async () => {
  const layers = await start();
  const message = await encrypted();
  layers.now = 5;
  await layers.receive(message);
  await layers.restart();
  await layers.receive(message);
  assert.deepEqual(layers.texts, ["hello", "hello"]);
});

test("EncryptInterceptor without timestamps has no replay protection, as those releases have none", async () => {
  const layers = await start(OLD_CBC);
  const message = await encrypted("hello", OLD_CBC);
  await layers.receive(message);
  await layers.receive(message);
  assert.deepEqual(layers.texts, ["hello", "hello"]);
});

const PEERS: readonly (readonly [ours: string, peer: string, text: RegExp])[] =
  [
    [NEWEST, TIMED_CBC, /seems to be of 9\.0\.119, 9\.0\.120, 10\.1\.56/],
    [NEWEST, OLD_CBC, /seems to be of 8\.5\.38 to 9\.0\.118, 10\.1\.55 or/],
    [TIMED_CBC, NEWEST, /seems to be of 9\.0\.121, 10\.1\.58, 11\.0\.25 or/],
    [TIMED_CBC, OLD_CBC, /seems to be of 8\.5\.38 to 9\.0\.118, 10\.1\.55 or/],
    [OLD_CBC, NEWEST, /seems to be of 9\.0\.121, 10\.1\.58, 11\.0\.25 or/],
    [OLD_CBC, TIMED_CBC, /seems to be of 9\.0\.119, 9\.0\.120, 10\.1\.56/],
  ];

for (const [ours, peer, text] of PEERS) {
  test(`EncryptInterceptor of ${ours} drops what ${peer} encrypts, and names the peer's releases`, async () => {
    for (
      const body of ["hello", "a session of some length, or a Java object"]
    ) {
      const layers = await start(ours);
      const faults = assertDropped(layers, await encrypted(body, peer));
      assert.equal(faults.length, 1);
      assert.match(faults[0]!.message, text);
      assert.match(faults[0]!.message, /10\.9\.9\.9:4000/);
    }
  });
}

test("EncryptInterceptor says of a wrong key no more than that", async () => {
  const layers = await start();
  const message = await encrypted("hello", NEWEST, {
    encryptionKey: KEY.replace("11", "12"),
  });
  const faults = assertDropped(layers, message);
  assert.deepEqual(reasonsOf(faults), ["not-decryptable"]);
  assert.match(faults[0]!.message, /key or algorithm is another/);
});

test("EncryptInterceptor reports a flood once in ten seconds, with its number", async () => {
  const layers = await start();
  for (let i = 0; i < 1000; i++) {
    assertDropped(layers, messageOf(new Uint8Array(100).fill(i)));
  }
  assert.equal(layers.faults.length, 1);
  layers.now = 10_000;
  const [fault] = assertDropped(layers, messageOf(new Uint8Array(100)));
  assert(fault instanceof DroppedMessageError);
  assert.equal(fault.count, 1000);
  assert.match(fault.message, /1000 such since the last report/);
});

test("EncryptInterceptor.statistics() counts what was encrypted, decrypted, dropped and replayed", async () => {
  const layer = encrypt();
  const layers = await Layers.start(layer);
  const message = await encrypted();
  await layers.receive(message);
  assertDropped(layers, message);
  assertDropped(layers, messageOf("junk"));
  await layers.send(messageOf("x"));
  assert.deepEqual(layer.statistics(), {
    encrypted: 1,
    decrypted: 1,
    dropped: 2,
    replayed: 1,
  });
});

test("EncryptInterceptor refuses options that Tomcat refuses, and tells nothing of the key", () => {
  const refuses = (
    options: Partial<EncryptOptions>,
    text: RegExp,
    release = NEWEST,
  ) =>
    assert.throws(() => encrypt(release, options), (error) => {
      assert(error instanceof RangeError);
      assert.match(error.message, text);
      assert(!error.message.includes(KEY.slice(0, 8)), error.message);
      return true;
    });
  for (
    const key of [
      "",
      "11",
      KEY + "00",
      KEY.slice(1),
      "g".repeat(32),
      `${KEY}${KEY}00`,
    ]
  ) {
    refuses({ encryptionKey: key }, /encryptionKey/);
  }
  for (
    const algorithm of [
      "AES",
      "AES/GCM",
      "AES/GCM/NoPadding/x",
      "AES/GCM/PKCS5Padding",
      "AES/CBC/NoPadding",
      "AES/CFB/NoPadding",
      "AES/OFB/NoPadding",
      "AES/CFB8/PKCS5Padding",
      "AES/OFB64/PKCS5Padding",
      "AES/NONE/NoPadding",
      "AES/ECB/PKCS5Padding",
      "AES/PCBC/PKCS5Padding",
      "AES/CTS/NoPadding",
      "AES/KW/NoPadding",
      "AES/KWP/NoPadding",
      "AES/CTR/NoPadding",
      "AES/CBC/ISO10126Padding",
      "DESede/CBC/PKCS5Padding",
      "",
    ]
  ) refuses({ encryptionAlgorithm: algorithm }, /encryptionAlgorithm/);
  refuses({ replayWindowTime: 0 }, /replayWindowTime/);
  refuses({ replayWindowMessageCount: 0 }, /replayWindowMessageCount/);
  refuses({}, /came with 8\.5\.38/, "7.0");
  refuses({}, /came with 8\.5\.38/, "8.5.37");
  assert.throws(
    () => new EncryptInterceptor({} as EncryptOptions),
    /encryptionKey is missing/,
  );
  encrypt(OLD_CBC, { encryptionAlgorithm: "AES/CFB/NoPadding" });
  encrypt(NEWEST, { encryptionAlgorithm: "aes/cbc/pkcs5padding" });
});

test("EncryptInterceptor rejects a body that its algorithm has no form for", async () => {
  const layers = await start(OLD_CBC, {
    encryptionAlgorithm: "AES/CBC/NoPadding",
  });
  await assert.rejects(layers.send(messageOf("x")), /not whole blocks/);
  await layers.send(messageOf(new Uint8Array(32)));
});

test("GroupChannel refuses TcpFailureDetector above Encrypt, and warns of layers below that change bodies", async () => {
  const transport = new MemoryNetwork({ seed: 1 }).transport("10.0.0.1");
  const channel = (...interceptors: ChannelInterceptor[]) => {
    const errors: Error[] = [];
    const made = new GroupChannel(transport, {
      interceptors,
      membership: null,
      onError: (error) => void errors.push(error),
    });
    return { made, errors };
  };
  assert.throws(
    () => channel(new TcpFailureDetector(), encrypt()),
    /list TcpFailureDetector after it/,
  );
  const { made, errors } = channel(
    encrypt(),
    { name: "Gzip" },
    { name: "TwoPhaseCommit" },
    new TcpFailureDetector(),
  );
  assert.equal(errors.length, 0);
  await made.start(3);
  await made.stop();
  assert.deepEqual(errors.map(({ name }) => name), [
    "StackWarning",
    "StackWarning",
  ]);
  assert(errors[0] instanceof StackWarning);
  assert.match(errors[0].message, /Gzip stands below Encrypt/);
  assert.match(errors[1]!.message, /TwoPhaseCommit stands below Encrypt/);

  const cbc = channel({ name: "Gzip" }, encrypt(TIMED_CBC));
  await cbc.made.start(3);
  await cbc.made.stop();
  assert.equal(cbc.errors.length, 1);
  assert.match(cbc.errors[0]!.message, /AES\/CBC does not notice/);
});

for (const vector of interceptorVectors("encrypt")) {
  test(`EncryptInterceptor agrees with ${vector.id}`, async () => {
    const { algorithm, key, iv, format, timestamp, plain } = vector.decoded;
    const release = format === "plain" ? OLD_CBC : NEWEST;
    const layers = await start(release, {
      encryptionKey: key,
      encryptionAlgorithm: algorithm,
      random: (bytes) => bytes.set(decodeHex(iv)),
    });
    layers.clockError = timestamp === null ? 0 : Number(timestamp) - LAYER_TIME;
    const message = messageOf(decodeHex(plain), 2, {
      timestamp: timestamp === null ? 1 : Number(timestamp),
    });
    const [sent] = await layers.send(message);
    assert.equal(encodeHex(sent!.message), vector.hex);
    await layers.receive({ ...message, message: decodeHex(vector.hex) });
    assert.deepEqual(layers.delivered, [message]);
  });
}

test("EncryptInterceptor drops a message when the cipher throws, and tells why", async () => {
  const layers = await start();
  const message = await encrypted();
  const { decrypt } = MessageCipher.prototype;
  const broken = new Error("no entropy");
  MessageCipher.prototype.decrypt = () => {
    throw broken;
  };
  try {
    const [fault] = assertDropped(layers, message);
    assert.equal(fault?.cause, broken);
  } finally {
    MessageCipher.prototype.decrypt = decrypt;
  }
  await layers.receive(message);
  assert.deepEqual(layers.texts, ["hello"]);
});
