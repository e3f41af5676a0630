// The same request through mod_proxy_ajp, mod_jk and mod_proxy_http, with their defaults: what differs
// in what a handler sees, and in what its client gets. docs/three-modules.md explains each difference.
import assert from "node:assert/strict";
import { createServer, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect, createServer as createSocketServer } from "node:net";
import { after, before, test } from "node:test";
import {
  type AjpHandlerInfo,
  type AjpServer,
  serveAjp,
} from "../../gateway/node.ts";
import {
  type HttpdModule,
  HttpdPeer,
  type HttpdPeerOptions,
  needsHttpd,
} from "../support/httpd_peer.ts";

const MODULES = ["proxy_ajp", "jk", "proxy_http"] as const;
const SECRET = "Xk3v9sQb7LmR2wTz8NfJ4hYc6DpG5aUe";
const PHRASE = "Our Phrase";

type Pairs = readonly (readonly [name: string, value: string])[];

/** What a handler was told, without what differs from run to run. */
interface Seen {
  readonly method: string;
  /** `Request.url`, or what node:http has in its place. */
  readonly url: string;
  readonly headers: Pairs;
  readonly body: string;
  readonly remoteAddress: string | null | undefined;
  /** Of AJP only. */
  readonly info?: AjpHandlerInfo;
}

/** What a client got. */
interface Got {
  readonly status: string;
  readonly headers: Pairs;
  readonly body: string;
}

interface HttpServer {
  readonly port: number;
  close(): Promise<void>;
}

type Peers = Readonly<Record<HttpdModule, HttpdPeer>>;

let ajp: AjpServer;
let http: HttpServer;
/** One httpd a module, with the module's defaults. */
let plain: Peers;
const seen: Seen[] = [];

before(async () => {
  ajp = await serveAjp({
    port: 0,
    secret: SECRET,
    allowedRequestAttributesPattern: /colour|shade/,
  }, async (request, info) => {
    seen.push({
      method: info.method,
      url: request.url,
      headers: info.rawHeaders,
      body: await request.text(),
      remoteAddress: info.remoteAddr,
      info,
    });
    const { pathname } = new URL(request.url);
    const [status, headers, text] = reply(pathname);
    return new Response(
      request.method === "HEAD" ? null : text,
      {
        status,
        statusText: PHRASE,
        headers: [...headers] as [string, string][],
      },
    );
  });
  http = await serveHttp();
  if (!needsHttpd().skip) plain = await startAll();
});

after(async () => {
  if (plain !== undefined) await stopAll(plain);
  await ajp.close();
  await http.close();
});

/** What all handlers answer. */
function reply(path: string): [number, Pairs, string] {
  const text = "hello";
  return [path === "/odd" ? 299 : 200, [
    ["content-type", "text/plain"],
    ["content-length", `${text.length}`],
    ["set-cookie", "a=1"],
    ["set-cookie", "b=2"],
    ["date", "Thu, 01 Jan 1970 00:00:00 GMT"],
    ["server", "mine"],
  ], text];
}

function serveHttp(): Promise<HttpServer> {
  const server = createServer(async (request: IncomingMessage, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const { rawHeaders } = request;
    seen.push({
      method: request.method ?? "",
      url: request.url ?? "",
      headers: rawHeaders.flatMap((name, i) =>
        i % 2 === 0 ? [[name, rawHeaders[i + 1] ?? ""] as const] : []
      ),
      body,
      remoteAddress: request.socket.remoteAddress,
    });
    const [status, headers, text] = reply(request.url ?? "");
    const cookies = headers.filter(([name]) => name === "set-cookie");
    response.statusCode = status;
    response.statusMessage = PHRASE;
    for (const [name, value] of headers) response.setHeader(name, value);
    response.setHeader("set-cookie", cookies.map(([, value]) => value));
    response.end(request.method === "HEAD" ? undefined : text);
  });
  return listen(server);
}

function listen(
  server: ReturnType<typeof createSocketServer>,
): Promise<HttpServer> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      assert.ok(address !== null && typeof address === "object");
      const { port } = address;
      const close = () =>
        new Promise<void>((resolve) => server.close(() => resolve()));
      resolve({ port, close });
    });
  });
}

type Options = Partial<Record<HttpdModule, Partial<HttpdPeerOptions>>>;

async function startAll(
  common: Partial<HttpdPeerOptions> = {},
  own: Options = {},
): Promise<Peers> {
  const start = (module: HttpdModule) => {
    const port = module === "proxy_http" ? http.port : ajp.address.port;
    const extra = [...common.extra ?? [], ...own[module]?.extra ?? []];
    return HttpdPeer.start({
      module,
      port,
      secret: SECRET,
      ...common,
      ...own[module],
      extra,
    });
  };
  return {
    proxy_ajp: await start("proxy_ajp"),
    jk: await start("jk"),
    proxy_http: await start("proxy_http"),
  };
}

async function stopAll(peers: Peers): Promise<void> {
  for (const peer of Object.values(peers)) await peer.stop();
}

/** Sends lines as they are; httpd has to be told to close. */
async function ask(
  httpd: HttpdPeer,
  lines: readonly string[],
  body = "",
): Promise<{ seen: Seen | undefined; got: Got }> {
  seen.length = 0;
  const answer = await exchange(
    httpd.port,
    `${lines.join("\r\n")}\r\n\r\n${body}`,
  );
  assert.ok(seen.length <= 1);
  return { seen: seen[0], got: parseReply(answer) };
}

/** Latin-1 in both directions. */
function exchange(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let answer = "";
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => answer += chunk);
    socket.on("error", reject);
    socket.on("close", () => resolve(answer));
    socket.write(text, "latin1");
  });
}

/** The last reply: those of status 1xx come before it. */
function parseReply(text: string): Got {
  const rest = text.replace(/^(?:HTTP\/1\.1 1\d\d .*\r\n(?:.+\r\n)*\r\n)+/, "");
  const end = rest.indexOf("\r\n\r\n");
  const [status = "", ...lines] = rest.slice(0, end).split("\r\n");
  const headers = lines.map((line) => {
    const colon = line.indexOf(": ");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 2)] as const;
  });
  return { status, headers, body: rest.slice(end + 4) };
}

const HOST = "Host: shop.example:8080";
const CLOSE = "Connection: close";
const HOST_PAIR = ["host", "shop.example:8080"] as const;
/** What mod_proxy_http adds. */
const FORWARDED: Pairs = [
  ["X-Forwarded-For", "127.0.0.1"],
  ["X-Forwarded-Host", "shop.example:8080"],
  ["X-Forwarded-Server", "127.0.0.1"],
];
const KEEP_ALIVE = ["Connection", "Keep-Alive"] as const;

/** Asks all three for the same and gives what the handlers saw. */
async function askAll(
  lines: readonly string[],
  body = "",
  peers: Peers = plain,
): Promise<Record<HttpdModule, Seen>> {
  const all: Partial<Record<HttpdModule, Seen>> = {};
  for (const module of MODULES) {
    const result = await ask(peers[module], lines, body);
    assert.ok(result.seen !== undefined, `${module}: ${result.got.status}`);
    all[module] = result.seen;
  }
  return all as Record<HttpdModule, Seen>; // of each module, since MODULES has them all
}

test("header names, order and additions of a GET", needsHttpd(), async () => {
  const all = await askAll([
    "GET /x HTTP/1.1",
    "User-Agent: t",
    "X-One: 1",
    "x-one: 2",
    "Accept-Language: de",
    "Cookie: a=1",
    "Cookie: b=2",
    HOST,
    "X-Forwarded-For: 9.9.9.9",
    "X-Forwarded-Host: evil",
    CLOSE,
  ]);
  const sent = (language: string): Pairs => [
    ["user-agent", "t"],
    ["X-One", "1, 2"],
    [language, "de"],
    ["cookie", "a=1, b=2"],
    HOST_PAIR,
    ["X-Forwarded-For", "9.9.9.9"],
    ["X-Forwarded-Host", "evil"],
    ["connection", "close"],
  ];
  assert.deepEqual(all.proxy_ajp.headers, sent("accept-language"));
  assert.deepEqual(all.jk.headers, [
    ...sent("Accept-Language"),
    ["content-length", "0"],
  ]);
  assert.deepEqual(all.proxy_http.headers, [
    ["Host", "shop.example:8080"],
    ["User-Agent", "t"],
    ["X-One", "1, 2"],
    ["Accept-Language", "de"],
    ["Cookie", "a=1, b=2"],
    ["X-Forwarded-For", "9.9.9.9, 127.0.0.1"],
    ["X-Forwarded-Host", "evil, shop.example:8080"],
    ["X-Forwarded-Server", "127.0.0.1"],
    KEEP_ALIVE,
  ]);
});

test("headers of the client's connection", needsHttpd(), async () => {
  const all = await askAll([
    "GET /x HTTP/1.1",
    HOST,
    "Connection: close, x-hop",
    "X-Hop: 1",
    "Keep-Alive: 3",
    "TE: trailers",
    "Upgrade: h2c",
    "Trailer: x-t",
    "Max-Forwards: 5",
  ]);
  const sent = (forwards: string): Pairs => [
    HOST_PAIR,
    ["connection", "close, x-hop"],
    ["X-Hop", "1"],
    ["Keep-Alive", "3"],
    ["TE", "trailers"],
    ["Upgrade", "h2c"],
    ["Trailer", "x-t"],
    ["Max-Forwards", forwards],
  ];
  assert.deepEqual(all.proxy_ajp.headers, sent("4"));
  assert.deepEqual(all.jk.headers, [...sent("5"), ["content-length", "0"]]);
  assert.deepEqual(all.proxy_http.headers, [
    ["Host", "shop.example:8080"],
    ["Max-Forwards", "4"],
    ...FORWARDED,
    KEEP_ALIVE,
  ]);
});

test("a body with a length, chunked, and with both", needsHttpd(), async () => {
  const post = ["POST /x HTTP/1.1", HOST];
  const length = await askAll([...post, "Content-Length: 3", CLOSE], "abc");
  for (const module of ["proxy_ajp", "jk"] as const) {
    assert.deepEqual(length[module].headers, [
      HOST_PAIR,
      ["content-length", "3"],
      ["connection", "close"],
    ]);
  }
  assert.deepEqual(length.proxy_http.headers, [
    ["Host", "shop.example:8080"],
    ...FORWARDED,
    ["Content-Length", "3"],
    KEEP_ALIVE,
  ]);

  const chunks = "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  const chunked = await askAll([
    ...post,
    "Transfer-Encoding: chunked",
    "Expect: 100-continue",
    CLOSE,
  ], chunks);
  // No length is known when the handler is called, and nothing says so but this header.
  for (const module of ["proxy_ajp", "jk"] as const) {
    assert.deepEqual(chunked[module].headers, [
      HOST_PAIR,
      ["Transfer-Encoding", "chunked"],
      ["Expect", "100-continue"],
      ["connection", "close"],
    ]);
  }
  assert.deepEqual(chunked.proxy_http.headers, [
    ["Host", "shop.example:8080"],
    ["Expect", "100-continue"],
    ...FORWARDED,
    ["Content-Length", "5"],
    KEEP_ALIVE,
  ]);

  const both = await askAll([
    ...post,
    "Content-Length: 1",
    "Transfer-Encoding: chunked",
    CLOSE,
  ], chunks);
  for (const module of MODULES) {
    assert.equal(length[module].body, "abc");
    assert.equal(chunked[module].body, "abcde");
    // httpd believes the chunks, and no module passes the wrong length on.
    assert.equal(both[module].body, "abcde");
    const lengths = both[module].headers
      .filter(([name]) => name.toLowerCase() === "content-length");
    const expected = module === "proxy_http" ? [["Content-Length", "5"]] : [];
    assert.deepEqual(lengths, expected);
  }
});

test("httpd cleans paths for all three alike", needsHttpd(), async () => {
  const paths = {
    "/a%20b": "/a%20b",
    "/a;jsessionid=1.n1/b": "/a;jsessionid=1.n1/b",
    "//a//b": "/a/b",
    "/a/./b/../c": "/a/c",
    "/%7Ea%41%3b": "/~aA;",
    "/x|y{z}": "/x%7Cy%7Bz%7D",
    "/a%5Cb": "/a%5Cb",
    "/a\\b": "/a%5Cb",
    "/a%25b": "/a%25b",
    "/a%252Fb": "/a%252Fb",
    "/%c3%a9": "/%C3%A9",
    "/a%2e%2e/b": "/a../b",
    "/a%3Fb%23c": "/a%3Fb%23c",
    "/a+b": "/a+b",
  };
  for (const [path, expected] of Object.entries(paths)) {
    const all = await askAll([`GET ${path} HTTP/1.1`, HOST, CLOSE]);
    for (const module of ["proxy_ajp", "jk"] as const) {
      const url = `http://shop.example:8080${expected}`;
      assert.equal(all[module].url, url, `${module} ${path}`);
      assert.equal(all[module].info?.uri, expected);
    }
    assert.equal(all.proxy_http.url, expected, path);
  }
  for (const module of MODULES) {
    const lines = ["GET /a%2Fb HTTP/1.1", HOST, CLOSE];
    const { got, seen } = await ask(plain[module], lines);
    assert.equal(got.status, "HTTP/1.1 404 Not Found");
    assert.equal(seen, undefined);
  }
});

test(
  "paths with %2F, and paths as the client sent them",
  needsHttpd(),
  async () => {
    const path = "/a%2Fb//c/../d%20e;p=1";
    const backend = {
      proxy_ajp: `ajp://127.0.0.1:${ajp.address.port}/" secret=${SECRET}`,
      proxy_http: `http://127.0.0.1:${http.port}/"`,
    };
    const decoded = await startAll({ extra: ["AllowEncodedSlashes NoDecode"] });
    const raw = await startAll({ extra: ["AllowEncodedSlashes NoDecode"] }, {
      proxy_ajp: { snippet: `ProxyPass "/" "${backend.proxy_ajp} nocanon\n` },
      jk: { jkOptions: ["+ForwardURICompatUnparsed"] },
      proxy_http: { snippet: `ProxyPass "/" "${backend.proxy_http} nocanon\n` },
    });
    try {
      const lines = [`GET ${path} HTTP/1.1`, HOST, CLOSE];
      const cleaned = await askAll(lines, "", decoded);
      assert.equal(cleaned.proxy_ajp.info?.uri, "/a%2Fb/d%20e;p=1");
      assert.equal(cleaned.jk.info?.uri, "/a%252Fb/d%20e;p=1");
      assert.equal(cleaned.proxy_http.url, "/a%2Fb/d%20e;p=1");
      const sent = await askAll(lines, "", raw);
      assert.equal(sent.proxy_ajp.info?.uri, path);
      assert.equal(sent.jk.info?.uri, path);
      assert.equal(sent.proxy_http.url, path);
      // A `Request` resolves dots by itself.
      const url = "http://shop.example:8080/a%2Fb//d%20e;p=1";
      assert.equal(sent.proxy_ajp.url, url);
      assert.equal(sent.jk.url, url);
    } finally {
      await stopAll(decoded);
      await stopAll(raw);
    }
  },
);

test("a query is passed on byte by byte", needsHttpd(), async () => {
  const query = "q=%2F+%20%zz;..//|\xe9&r";
  const lines = [`GET /x?${query} HTTP/1.1`, HOST, CLOSE];
  for (const module of ["proxy_ajp", "jk"] as const) {
    const { seen } = await ask(plain[module], lines);
    assert.equal(seen?.info?.query, query, module);
    const { search } = new URL(seen!.url); // asserted above
    assert.equal(search, "?q=%2F+%20%zz;..//|%E9&r");
  }
  // An HTTP server may refuse such bytes, so one that takes everything stands in for it.
  let line = "";
  const server = createSocketServer((socket) => {
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => {
      line = chunk.slice(0, chunk.indexOf("\r\n"));
      socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
  });
  const capture = await listen(server);
  {
    await using httpd = await HttpdPeer.start({
      module: "proxy_http",
      port: capture.port,
    });
    await exchange(httpd.port, `${lines.join("\r\n")}\r\n\r\n`);
  }
  await capture.close();
  assert.equal(line, `GET /x?${query} HTTP/1.1`);
});

test(
  "who asks, by which protocol, for which server",
  needsHttpd(),
  async () => {
    const all = await askAll(["GET /x HTTP/1.0", HOST]);
    for (const module of MODULES) {
      assert.match(all[module].remoteAddress ?? "", /127\.0\.0\.1$/);
    }
    for (const module of ["proxy_ajp", "jk"] as const) {
      const { info } = all[module];
      assert.equal(info?.protocol, "HTTP/1.0");
      assert.equal(info?.serverName, "shop.example");
      assert.equal(info?.localAddr, "127.0.0.1");
      assert.ok((info?.remotePort ?? 0) > 0);
      assert.equal(info?.isSsl, false);
    }
    assert.equal(all.proxy_ajp.info?.serverPort, plain.proxy_ajp.port);
    assert.equal(all.jk.info?.serverPort, 8080); // that of the Host header
    assert.equal(all.proxy_ajp.info?.lbActivation, null);
    assert.equal(all.jk.info?.lbActivation, "ACT");
    const other = await askAll(["GET http://other/x HTTP/1.1", HOST, CLOSE]);
    assert.equal(other.proxy_ajp.url, "http://other/x");
    assert.equal(other.jk.url, "http://other/x");
    assert.deepEqual(other.proxy_http.headers[0], ["Host", "other"]);
  },
);

test("TLS and environment variables", needsHttpd(), async () => {
  const extra = ["SetEnv AJP_colour blue", "SetEnv shade dark"];
  const peers = await startAll({ tls: true, extra }, {
    jk: { extra: ["JkEnvVar shade"] },
  });
  try {
    const all: Partial<Record<HttpdModule, Seen>> = {};
    for (const module of MODULES) {
      await overTls(peers[module], "/x");
      all[module] = seen.at(-1)!; // overTls has seen to it
    }
    for (const module of ["proxy_ajp", "jk"] as const) {
      const { info, url } = all[module]!; // filled above
      assert.equal(url, `${peers[module].url}/x`);
      assert.match(url, /^https:/);
      assert.equal(info?.isSsl, true);
      assert.match(info?.sslProtocol ?? "", /^TLSv1\.[23]$/);
      assert.match(info?.sslCipher ?? "", /AES|CHACHA/);
      assert.ok((info?.sslKeySize ?? 0) >= 128);
      assert.match(info?.sslCert ?? "", /^-----BEGIN CERTIFICATE-----/);
    }
    const attributes = (module: HttpdModule) => [
      ...all[module]?.info?.requestAttributes ?? [],
    ];
    assert.deepEqual(attributes("proxy_ajp"), [["colour", "blue"]]);
    assert.deepEqual(attributes("jk"), [["shade", "dark"]]);
    // By HTTP the handler learns nothing of TLS, unless httpd is told to set headers.
    const names = all.proxy_http?.headers.map(([name]) => name.toLowerCase());
    assert.equal(
      names?.some((name) => /proto|ssl|colour|shade/.test(name)),
      false,
    );
  } finally {
    await stopAll(peers);
  }
});

test("TLS without SSLOptions", needsHttpd(), async () => {
  const extra = ["SSLOptions -StdEnvVars -ExportCertData"];
  const peers = await startAll({ tls: true, extra });
  try {
    for (const module of ["proxy_ajp", "jk"] as const) {
      await overTls(peers[module], "/x");
      const info = seen.at(-1)?.info;
      assert.equal(info?.isSsl, true);
      for (
        const detail of [info?.sslProtocol, info?.sslCipher, info?.sslCert]
      ) {
        assert.equal(typeof detail === "string", module === "proxy_ajp");
      }
    }
  } finally {
    await stopAll(peers);
  }
});

test("TRACE", needsHttpd(), async () => {
  const lines = ["TRACE /x HTTP/1.1", HOST, CLOSE];
  const ours = await ask(plain.proxy_ajp, lines);
  assert.equal(ours.got.status, "HTTP/1.1 501 501");
  const theirs = await ask(plain.jk, lines);
  assert.equal(theirs.got.status, "HTTP/1.1 200 OK");
  assert.match(theirs.got.body, /TRACE \/x HTTP\/1\.1/);
  const handled = await ask(plain.proxy_http, lines);
  assert.equal(handled.seen?.method, "TRACE");
  assert.equal(ours.seen ?? theirs.seen, undefined);
});

test("a response on its way to the client", needsHttpd(), async () => {
  const trusting = await startAll({ trustContentLength: true });
  try {
    for (const method of ["GET", "HEAD"]) {
      const lines = [`${method} /odd HTTP/1.1`, HOST, CLOSE];
      const chunked = { "transfer-encoding": "chunked" };
      const length = { "content-length": "5" };
      const got = {
        proxy_ajp: (await ask(plain.proxy_ajp, lines)).got,
        jk: (await ask(plain.jk, lines)).got,
        proxy_http: (await ask(plain.proxy_http, lines)).got,
        trusting: (await ask(trusting.proxy_ajp, lines)).got,
      };
      const framing = (headers: Pairs) =>
        Object.fromEntries(
          headers.filter(([name]) =>
            /^(?:content-length|transfer-encoding)$/.test(name)
          ),
        );
      assert.deepEqual(
        framing(got.proxy_ajp.headers),
        method === "HEAD" ? {} : chunked,
      );
      for (const name of ["jk", "proxy_http", "trusting"] as const) {
        assert.deepEqual(framing(got[name].headers), length, name);
      }
      // AJP has the number as its phrase, as Tomcat does.
      assert.equal(got.proxy_ajp.status, "HTTP/1.1 299 299");
      assert.equal(got.jk.status, "HTTP/1.1 299 299");
      assert.equal(got.proxy_http.status, `HTTP/1.1 299 ${PHRASE}`);
      const values = (reply: Got, wanted: string) =>
        reply.headers.flatMap(([name, value]) =>
          name === wanted ? [value] : []
        );
      for (const reply of Object.values(got)) {
        assert.deepEqual(values(reply, "set-cookie"), ["a=1", "b=2"]);
        assert.deepEqual(values(reply, "connection"), ["close"]);
      }
      for (const name of ["proxy_ajp", "proxy_http"] as const) {
        const date = "Thu, 01 Jan 1970 00:00:00 GMT";
        assert.deepEqual(values(got[name], "date"), [date]);
        assert.deepEqual(values(got[name], "server"), ["mine"]);
      }
      assert.match(values(got.jk, "date").join(), / 20\d\d /);
      assert.match(values(got.jk, "server").join(), /^Apache.* mod_jk\//);
    }
  } finally {
    await stopAll(trusting);
  }
});

/** Asks over TLS with a client certificate. */
function overTls(httpd: HttpdPeer, path: string): Promise<void> {
  seen.length = 0;
  return new Promise((resolve, reject) => {
    const { certificate } = httpd;
    const request = httpsRequest(`${httpd.url}${path}`, {
      agent: false,
      ca: certificate,
      cert: certificate,
      key: httpd.key,
    }, (response) => {
      response.resume();
      response.on("error", reject);
      response.on("end", () => {
        if (seen.length === 1) resolve();
        else reject(new Error(`${response.statusCode}\n${httpd.log}`));
      });
    });
    request.on("error", reject);
    request.end();
  });
}
