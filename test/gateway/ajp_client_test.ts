// What requests and responses become.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  collectAjpAttributes,
  EncodeError,
  encodeSendHeaders,
  SC_A_SECRET,
} from "../../protocol/mod.ts";
import { MemoryNetwork } from "../../transport/mod.ts";
import {
  AjpClient,
  type AjpClientOptions,
  type AjpRequestInit,
} from "../../gateway/mod.ts";
import {
  type ContainerPeer,
  type ContainerRequest,
  echo,
  type ReplyOptions,
} from "../support/ajp_client_container.ts";
import {
  ajpError,
  chunks,
  withContainer,
} from "../support/ajp_client_network.ts";

/** Sends one request and gives what the container got of it. */
async function sent(
  input: string | URL | Request,
  init?: AjpRequestInit,
  client: AjpClientOptions = {},
): Promise<ContainerRequest & { readonly body: string }> {
  let got: ContainerRequest & { readonly body: string } | undefined;
  await withContainer(async (peer) => {
    for (let request; (request = await peer.request()) !== undefined;) {
      const body = new TextDecoder().decode(await peer.body(request));
      got = { ...request, body };
      peer.reply(request);
    }
  }, async (setting) => {
    const response = await setting.client.fetch(input, init);
    await response.arrayBuffer();
  }, { client });
  assert(got !== undefined);
  return got;
}

/** The response to one request. */
async function received(
  reply: (peer: ContainerPeer, request: ContainerRequest) => void,
  check: (response: Response) => Promise<void> | void,
  init?: AjpRequestInit,
): Promise<void> {
  await withContainer(async (peer) => {
    for (let request; (request = await peer.request()) !== undefined;) {
      reply(peer, request);
    }
  }, async ({ client, container }) => {
    const response = await client.fetch("/", init);
    await check(response);
    if (!response.bodyUsed) await response.arrayBuffer();
    // The connection is good for another one.
    const next = await client.fetch("/", init);
    await next.arrayBuffer();
    assert.equal(container.peers.length, 1);
  });
}

function headerPairs({ request }: ContainerRequest): string[][] {
  return request.headers.map(({ name, value }) => [name, value ?? "null"]);
}

test("AjpClient.fetch() sends a path to its container by name and port", async () => {
  const got = await sent("/a%20b/c;x=y?q=1&r=%2F#part");
  assert.equal(got.method, "GET");
  const { request } = got;
  assert.equal(request.uri, "/a%20b/c;x=y");
  assert.equal(request.protocol, "HTTP/1.1");
  assert.equal(request.serverName, "tomcat");
  assert.equal(request.serverPort, 8009);
  assert.equal(request.isSsl, false);
  assert.equal(request.remoteAddr, "10.0.0.2"); // the network's second host
  assert.equal(request.remoteHost, null);
  assert.deepEqual(headerPairs(got), [["host", "tomcat:8009"]]);
  const { query, remotePort } = collectAjpAttributes(request);
  assert.equal(query, "q=1&r=%2F");
  assert(remotePort !== null && remotePort > 0);
  assert.equal(got.bodyLength, undefined);
});

for (
  const [input, host, uri, port, isSsl] of [
    ["http://www.example/x", "www.example", "/x", 80, false],
    ["https://www.example/", "www.example", "/", 443, true],
    ["https://www.example:8443", "www.example:8443", "/", 8443, true],
    ["ajp://tomcat:8009/y", "tomcat:8009", "/y", 8009, false],
    ["ajp://tomcat:8009", "tomcat:8009", "/", 8009, false],
    ["//www.example/z", "tomcat:8009", "//www.example/z", 8009, false],
    ["relative", "tomcat:8009", "/relative", 8009, false],
  ] as const
) {
  test(`AjpClient.fetch() sends ${input} as ${uri} of ${host}`, async () => {
    for (
      const value of [input, ...URL.canParse(input) ? [new URL(input)] : []]
    ) {
      const got = await sent(value);
      assert.deepEqual(headerPairs(got), [["host", host]]);
      assert.equal(got.request.uri, uri);
      assert.equal(got.request.serverPort, port);
      assert.equal(got.request.isSsl, isSsl);
    }
  });
}

test("AjpClient.fetch() takes paths as of the option origin", async () => {
  const origin = "https://shop.example";
  const got = await sent("/cart", {}, { origin });
  assert.deepEqual(headerPairs(got), [["host", "shop.example"]]);
  assert.equal(got.request.isSsl, true);
  assert.equal(got.request.serverPort, 443);
});

test("AjpClient.fetch() sends a Request, and init wins over it", async () => {
  const request = new Request("http://www.example/x?y", {
    method: "PUT",
    headers: { "x-a": "1", "content-type": "text/x" },
    body: "from the request",
  });
  const got = await sent(request);
  assert.equal(got.method, "PUT");
  assert.equal(got.body, "from the request");
  assert.deepEqual(headerPairs(got).sort(), [
    ["content-type", "text/x"],
    ["host", "www.example"],
    ["transfer-encoding", "chunked"],
    ["x-a", "1"],
  ]);
  const other = await sent(
    new Request("http://www.example/", { method: "PUT" }),
    {
      method: "patch",
      headers: { "x-b": "2" },
      body: "from init",
    },
  );
  assert.equal(other.method, "patch"); // Fetch does not change its case
  assert.equal(other.body, "from init");
  assert.deepEqual(headerPairs(other), [
    ["host", "www.example"],
    ["x-b", "2"],
    ["content-type", "text/plain;charset=UTF-8"],
    ["content-length", "9"],
  ]);
});

for (const method of ["OPTIONS", "GET", "TRACE", "PROPFIND", "MKACTIVITY"]) {
  test(`AjpClient.fetch() sends ${method} by its code`, async () => {
    const got = await sent("/", { method });
    assert.equal(got.method, method);
    assert.notEqual(got.request.methodCode, 255);
  });
}

for (const method of ["PATCH", "CONNECT", "BREW", "get-it"]) {
  test(`AjpClient.fetch() sends ${method}, which has no code`, async () => {
    const got = await sent("/", { method });
    assert.equal(got.method, method);
    assert.equal(got.request.methodCode, 255);
  });
}

test("AjpClient.fetch() writes the methods that Fetch does in upper case", async () => {
  assert.equal((await sent("/", { method: "post" })).method, "POST");
});

test("AjpClient.fetch() keeps header pairs, and joins cookies", async () => {
  const got = await sent("/", {
    headers: [
      ["X-Two", "1"],
      ["Cookie", "a=1"],
      ["x-two", " 2\t"],
      ["cookie", "b=2"],
      ["Host", "other.example"],
      ["accept-language", "\xe9"],
    ],
  });
  assert.deepEqual(headerPairs(got), [
    ["x-two", "1"],
    ["x-two", "2"],
    ["host", "other.example"],
    ["accept-language", "\xe9"],
    ["cookie", "a=1; b=2"],
  ]);
});

test("AjpClient.fetch() announces an empty body where one is usual", async () => {
  for (const method of ["POST", "PUT", "PATCH"]) {
    assert.equal((await sent("/", { method })).bodyLength, 0);
  }
  assert.equal((await sent("/", { method: "DELETE" })).bodyLength, undefined);
});

test("AjpClient.fetch() sends the attributes of AJP, in mod_jk's order", async () => {
  const got = await sent("/?q", {
    method: "BREW",
    ajp: {
      remoteAddr: "192.0.2.1",
      remoteHost: "client.example",
      remotePort: 40_000,
      localAddr: "192.0.2.9",
      serverName: "front.example",
      serverPort: 443,
      isSsl: true,
      remoteUser: "jo",
      authType: "BASIC",
      jvmRoute: "node1",
      sslCert: "PEM",
      sslCipher: "TLS_AES_128_GCM_SHA256",
      sslSession: "0a",
      sslKeySize: 128,
      sslProtocol: "TLSv1.3",
      lbActivation: "DIS",
      attributes: { colour: "green" },
    },
  }, { secret: "s3cret" });
  const { request } = got;
  assert.deepEqual(request.attributes.map(({ code, name }) => name ?? code), [
    ...[12, 3, 4, 5, 6, 7, 8, 9, 11, 13],
    ...["AJP_SSL_PROTOCOL", "AJP_REMOTE_PORT", "AJP_LOCAL_ADDR"],
    ...["JK_LB_ACTIVATION", "colour"],
  ]);
  const { requestAttributes, ...rest } = collectAjpAttributes(request);
  assert.deepEqual(rest, {
    remoteUser: "jo",
    authType: "BASIC",
    query: "q",
    jvmRoute: "node1",
    sslCert: "PEM",
    sslCipher: "TLS_AES_128_GCM_SHA256",
    sslSession: "0a",
    sslKeySize: 128,
    sslProtocol: "TLSv1.3",
    remotePort: 40_000,
    localAddr: "192.0.2.9",
    lbActivation: "DIS",
  });
  assert.deepEqual([...requestAttributes], [["colour", "green"]]);
  assert.equal(request.remoteAddr, "192.0.2.1");
  assert.equal(request.remoteHost, "client.example");
  assert.equal(request.serverName, "front.example");
  assert.equal(request.serverPort, 443);
  assert.equal(request.isSsl, true);
});

test("AjpClient sends no secret unless it has one", async () => {
  for (const secret of [undefined, null, "s3cret"]) {
    const { request } = await sent(
      "/",
      {},
      secret === undefined ? {} : { secret },
    );
    const found = request.attributes.filter(({ code }) => code === SC_A_SECRET);
    assert.deepEqual(
      found.map(({ value }) => value),
      secret ? [secret] : [],
    );
  }
});

for (
  const [name, input, init] of [
    ["a foreign ajp: URL", "ajp://other:8009/", {}],
    ["another scheme", "ftp://tomcat/", {}],
    ["a password", "http://a:b@tomcat/", {}],
    ["a header's name", "/", { headers: { "a b": "1" } }],
    ["a header's value", "/", { headers: { a: "\u20ac" } }],
    ["two lengths", "/", {
      headers: [["content-length", "1"], ["Content-Length", "1"]],
      body: "x",
    }],
    ["a length with transfer-encoding", "/", {
      headers: { "content-length": "1", "transfer-encoding": "chunked" },
      body: "x",
    }],
    ["a length that is none", "/", {
      headers: { "content-length": "+1" },
      body: "x",
    }],
    ["a length that the body has not", "/", {
      headers: { "content-length": "2" },
      body: "x",
    }],
    ["a length without a body", "/", { headers: { "content-length": "2" } }],
    ["a word for retry", "/", { retry: "always" as "safe" }],
  ] satisfies [string, string, AjpRequestInit][]
) {
  test(`AjpClient.fetch() refuses ${name}`, async () => {
    await withContainer(echo, async ({ client, container }) => {
      await assert.rejects(client.fetch(input, init), TypeError);
      assert.equal(container.peers.length, 0);
    });
  });
}

test("AjpClient.fetch() refuses a method that is none, and what is no ISO-8859-1", async () => {
  await withContainer(echo, async ({ client, container }) => {
    for (
      const init of [
        { method: "A B" },
        { ajp: { remoteUser: "\u20ac" } },
        { ajp: { attributes: { "\u20ac": "x" } } },
        { ajp: { sslKeySize: 70_000 } },
      ] satisfies AjpRequestInit[]
    ) {
      await assert.rejects(client.fetch("/", init), EncodeError);
    }
    assert.equal(await (await client.fetch("/")).text(), "");
    assert.equal(container.peers.length, 1); // nothing of the others was sent
    assert.equal(container.requests, 1);
  });
});

test("AjpClient.fetch() refuses headers that no packet holds with too-large", async () => {
  await withContainer(echo, async ({ client, container }) => {
    const headers = { "x-long": "x".repeat(8192) };
    await assert.rejects(
      client.fetch("/", { headers }),
      ajpError("too-large", false, /GET \/: .*8192 bytes/),
    );
    assert.equal(container.requests, 0);
  });
  const packetSize = 65_536;
  await withContainer(echo, async ({ client }) => {
    const headers = { "x-long": "x".repeat(60_000) };
    const response = await client.fetch("/", {
      headers,
      body: "y",
      method: "PUT",
    });
    assert.equal(await response.text(), "y");
  }, { client: { packetSize }, container: { packetSize } });
});

test("AjpClient.fetch() refuses a body that was read, or is being read", async () => {
  await withContainer(echo, async ({ client }) => {
    const request = new Request("http://x/", { method: "PUT", body: "x" });
    await request.text();
    await assert.rejects(client.fetch(request), TypeError);
    const body = chunks("x");
    body.getReader();
    await assert.rejects(client.fetch("/", { method: "PUT", body }), TypeError);
  });
});

test("AjpClient.fetch() gives status, headers and body as they came", async () => {
  await received((peer, request) =>
    peer.reply(request, "h\xe9llo", {
      status: 207,
      headers: [["Set-Cookie", "a=1"], ["X-Two", "1"], ["Set-Cookie", "b=2"], [
        "x-two",
        "\xe9",
      ]],
    }), async (response) => {
    assert.equal(response.status, 207);
    assert.equal(response.statusText, "");
    assert.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2"]);
    assert.equal(response.headers.get("x-two"), "1, \xe9");
    assert.equal(response.headers.get("content-length"), "6");
    assert.equal(await response.text(), "h\xe9llo");
  });
});

for (
  const [message, statusText] of [
    ["404", ""],
    ["Not Found", "Not Found"],
    ["", ""],
    ["a\x01b", ""],
  ] as const
) {
  test(`AjpClient.fetch() gives the reason ${JSON.stringify(message)} as ${JSON.stringify(statusText)}`, async () => {
    await received((peer, { exchange }) => {
      exchange.sendHeaders(404, []); // would write no control character
      peer.write(
        encodeSendHeaders({
          type: "sendHeaders",
          status: 404,
          message,
          headers: [],
        }),
      );
      peer.write(exchange.endResponse());
    }, (response) => {
      assert.equal(response.status, 404);
      assert.equal(response.statusText, statusText);
    });
  });
}

for (const status of [204, 205, 304]) {
  test(`AjpClient.fetch() gives ${status} without a body`, async () => {
    await received(
      (peer, request) => peer.reply(request, "", { status }),
      (response) => {
        assert.equal(response.status, status);
        assert.equal(response.body, null);
      },
    );
  });
}

test("AjpClient.fetch() gives a response to HEAD without a body, and its length", async () => {
  const options: ReplyOptions = { headers: [["X-A", "1"]] };
  await received((peer, request) => {
    peer.reply(request, "x".repeat(100), options);
  }, (response) => {
    assert.equal(response.body, null);
    assert.equal(response.headers.get("content-length"), "100");
  }, { method: "HEAD" });
});

for (
  const [url, options, error] of [
    ["http://tomcat:8009", {}, TypeError],
    ["tomcat:8009", {}, TypeError],
    ["ajp://", {}, TypeError],
    ["ajp://tomcat/path", {}, TypeError],
    ["ajp://tomcat?query", {}, TypeError],
    ["ajp://a:b@tomcat", {}, TypeError],
    ["ajp://tomcat:0", {}, TypeError],
    ["ajp://tomcat", { secret: "" }, TypeError],
    ["ajp://tomcat", { secret: "\u20ac" }, TypeError],
    ["ajp://tomcat", { origin: "www.example" }, TypeError],
    ["ajp://tomcat", { origin: "http://www.example/path" }, TypeError],
    ["ajp://tomcat", { packetSize: 8191 }, RangeError],
    ["ajp://tomcat", { packetSize: 65_537 }, RangeError],
    ["ajp://tomcat", { maxConnections: 0 }, RangeError],
    ["ajp://tomcat", { maxQueueLength: -1 }, RangeError],
    ["ajp://tomcat", { queueTimeout: -2 }, RangeError],
    ["ajp://tomcat", { idleTimeout: 1.5 }, RangeError],
    ["ajp://tomcat", { connectTimeout: NaN }, RangeError],
    ["ajp://tomcat", { pingAfter: -2 }, RangeError],
    ["ajp://tomcat", { pingTimeout: 0 }, RangeError],
    ["ajp://tomcat", { replyTimeout: -2 }, RangeError],
    ["ajp://tomcat", { closeTimeout: -1 }, RangeError],
  ] satisfies [string, AjpClientOptions, typeof TypeError | typeof RangeError][]
) {
  test(`AjpClient refuses ${url} ${JSON.stringify(options)}`, () => {
    const transport = new MemoryNetwork().transport("front");
    const [option] = Object.keys(options);
    assert.throws(() => new AjpClient(transport, url, options), (thrown) => {
      assert(thrown instanceof error);
      assert.match(
        thrown.message,
        new RegExp(`Cannot use ${option ?? "address"}`),
      );
      assert.doesNotMatch(thrown.message, /\u20ac/); // secrets stay out of logs
      return true;
    });
  });
}

test("AjpClient takes an IPv6 address, and 8009 without a port", async () => {
  const network = new MemoryNetwork();
  const calls: unknown[] = [];
  const transport = network.transport("front");
  const spy = Object.assign(Object.create(transport), {
    connect: (address: unknown) => {
      calls.push(address);
      return Promise.reject(new Error("enough"));
    },
  });
  for (const url of ["ajp://[::1]:9", new URL("ajp://tomcat")]) {
    await assert.rejects(new AjpClient(spy, url).fetch("/"), /enough/);
  }
  assert.deepEqual(calls, [
    { hostname: "::1", port: 9 },
    { hostname: "tomcat", port: 8009 },
  ]);
});
