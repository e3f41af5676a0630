// What a handler sees of a request.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AjpHandlerInfo } from "../../gateway/ajp_server.ts";
import {
  ajpAttribute,
  ajpMethodCode,
  ajpRequestAttribute,
  type ForwardRequest,
  SC_A_AUTH_TYPE,
  SC_A_JVM_ROUTE,
  SC_A_QUERY_STRING,
  SC_A_REMOTE_USER,
  SC_A_SSL_CERT,
  SC_A_SSL_CIPHER,
  SC_A_SSL_KEY_SIZE,
  SC_A_SSL_SESSION,
  SC_A_STORED_METHOD,
} from "../../protocol/mod.ts";
import {
  type FrontEndPeer,
  type Reply,
  requestBytes,
  withAjpServer,
} from "../support/ajp_server_front_end.ts";
import { headersOf } from "../support/ajp_values.ts";

type Fields = Partial<Omit<ForwardRequest, "type">>;

/** Sends one request and gives what the handler saw of it. */
async function seen(
  fields: Fields,
  options: Parameters<typeof withAjpServer>[0] = {},
): Promise<{ request: Request; info: AjpHandlerInfo; reply: Reply }> {
  let request: Request | undefined;
  let info: AjpHandlerInfo | undefined;
  let reply: Reply | undefined;
  await withAjpServer(options, (...args) => {
    [request, info] = args;
    return new Response(null);
  }, async ({ connect }) => {
    reply = await (await connect()).send(fields);
  });
  assert(request !== undefined && info !== undefined && reply !== undefined);
  return { request, info, reply };
}

/** Sends one request that has to be refused before the handler. */
async function refused(fields: Fields): Promise<Reply> {
  let reply: Reply | undefined;
  await withAjpServer({}, () => assert.fail("called"), async (scene) => {
    const peer: FrontEndPeer = await scene.connect();
    reply = await peer.send(fields);
    assert.deepEqual(scene.faults.map(({ type }) => type), ["request"]);
    if (!reply.reuse) await peer.closed();
  });
  assert(reply !== undefined);
  return reply;
}

function methodFields(method: string): Fields {
  const methodCode = ajpMethodCode(method);
  return methodCode === 255
    ? { methodCode, attributes: [ajpAttribute(SC_A_STORED_METHOD, method)] }
    : { methodCode };
}

function queryFields(uri: string, query: string): Fields {
  return { uri, attributes: [ajpAttribute(SC_A_QUERY_STRING, query)] };
}

// Methods

const METHODS = "OPTIONS GET HEAD POST PUT DELETE PROPFIND PROPPATCH MKCOL " +
  "COPY MOVE LOCK UNLOCK ACL REPORT VERSION-CONTROL CHECKIN CHECKOUT " +
  "UNCHECKOUT SEARCH MKWORKSPACE UPDATE LABEL MERGE BASELINE-CONTROL " +
  "MKACTIVITY PATCH QUERY get patch Fancy m!x";

for (const method of METHODS.split(" ")) {
  test(`AjpServer hands over method ${method} as it was sent`, async () => {
    const { request, info } = await seen(methodFields(method));
    assert.equal(request.method, method);
    assert.equal(info.method, method);
    const copy = request.clone();
    assert.equal(copy.method, method);
  });
}

for (const method of ["TRACE", "CONNECT", "TRACK", "Trace"]) {
  test(`AjpServer answers ${method} with 501 and goes on`, async () => {
    const reply = await refused(methodFields(method));
    assert.equal(reply.status, 501);
    assert.equal(reply.reuse, true);
  });
}

// URL

const URLS: readonly (readonly [
  claim: string,
  fields: Fields,
  url: string,
])[] = [
  [
    "has the Host header's host and port",
    { uri: "/a", headers: headersOf(["Host", "app.example:8080"]) },
    "http://app.example:8080/a",
  ],
  [
    "has the port of the scheme without one in the Host header",
    {
      uri: "/a",
      isSsl: true,
      serverPort: 8443,
      headers: headersOf(["host", "app.example"]),
    },
    "https://app.example/a",
  ],
  [
    "has the server's name and port without a Host header",
    { uri: "/a", isSsl: true, serverName: "front.example", serverPort: 8443 },
    "https://front.example:8443/a",
  ],
  [
    "has the server's name with an empty Host header",
    { uri: "/a", headers: headersOf(["host", ""]) },
    "http://www.example/a",
  ],
  [
    "has an IPv6 server's name in brackets",
    { uri: "/a", serverName: "2001:db8::1", serverPort: 81 },
    "http://[2001:db8::1]:81/a",
  ],
  [
    "has localhost for a server without a name",
    { uri: "/", serverName: null, serverPort: 8009 },
    "http://localhost:8009/",
  ],
  [
    "takes an IPv6 address in the Host header",
    { headers: headersOf(["host", "[::1]:8080"]) },
    "http://[::1]:8080/",
  ],
  [
    "keeps an encoded path and query as they are",
    queryFields("/a%20b/%C3%A4%2Fc;x=1", "q=%C3%A4&r=a+b&&s"),
    "http://www.example/a%20b/%C3%A4%2Fc;x=1?q=%C3%A4&r=a+b&&s",
  ],
  [
    "escapes what a URL would take for something else",
    queryFields("/a\\b#c?d\te f\xe4%", "a b#c\xe4\x7f"),
    "http://www.example/a%5Cb%23c%3Fd%09e%20f%E4%?a%20b%23c%E4%7F",
  ],
  [
    "has the last of two query strings",
    {
      attributes: [
        ajpAttribute(SC_A_QUERY_STRING, "a"),
        ajpAttribute(SC_A_QUERY_STRING, "b"),
      ],
    },
    "http://www.example/?b",
  ],
  [
    "takes host and path of an absolute URI",
    {
      uri: "http://other.example:81/x/y",
      headers: headersOf(["host", "app.example"]),
    },
    "http://other.example:81/x/y",
  ],
  [
    "has the scheme of the connection for an absolute URI",
    { uri: "HTTP://other.example", isSsl: true },
    "https://other.example/",
  ],
  [
    "writes the asterisk as a path",
    { uri: "*", methodCode: 1 },
    "http://www.example/*",
  ],
];

for (const [claim, fields, url] of URLS) {
  test(`AjpServer's request URL ${claim}`, async () => {
    const { request, info } = await seen(fields);
    assert.equal(request.url, url);
    assert.equal(info.uri, fields.uri ?? "/");
  });
}

test("AjpServer's request URL keeps an empty query apart from none", async () => {
  const { request, info } = await seen(queryFields("/", ""));
  assert.equal(info.query, "");
  assert.equal(new URL(request.url).search, "");
});

const BAD_TARGETS: readonly (readonly [claim: string, fields: Fields])[] = [
  ["host with a space", { headers: headersOf(["host", "a b"]) }],
  ["host with a user", { headers: headersOf(["host", "user@a"]) }],
  ["host with a path", { headers: headersOf(["host", "a/b"]) }],
  ["host with an escape", { headers: headersOf(["host", "a%41"]) }],
  ["host with a port beyond 65535", {
    headers: headersOf(["host", "a:65536"]),
  }],
  ["host with a port of letters", { headers: headersOf(["host", "a:x"]) }],
  ["host that is no IPv4 address", {
    headers: headersOf(["host", "1.2.3.400"]),
  }],
  ["host that is no IPv6 address", { headers: headersOf(["host", "[1:2]"]) }],
  ["second host", { headers: headersOf(["host", "a"], ["Host", "a"]) }],
  ["server's name that is no host", { serverName: "a b" }],
  ["URI that is empty", { uri: "" }],
  ["relative URI", { uri: "a/b" }],
  ["URI, absolute, with a user", { uri: "http://user@a/" }],
  ["URI, absolute, of another scheme", { uri: "ftp://a/" }],
];

for (const [claim, fields] of BAD_TARGETS) {
  test(`AjpServer answers a ${claim} with 400`, async () => {
    const reply = await refused(fields);
    assert.equal(reply.status, 400);
    assert.equal(reply.reuse, false);
  });
}

// Headers

test("AjpServer hands over headers, non-ASCII and repeated ones", async () => {
  const { request, info } = await seen({
    headers: headersOf(
      ["Accept-Language", "de"],
      ["cookie", "a=1"],
      ["X-Name", "f\xfcr \x85"],
      ["Cookie", "b=2"],
      ["x-name", "zwei"],
      ["user-agent", "test"],
    ),
  });
  const { headers } = request;
  assert.equal(headers.get("accept-language"), "de");
  assert.equal(headers.get("user-agent"), "test");
  assert.equal(headers.get("x-name"), "f\xfcr \x85, zwei");
  assert.equal(headers.get("cookie"), "a=1; b=2");
  assert.deepEqual(info.rawHeaders, [
    ["accept-language", "de"],
    ["cookie", "a=1"],
    ["X-Name", "f\xfcr \x85"],
    ["cookie", "b=2"],
    ["x-name", "zwei"],
    ["user-agent", "test"],
  ]);
});

test("AjpServer hands over a header whose value is the null string as empty", async () => {
  const { request, info } = await seen({
    headers: [{ code: 0, name: "x-null", value: null }],
  });
  assert.equal(request.headers.get("x-null"), "");
  assert.deepEqual(info.rawHeaders, [["x-null", ""]]);
});

test("AjpServer hands over a copy of a request with its headers and body", () =>
  withAjpServer({}, async (request) => {
    const copy = request.clone();
    assert.equal(copy.headers.get("x-a"), "b");
    assert.equal(copy.signal, request.signal);
    const texts = [await copy.text(), await request.text()];
    return new Response(texts.join(" "));
  }, async ({ connect, faults }) => {
    const peer = await connect();
    const reply = await peer.send({
      methodCode: 5,
      headers: headersOf(["x-a", "b"], ["content-length", "2"]),
    }, { body: new TextEncoder().encode("ok") });
    assert.deepEqual(faults, []);
    assert.equal(reply.text, "ok ok");
  }));

// What only AJP knows

const PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

test("AjpServer's info has all that the front end says", async () => {
  const { info } = await seen({
    protocol: "HTTP/2.0",
    remoteAddr: "198.51.100.7",
    remoteHost: "client.example",
    serverName: "front.example",
    serverPort: 8443,
    isSsl: true,
    attributes: [
      ajpAttribute(SC_A_REMOTE_USER, "alice"),
      ajpAttribute(SC_A_AUTH_TYPE, "Basic"),
      ajpAttribute(SC_A_QUERY_STRING, "a=b"),
      ajpAttribute(SC_A_JVM_ROUTE, "node1"),
      ajpAttribute(SC_A_SSL_CERT, PEM),
      ajpAttribute(SC_A_SSL_CIPHER, "TLS_AES_256_GCM_SHA384"),
      ajpAttribute(SC_A_SSL_SESSION, "cafe"),
      { code: SC_A_SSL_KEY_SIZE, name: null, value: 256 },
      ajpRequestAttribute("AJP_REMOTE_PORT", "40404"),
      ajpRequestAttribute("AJP_LOCAL_ADDR", "192.0.2.80"),
      ajpRequestAttribute("AJP_SSL_PROTOCOL", "TLSv1.3"),
      ajpRequestAttribute("JK_LB_ACTIVATION", "DIS"),
      ajpRequestAttribute("CERT_ISSUER", "me"),
      ajpRequestAttribute("app.mode", "test"),
    ],
  }, { allowedRequestAttributesPattern: /app\..*/ });
  const names = [
    "protocol",
    "remoteAddr",
    "remoteHost",
    "remotePort",
    "localAddr",
    "serverName",
    "serverPort",
    "isSsl",
    "remoteUser",
    "authType",
    "trusted",
    "query",
    "jvmRoute",
    "lbActivation",
    "sslCert",
    "sslCipher",
    "sslSession",
    "sslKeySize",
    "sslProtocol",
  ] as const;
  assert.deepEqual(
    Object.fromEntries(names.map((name) => [name, info[name]])),
    {
      protocol: "HTTP/2.0",
      remoteAddr: "198.51.100.7",
      remoteHost: "client.example",
      remotePort: 40404,
      localAddr: "192.0.2.80",
      serverName: "front.example",
      serverPort: 8443,
      isSsl: true,
      remoteUser: "alice",
      authType: "Basic",
      trusted: false,
      query: "a=b",
      jvmRoute: "node1",
      lbActivation: "DIS",
      sslCert: PEM,
      sslCipher: "TLS_AES_256_GCM_SHA384",
      sslSession: "cafe",
      sslKeySize: 256,
      sslProtocol: "TLSv1.3",
    },
  );
  assert.deepEqual(
    info.requestAttributes,
    new Map([["CERT_ISSUER", "me"], ["app.mode", "test"]]),
  );
});

test("AjpServer's info has nulls for what the front end does not say", async () => {
  const { info } = await seen({ remoteAddr: null });
  assert.equal(info.remoteAddr, null);
  assert.equal(info.remoteUser, null);
  assert.equal(info.sslCert, null);
  assert.equal(info.sslKeySize, null);
  assert.equal(info.remotePort, null);
  assert.equal(info.query, null);
  assert.equal(info.requestAttributes.size, 0);
});

test("AjpServer trusts the front end's user with tomcatAuthentication false only", async () => {
  const fields = { attributes: [ajpAttribute(SC_A_REMOTE_USER, "alice")] };
  const own = await seen(fields, { tomcatAuthentication: true });
  assert.equal(own.info.trusted, false);
  const theirs = await seen(fields, { tomcatAuthentication: false });
  assert.equal(theirs.info.trusted, true);
  assert.equal(theirs.info.remoteUser, "alice");
});

test("AjpServer serves every packet of a request cut at every byte", () =>
  withAjpServer(
    {},
    (request) => new Response(request.url),
    async ({ network, connectRaw, faults }) => {
      const fields = queryFields("/cut", "x=1");
      const bytes = requestBytes(fields);
      const whole = await connectRaw();
      await whole.write(bytes);
      await network.settle();
      const expected = whole.received;
      assert.match(expected, /414200020501$/);
      for (let cut = 1; cut < bytes.length; cut++) {
        const peer = await connectRaw();
        await peer.write(bytes.subarray(0, cut));
        await peer.write(bytes.subarray(cut));
        await peer.receives(expected);
        await peer.connection.close();
      }
      assert.deepEqual(faults, []);
    },
  ));
