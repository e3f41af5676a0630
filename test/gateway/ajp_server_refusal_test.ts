// What is refused: secrets, attributes, malformed packets, and requests that smuggle others.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AjpServerOptions } from "../../gateway/ajp_server.ts";
import {
  ajpAttribute,
  ajpMethodCode,
  ajpRequestAttribute,
  ajpSecretMatches,
  concatBytes,
  DecodeError,
  decodeHex,
  encodeHex,
  type ForwardRequest,
  SC_A_SECRET,
} from "../../protocol/mod.ts";
import {
  type AjpScene,
  patternOf,
  requestBytes,
  withAjpServer,
} from "../support/ajp_server_front_end.ts";
import {
  ajpRequest,
  bodyOf,
  headersOf,
  packetOf,
} from "../support/ajp_values.ts";

type Fields = Partial<Omit<ForwardRequest, "type">>;

const SECRET = "Xk3v9sQb7LmR2wTz8NfJ4hYc6DpG5aUe";

/** Runs with a server whose handler must not be called. */
function withIdleServer(
  options: Partial<AjpServerOptions>,
  task: (scene: AjpScene) => Promise<void>,
): Promise<void> {
  return withAjpServer(options, () => assert.fail("called"), task);
}

/** Sends bytes and gives the status of the answer, which ends the connection; undefined without one. */
async function answerTo(
  { connectRaw }: AjpScene,
  bytes: Uint8Array,
): Promise<number | undefined> {
  const peer = await connectRaw();
  await peer.write(bytes);
  assert.equal(await peer.ended, true, "the connection was reset");
  if (peer.received === "") return undefined;
  assert.match(peer.received, /^4142....04/);
  assert.match(peer.received, /414200020500$/);
  const text = new TextDecoder().decode(decodeHex(peer.received));
  assert.equal(text.split("HTTP Status").length, 3); // title and heading of one page
  return Number.parseInt(peer.received.slice(10, 14), 16);
}

// Secret

function secrets(...values: readonly string[]): Fields {
  return {
    attributes: values.map((value) => ajpAttribute(SC_A_SECRET, value)),
  };
}

const WRONG_SECRETS: readonly (readonly [string, Fields])[] = [
  ["no secret", {}],
  ["an empty secret", secrets("")],
  ["another secret", secrets("Xk3v9sQb7LmR2wTz8NfJ4hYc6DpG5aUf")],
  ["the beginning of the secret", secrets(SECRET.slice(0, -1))],
  ["more than the secret", secrets(`${SECRET}x`)],
  ["the secret twice over", secrets(SECRET + SECRET)],
  ["the secret in another case", secrets(SECRET.toLowerCase())],
  ["the secret and another", secrets(SECRET, "other")],
  ["another and the secret", secrets("other", SECRET)],
  ["the secret as a request attribute", {
    attributes: [ajpRequestAttribute("secret", SECRET)],
  }],
];

for (const [claim, fields] of WRONG_SECRETS) {
  test(`AjpServer answers 403 to ${claim}`, () =>
    withIdleServer({ secret: SECRET }, async (scene) => {
      assert.equal(await answerTo(scene, requestBytes(fields)), 403);
      assert.equal(scene.faults.length, 1);
      assert(!scene.faults[0]?.error.message.includes(SECRET));
    }));
}

test("AjpServer serves who knows the secret, and pings of everybody", () =>
  withAjpServer({ secret: SECRET }, () => new Response("in"), async (scene) => {
    const peer = await scene.connect();
    await peer.ping();
    assert.equal((await peer.send(secrets(SECRET))).text, "in");
    await peer.ping();
    assert.equal((await peer.send(secrets(SECRET, SECRET))).text, "in");
    assert.deepEqual(scene.faults, []);
  }));

test("AjpServer compares as much of a wrong secret wherever it differs", () => {
  // What a comparison reads stands for the time that it takes.
  let reads = 0;
  const counting = {
    length: SECRET.length,
    charCodeAt: (i: number) => {
      reads++;
      return SECRET.charCodeAt(i);
    },
  } as string; // all that is read of one
  const readsOf = (value: string) => {
    reads = 0;
    const request = ajpRequest(secrets(value));
    assert.equal(ajpSecretMatches(request, counting), value === SECRET);
    return reads;
  };
  for (let at = 0; at < SECRET.length; at++) {
    const wrong = `${SECRET.slice(0, at)}#${SECRET.slice(at + 1)}`;
    assert.equal(readsOf(wrong), SECRET.length);
  }
  assert.equal(readsOf(SECRET), SECRET.length);
  assert.equal(readsOf(`${SECRET}${SECRET}`), 2 * SECRET.length);
});

test("AjpServer ignores a secret where it has none", () =>
  withAjpServer({ secret: null }, () => new Response("in"), async (scene) => {
    const peer = await scene.connect();
    assert.equal((await peer.send(secrets("whatever"))).text, "in");
  }));

test("AjpServer reads no body of whom it refuses", () =>
  withIdleServer({ secret: SECRET }, async (scene) => {
    const fields = {
      methodCode: 4,
      headers: headersOf(["content-length", "20000"]),
    };
    const bytes = concatBytes([
      requestBytes(fields),
      bodyOf(...patternOf(8186)),
    ]);
    assert.equal(await answerTo(scene, bytes), 403);
  }));

// Attributes

function attributeFields(name: string): Fields {
  return { attributes: [ajpRequestAttribute(name, "value")] };
}

test("AjpServer refuses an attribute that it does not know", () =>
  withIdleServer({}, async (scene) => {
    for (
      const name of [
        "javax.servlet.include.request_uri",
        "javax.servlet.include.path_info",
        "javax.servlet.include.servlet_path",
        "org.apache.catalina.jsp_file",
        "x",
        "",
        "ajp_remote_port",
      ]
    ) {
      const bytes = requestBytes(attributeFields(name));
      assert.equal(await answerTo(scene, bytes), 403);
    }
  }));

const PATTERNS: readonly (readonly [RegExp, string, boolean])[] = [
  [/app\.mode/, "app.mode", true],
  [/app\.mode/, "app.modes", false],
  [/app\.mode/, "xapp.mode", false],
  [/app\.mode/, "app-mode", false],
  [/a|b/, "b", true],
  [/a|b/, "ab", false],
  [/^a$/m, "a\nb", false],
  [/APP/i, "app", true],
  [/x/g, "x", true],
  [/x/y, "x", true],
];

for (const [pattern, name, allowed] of PATTERNS) {
  test(`AjpServer ${allowed ? "takes" : "refuses"} attribute ${JSON.stringify(name)} with ${pattern}`, () =>
    withAjpServer(
      { allowedRequestAttributesPattern: pattern },
      (_, info) => new Response(info.requestAttributes.get(name)),
      async (scene) => {
        const fields = attributeFields(name);
        if (!allowed) {
          return assert.equal(await answerTo(scene, requestBytes(fields)), 403);
        }
        const peer = await scene.connect();
        for (let i = 0; i < 3; i++) {
          assert.equal((await peer.send(fields)).text, "value");
        }
      },
    ));
}

// Packets

/** A request's packet, with bytes in the place of others. */
function patched(from: string, to: string, fields: Fields = {}): Uint8Array {
  const hex = encodeHex(requestBytes(fields).subarray(4));
  assert(hex.includes(from));
  return packetOf([...decodeHex(hex.replace(from, to))]);
}

const TWO_HEADERS: Fields = {
  headers: headersOf(["accept", "a"], ["host", "b"]),
};

const MALFORMED:
  readonly (readonly [string, Uint8Array, number | undefined])[] = [
    ["wrong magic", decodeHex("4142000109"), undefined],
    ["HTTP", new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"), undefined],
    ["TLS", decodeHex("16030100c8010000c40303"), undefined],
    ["a SHUTDOWN", decodeHex("1234000107"), undefined],
    ["a PING", decodeHex("1234000108"), undefined],
    ["type 0", decodeHex("1234000100"), undefined],
    ["type 11", decodeHex("123400010b"), undefined],
    ["a CPING with a byte more", decodeHex("123400020a00"), undefined],
    ["a length of 0", decodeHex("12340000"), 500],
    ["a length above the packet size", decodeHex("12341ffd"), 500],
    ["a length of 65535", decodeHex("1234ffff"), 500],
    ["a request without anything", packetOf([2]), 500],
    [
      "a request without its end",
      packetOf([...requestBytes().subarray(4, -1)]),
      500,
    ],
    ["bytes after the end", packetOf([...requestBytes().subarray(4), 0]), 500],
    ["method code 0", patched("0202", "0200"), 500],
    ["method code 28", patched("0202", "021c"), 500],
    ["method code 254", patched("0202", "02fe"), 500],
    ["a string beyond the packet", patched("0008485454", "1f08485454"), 500],
    ["a string without its zero", patched("312e3100", "312e3101"), 500],
    ["a null protocol", patched("0008485454502f312e3100", "ffff"), 500],
    ["header code 0", patched("a001", "a000", TWO_HEADERS), 500],
    ["header code 15", patched("a001", "a00f", TWO_HEADERS), 500],
    [
      "one header more than there is",
      patched("0002a001", "0003a001", TWO_HEADERS),
      500,
    ],
  ];

for (const [claim, bytes, status] of MALFORMED) {
  const answer = status === undefined ? "closes on" : `answers ${status} to`;
  test(`AjpServer ${answer} ${claim}`, () =>
    withIdleServer({}, async (scene) => {
      assert.equal(await answerTo(scene, bytes), status);
      assert(scene.faults.length <= 1);
      if (status !== undefined) {
        assert(scene.faults[0]?.error instanceof DecodeError);
      }
    }));
}

test("AjpServer answers 500 to more headers than maxHeaderCount", () =>
  withAjpServer(
    { maxHeaderCount: 3 },
    () => new Response("in"),
    async (scene) => {
      const headers = (count: number) => ({
        headers: headersOf(
          ...Array.from(
            { length: count },
            (_, i): [string, string] => [`x${i}`, ""],
          ),
        ),
      });
      const peer = await scene.connect();
      assert.equal((await peer.send(headers(3))).text, "in");
      assert.equal(await answerTo(scene, requestBytes(headers(4))), 500);
    },
  ));

// Smuggling

const SMUGGLED: readonly (readonly [string, Fields])[] = [
  ["two content-lengths", {
    headers: headersOf(["content-length", "1"], ["Content-Length", "2"]),
  }],
  ["the same content-length twice", {
    headers: headersOf(["content-length", "1"], ["content-length", "1"]),
  }],
  ["a content-length by code and by name", {
    headers: [
      ...headersOf(["content-length", "1"]),
      { code: 0, name: "Content-Length", value: "1" },
    ],
  }],
  ["a content-length with a transfer-encoding", {
    headers: headersOf(["content-length", "1"], [
      "Transfer-Encoding",
      "chunked",
    ]),
  }],
  ...["", "-1", "+1", "1 ", " 1", "0x1", "1,1", "1e1", "99999999999999999999"]
    .map((value): readonly [string, Fields] => [
      `content-length ${JSON.stringify(value)}`,
      { headers: headersOf(["content-length", value]) },
    ]),
  ["a null content-length", {
    headers: [{ code: 0xa008, name: "content-length", value: null }],
  }],
  ["a line break in a header's value", {
    headers: headersOf(["x", "a\r\nhost: b"]),
  }],
  ["a line feed in a header's value", { headers: headersOf(["x", "a\nb"]) }],
  ["a NUL in a header's value", { headers: headersOf(["x", "a\0b"]) }],
  ["a line break in a header's name", { headers: headersOf(["x\r\ny", "a"]) }],
  ["a space in a header's name", {
    headers: headersOf(["content-length ", "1"]),
  }],
  ["an empty header's name", { headers: headersOf(["", "1"]) }],
  ["a method with a space", {
    methodCode: 255,
    attributes: [ajpAttribute(13, "GET / HTTP/1.1")],
  }],
  ["an empty method", {
    methodCode: ajpMethodCode("NONE"),
    attributes: [ajpAttribute(13, "")],
  }],
  ["a stored method that is nowhere", { methodCode: 255 }],
];

for (const [claim, fields] of SMUGGLED) {
  test(`AjpServer answers 400 to ${claim}`, () =>
    withIdleServer({}, async (scene) => {
      assert.equal(await answerTo(scene, requestBytes(fields)), 400);
      assert.deepEqual(scene.faults.map(({ type }) => type), ["request"]);
    }));
}

test("AjpServer serves no request that came before the last one was answered", () => {
  const gate = Promise.withResolvers<void>();
  const served: string[] = [];
  return withAjpServer({}, async (request) => {
    served.push(request.url);
    await gate.promise;
    return new Response("one");
  }, async ({ connectRaw, network, faults }) => {
    const together = await connectRaw();
    await together.write(
      concatBytes([requestBytes({ uri: "/1" }), requestBytes({ uri: "/2" })]),
    );
    const later = await connectRaw();
    await later.write(requestBytes({ uri: "/3" }));
    await network.settle();
    await later.write(requestBytes({ uri: "/4" }));
    await network.settle();
    gate.resolve();
    for (const peer of [together, later]) {
      assert.equal(await peer.ended, true);
      assert.equal(peer.received.match(/4142....04/g)?.length, 1);
      assert.match(peer.received, /414200020500$/);
    }
    assert.deepEqual(served, ["http://www.example/1", "http://www.example/3"]);
    assert.deepEqual(faults.map(({ type }) => type), [
      "connection",
      "connection",
    ]);
  });
});

test("AjpServer serves no request that came with one it answered at once", () => {
  const served: string[] = [];
  return withAjpServer({}, (request) => {
    served.push(request.url);
    return new Response("one");
  }, async ({ connectRaw }) => {
    const peer = await connectRaw();
    await peer.write(
      concatBytes([requestBytes({ uri: "/1" }), requestBytes({ uri: "/2" })]),
    );
    assert.equal(await peer.ended, true);
    assert.equal(peer.received.match(/4142....04/g)?.length, 1);
    assert.match(peer.received, /414200020500$/);
    assert.deepEqual(served, ["http://www.example/1"]);
  });
});

test("AjpServer takes a body packet that nobody asked for as the end of the connection", () =>
  withAjpServer({}, async (request) => {
    await request.body?.getReader().read().catch(() => {});
    return new Response("one");
  }, async ({ connectRaw, faults }) => {
    const peer = await connectRaw();
    const fields = {
      methodCode: 4,
      headers: headersOf(["content-length", "9000"]),
    };
    await peer.write(concatBytes([
      requestBytes(fields),
      bodyOf(...patternOf(8186)),
      bodyOf(...patternOf(814)),
    ]));
    assert.equal(await peer.ended, true);
    assert.match(peer.received, /414200020500$/);
    assert.equal(faults.length, 1);
  }));

test("AjpServer goes on with other connections whatever one sends", () =>
  withAjpServer({}, () => new Response("fine"), async (scene) => {
    const peer = await scene.connect();
    for (const [, bytes] of MALFORMED) {
      await answerTo(scene, bytes);
      assert.equal((await peer.send()).text, "fine");
    }
  }));

test("AjpServer's faults name the front end", () =>
  withIdleServer({}, async (scene) => {
    const peer = await scene.connectRaw();
    await peer.write(decodeHex("12340000"));
    assert.equal(await peer.ended, true);
    assert.deepEqual(
      scene.faults[0]?.remoteAddress,
      peer.connection.localAddress,
    );
  }));
