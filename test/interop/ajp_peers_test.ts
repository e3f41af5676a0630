/** The AJP peers themselves: httpd in front of Tomcat, what the interop tests of our gateway stand on. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import { test } from "node:test";
import { httpLoad } from "../support/http_load.ts";
import {
  type HttpdModule,
  HttpdPeer,
  jkSnippet,
  needsHttpd,
  proxyAjpSnippet,
  proxyHttpSnippet,
  workersProperties,
} from "../support/httpd_peer.ts";
import {
  type EchoReply,
  needsTomcat,
  TomcatPeer,
  type UploadReply,
} from "../support/tomcat_peer.ts";

const TIMEOUT = 60_000;
const SECRET = "a-secret-of-the-test";
const AJP_MODULES = ["proxy_ajp", "jk"] as const;
const BODY = pattern(100_000);

test("proxyAjpSnippet() and proxyHttpSnippet() print what was asked for", () => {
  assert.equal(
    proxyAjpSnippet(),
    'ProxyPass "/" "ajp://127.0.0.1:8009/"\n',
  );
  assert.equal(
    proxyAjpSnippet({
      path: "/app/",
      secret: "s",
      packetSize: 65536,
      requestFieldSize: 32768,
      connectTimeout: 5000,
      replyTimeout: 60_000,
      ping: 1500,
      retry: 500,
      disableReuse: true,
      flushPackets: true,
      trustContentLength: true,
      parameters: { max: 10 },
    }),
    "SetEnv ap_trust_cgilike_cl 1\nProxyIOBufferSize 65536\nLimitRequestFieldSize 32768\n" +
      'ProxyPass "/app/" "ajp://127.0.0.1:8009/app/" secret=s connectiontimeout=5 timeout=60 ' +
      "ping=1500ms retry=1 disablereuse=On flushpackets=On max=10\n",
  );
  assert.equal(
    proxyHttpSnippet({ port: 8080 }),
    'ProxyPreserveHost On\nProxyPass "/" "http://127.0.0.1:8080/"\n',
  );
});

test("jkSnippet() and workersProperties() print what was asked for", () => {
  assert.equal(
    jkSnippet({ path: "/app", jkOptions: ["+ForwardURIEscaped"] }),
    'JkWorkersFile "/etc/libapache2-mod-jk/workers.properties"\n' +
      'JkShmFile "/var/log/apache2/jk-runtime-status"\n' +
      'JkLogFile "/var/log/apache2/mod_jk.log"\n' +
      "JkLogLevel info\nJkOptions +ForwardURIEscaped\n" +
      'JkMount "/app/*" tribes\n',
  );
  assert.equal(
    workersProperties({
      secret: "s",
      packetSize: 65536,
      ping: 1000,
      retries: 1,
    }),
    "worker.list=tribes\nworker.tribes.type=ajp13\n" +
      "worker.tribes.host=127.0.0.1\nworker.tribes.port=8009\n" +
      "worker.tribes.secret=s\nworker.tribes.max_packet_size=65536\n" +
      "worker.tribes.ping_mode=A\nworker.tribes.ping_timeout=1000\n" +
      "worker.tribes.retries=1\n",
  );
});

for (const module of AJP_MODULES) {
  test(`Tomcat answers through ${module}`, needsBoth(), async () => {
    await using tomcat = await TomcatPeer.start({ secret: SECRET });
    await using httpd = await HttpdPeer.start({
      module,
      port: tomcat.ajpPort,
      secret: SECRET,
      ping: 5000,
      trustContentLength: true,
    });
    await answers(httpd, module);
    await httpd.restart("graceful");
    await answers(httpd, module);
    await httpd.restart("hard");
    await answers(httpd, module);
    const { open, requests } = await tomcat.connections();
    assert.ok(open >= 1);
    assert.equal(requests, 9);

    for (const secret of ["wrong", undefined]) {
      await using refused = await HttpdPeer.start({
        module,
        port: tomcat.ajpPort,
        ...(secret === undefined ? {} : { secret }),
      });
      const response = await fetch(`${refused.url}/echo`);
      await response.text();
      assert.equal(response.status, 403, refused.log);
    }
    assert.equal((await tomcat.connections()).requests, 9);
    await httpd.stop();
    await tomcat.stop();
    assert.equal(tomcat.events.at(-1)?.event, "stopped");
  });

  test(
    `Tomcat sees TLS and large packets through ${module}`,
    needsBoth(),
    async () => {
      await using tomcat = await TomcatPeer.start({
        secret: SECRET,
        packetSize: 65536,
        allowedRequestAttributesPattern: "colour",
      });
      await using httpd = await HttpdPeer.start({
        module,
        mpm: "prefork",
        port: tomcat.ajpPort,
        secret: SECRET,
        packetSize: 65536,
        requestFieldSize: 40_000,
        tls: true,
        extra: module === "jk"
          ? ["SetEnv colour blue", "JkEnvVar colour"]
          : ["SetEnv AJP_colour blue"],
      });
      const echo = await echoOverTls(httpd, "/echo?attribute=colour", {
        "x-large": "x".repeat(30_000),
      });
      assert.equal(echo.secure, true);
      assert.equal(echo.scheme, "https");
      assert.match(echo.ssl.cipher ?? "", /AES|CHACHA/);
      assert.match(echo.ssl.protocol ?? "", /^TLSv1\./);
      assert.deepEqual(echo.ssl.subjects, ["CN=127.0.0.1"]);
      assert.deepEqual(echo.attributes, { colour: "blue" });
      const large = echo.headers.find(([name]) => name === "x-large");
      assert.equal(large?.[1].length, 30_000);
    },
  );
}

test(
  "Tomcat answers through proxy_http and without httpd",
  needsBoth(),
  async () => {
    await using tomcat = await TomcatPeer.start({
      http: { maxKeepAliveRequests: -1 },
    });
    await using httpd = await HttpdPeer.start({
      module: "proxy_http",
      port: tomcat.httpPort,
    });
    await answers(httpd, "proxy_http");
    for (const url of [httpd.url, tomcat.url]) {
      const result = await httpLoad(`${url}/bytes?size=1024`, {
        requests: 200,
        concurrency: 8,
        warmUp: 20,
        expectBytes: 1024,
      });
      assert.equal(result.bytes, 200 * 1024);
      assert.equal(result.connections, 8);
      assert.ok(result.p50Micros <= result.p99Micros);
      assert.ok(result.p99Micros <= result.maxMicros);
    }
  },
);

test(
  "the pages of TomcatPeer do what its table says",
  needsTomcat(TIMEOUT),
  async () => {
    await using tomcat = await TomcatPeer.start({ http: true });
    const { url } = tomcat;
    const post = { method: "POST", body: BODY };

    const cookies = await fetch(`${url}/cookies`);
    assert.equal(await cookies.text(), "cookies");
    assert.deepEqual(
      cookies.headers.getSetCookie().map((cookie) => cookie.split(";")[0]),
      ["first=first-value", "second=second-value", "third=third-value"],
    );
    const status = await fetch(`${url}/status?code=418`);
    assert.deepEqual([status.status, await status.text()], [418, "status 418"]);
    const empty = await fetch(`${url}/status?code=204`);
    assert.deepEqual([empty.status, await empty.text()], [204, ""]);
    const sent = await fetch(`${url}/status?code=409&error=true`);
    assert.equal(sent.status, 409);
    assert.match(await sent.text(), /Apache Tomcat/);
    const thrown = await fetch(`${url}/error`);
    assert.equal(thrown.status, 500);
    assert.match(await thrown.text(), /Thrown by the page/);
    const cut = await fetch(`${url}/error?after=100`).then((response) =>
      response.arrayBuffer()
    ).then(() => false, () => true);
    assert.equal(cut, true);
    const header = await fetch(`${url}/header?size=1000`);
    assert.equal(await header.text(), "header");
    assert.equal(header.headers.get("x-large"), "x".repeat(1000));
    const slow = await fetch(`${url}/slow?ms=1`);
    assert.equal(await slow.text(), "slow");
    const ignore = await fetch(`${url}/ignore`, post);
    assert.equal(await ignore.text(), "ignored");
    const copy = await fetch(`${url}/copy`, post);
    assert.equal(sha256(await copy.bytes()), sha256(BODY));
    const pieces = await fetch(
      `${url}/bytes?size=5000&chunk=1000&flush=true&length=false`,
    );
    assert.equal(pieces.headers.get("content-length"), null);
    assert.equal(sha256(await pieces.bytes()), sha256(pattern(5000)));
    const part = await fetch(
      `${url}/upload?chunk=1000&delay=1&stop=2500`,
      post,
    );
    assert.deepEqual(await part.json() as UploadReply, {
      contentLength: BODY.length,
      bytes: 2500,
      sha256: sha256(pattern(2500)),
    });
    const unread = await fetch(`${url}/echo?read=false`, post);
    assert.equal((await unread.json() as EchoReply).bytes, 0);
    assert.equal(await fetch(`${url}/none`).then(statusOf), 404);
    await tomcat.pause();
    await tomcat.resume();
  },
);

test(
  "TomcatPeer.start() tells what is wrong, and aborted uploads",
  needsTomcat(TIMEOUT),
  async () => {
    await assert.rejects(
      TomcatPeer.start({ ajp: { nonsense: 1 } }),
      /has no attribute nonsense/,
    );
    await assert.rejects(TomcatPeer.start({ release: "9.0" }), RangeError);
    await using tomcat = await TomcatPeer.start({ http: true });
    await assert.rejects(
      TomcatPeer.start({ port: tomcat.ajpPort }),
      /Address already in use/,
    );
    const socket = connect(tomcat.httpPort, "127.0.0.1");
    socket.end(
      "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nshort",
    );
    const { path } = await tomcat.waitForEvent("aborted");
    assert.equal(path, "/upload");
    socket.destroy();
  },
);

test("HttpdPeer.start() tells what is wrong", needsHttpd(TIMEOUT), async () => {
  await assert.rejects(
    HttpdPeer.start({ module: "jk", port: 1, extra: ["Nonsense On"] }),
    /Invalid command 'Nonsense'/,
  );
});

test("httpLoad() rejects an unexpected reply", async () => {
  const server = createServer((_request, response) => {
    response.statusCode = 404;
    response.end();
  });
  await new Promise<void>((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve())
  );
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  await assert.rejects(
    httpLoad(`http://127.0.0.1:${address.port}/`, {
      requests: 20,
      concurrency: 2,
    }),
    /gave 404/,
  );
  await new Promise<void>((resolve) => server.close(() => resolve()));
});

/** Three requests: what arrives, an upload, a download. */
async function answers(httpd: HttpdPeer, module: HttpdModule): Promise<void> {
  const echoed = await fetch(`${httpd.url}/echo?a=%20b&attribute=none`, {
    method: "PATCH",
    headers: { "x-test": "1" },
  });
  assert.equal(echoed.status, 200, httpd.log);
  const echo = await echoed.json() as EchoReply;
  assert.equal(echo.method, "PATCH");
  assert.equal(echo.uri, "/echo");
  assert.equal(echo.query, "a=%20b&attribute=none");
  assert.equal(echo.serverPort, httpd.port);
  assert.deepEqual(echo.attributes, { none: null });
  const headers = new Map(echo.headers);
  assert.equal(headers.get("host"), new URL(httpd.url).host);
  assert.equal(headers.get("x-test"), "1");
  assert.equal(headers.has("x-forwarded-for"), module === "proxy_http");

  const uploaded = await fetch(`${httpd.url}/upload`, {
    method: "POST",
    body: BODY,
  });
  assert.deepEqual(await uploaded.json() as UploadReply, {
    contentLength: BODY.length,
    bytes: BODY.length,
    sha256: sha256(BODY),
  });

  const downloaded = await fetch(`${httpd.url}/bytes?size=${BODY.length}`);
  assert.equal(downloaded.headers.get("content-length"), `${BODY.length}`);
  assert.equal(sha256(await downloaded.bytes()), sha256(BODY));
}

function echoOverTls(
  httpd: HttpdPeer,
  path: string,
  headers: Record<string, string>,
): Promise<EchoReply> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest(`${httpd.url}${path}`, {
      agent: false,
      ca: httpd.certificate,
      cert: httpd.certificate,
      key: httpd.key,
      headers,
    }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => text += chunk);
      response.on("error", reject);
      response.on("end", () => {
        if (response.statusCode === 200) resolve(JSON.parse(text));
        else reject(new Error(`${response.statusCode} ${text}\n${httpd.log}`));
      });
    });
    request.on("error", reject);
    request.end();
  });
}

function needsBoth(): { skip: boolean; timeout: number } {
  const { skip } = needsHttpd();
  return skip ? { skip, timeout: TIMEOUT } : needsTomcat(TIMEOUT);
}

async function statusOf(response: Response): Promise<number> {
  await response.arrayBuffer();
  return response.status;
}

/** Byte i is `i & 255`, as the page `/bytes` sends them. */
function pattern(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length).map((_, i) => i & 255);
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
