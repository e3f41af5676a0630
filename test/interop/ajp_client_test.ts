// Our client against the AJP connector of a real Tomcat.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import {
  AjpClient,
  type AjpClientOptions,
  AjpError,
  type AjpRequestInit,
} from "../../gateway/node.ts";
import {
  ajpError,
  chunks,
  countingBytes,
} from "../support/ajp_client_network.ts";
import {
  type EchoReply,
  needsTomcat,
  TomcatPeer,
  type TomcatPeerOptions,
  type UploadReply,
} from "../support/tomcat_peer.ts";

const SECRET = "Xk3v9sQb7LmR2wTz8NfJ4hYc6DpG5aUe";
const SIZES = [0, 1, 8186, 8187, 16_372, 100_000];
const METHODS = [
  ...["OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "PROPFIND"],
  ...["PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "ACL", "REPORT"],
  ...["VERSION-CONTROL", "CHECKIN", "CHECKOUT", "UNCHECKOUT", "SEARCH"],
  ...["MKWORKSPACE", "UPDATE", "LABEL", "MERGE", "BASELINE-CONTROL"],
  ...["MKACTIVITY", "PATCH", "BREW"],
];

/** Runs a test with a Tomcat and a client that knows its secret. */
async function withTomcat(
  test: (client: AjpClient, tomcat: TomcatPeer) => Promise<void>,
  options: TomcatPeerOptions = {},
  clientOptions: AjpClientOptions = {},
): Promise<void> {
  await using tomcat = await TomcatPeer.start({ secret: SECRET, ...options });
  await using client = new AjpClient(`ajp://127.0.0.1:${tomcat.ajpPort}`, {
    secret: SECRET,
    ...clientOptions,
  });
  await test(client, tomcat);
}

async function echo(
  client: AjpClient,
  path: string,
  init?: AjpRequestInit,
): Promise<EchoReply> {
  const response = await client.fetch(path, init);
  assert.equal(response.status, 200);
  return await response.json();
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

test("AjpClient.fetch() sends Tomcat every method", needsTomcat(), async () => {
  await withTomcat(async (client) => {
    for (const method of METHODS) {
      const response = await client.fetch("/echo?x=1", { method });
      assert.equal(response.status, 200, method);
      if (method === "HEAD") assert.equal(response.body, null);
      else assert.equal((await response.json()).method, method);
    }
  }, { ajp: { allowTrace: true } });
});

test(
  "AjpClient.fetch() sends Tomcat path, query, headers, cookies and what AJP adds",
  needsTomcat(),
  async () => {
    await withTomcat(async (client) => {
      const query = "a=%20%C3%A9&attribute=colour&attribute=JK_LB_ACTIVATION";
      const echoed = await echo(
        client,
        `https://shop.example/echo;v=1?${query}`,
        {
          headers: [
            ["Cookie", "a=1"],
            ["cookie", "b=2"],
            ["X-Two", "1"],
            ["x-two", "2"],
            ["X-Latin", "\xe9"],
            ["Accept-Language", "de"],
          ],
          ajp: {
            remoteAddr: "192.0.2.7",
            remotePort: 4711,
            localAddr: "192.0.2.9",
            remoteUser: "jo",
            authType: "BASIC",
            sslCipher: "TLS_AES_128_GCM_SHA256",
            sslKeySize: 128,
            sslSession: "0a0b",
            sslProtocol: "TLSv1.3",
            jvmRoute: "node1",
            lbActivation: "DIS",
            attributes: { colour: "green" },
          },
        },
      );
      assert.equal(echoed.uri, "/echo;v=1");
      assert.equal(echoed.query, query);
      assert.equal(echoed.scheme, "https");
      assert.equal(echoed.secure, true);
      assert.equal(echoed.serverName, "shop.example");
      assert.equal(echoed.serverPort, 443);
      assert.equal(echoed.remoteAddr, "192.0.2.7");
      assert.equal(echoed.remotePort, 4711);
      assert.equal(echoed.localAddr, "192.0.2.9");
      assert.equal(echoed.remoteUser, "jo");
      assert.equal(echoed.authType, "BASIC");
      assert.deepEqual(echoed.headers, [
        ["host", "shop.example"],
        ["x-two", "1"],
        ["x-two", "2"],
        ["x-latin", "\xe9"],
        ["accept-language", "de"],
        ["cookie", "a=1; b=2"],
      ]);
      assert.deepEqual(echoed.ssl, {
        cipher: "TLS_AES_128_GCM_SHA256",
        keySize: 128,
        session: "0a0b",
        protocol: "TLSv1.3",
        subjects: [],
      });
      assert.deepEqual(echoed.attributes, {
        colour: "green",
        JK_LB_ACTIVATION: "DIS",
      });
    }, {
      tomcatAuthentication: false,
      allowedRequestAttributesPattern: "colour",
    });
  },
);

test(
  "AjpClient.fetch() tells Tomcat its own address without another",
  needsTomcat(),
  async () => {
    await withTomcat(async (client, tomcat) => {
      const echoed = await echo(client, "/echo");
      assert.equal(echoed.remoteAddr, "127.0.0.1");
      assert(echoed.remotePort > 0);
      assert.equal(echoed.serverName, "127.0.0.1");
      assert.equal(echoed.serverPort, tomcat.ajpPort);
      assert.equal(echoed.secure, false);
      assert.equal(echoed.query, null);
    });
  },
);

for (const size of SIZES) {
  test(
    `AjpClient.fetch() uploads ${size} bytes to Tomcat, and downloads as many`,
    needsTomcat(),
    async () => {
      await withTomcat(async (client) => {
        const body = countingBytes(size);
        const kinds: readonly (readonly [AjpRequestInit, length: number])[] = [
          [{ body }, size],
          [{ body: new Blob([body]) }, size],
          [{ body: chunks(body) }, -1],
          [{
            body: chunks(body.subarray(0, 1), body.subarray(1)),
            headers: { "content-length": String(size) },
          }, size],
        ];
        for (const [init, contentLength] of kinds) {
          const response = await client.fetch("/upload", {
            method: "POST",
            ...init,
          });
          const got: UploadReply = await response.json();
          assert.equal(got.bytes, size);
          assert.equal(got.sha256, sha256(body));
          assert.equal(got.contentLength, contentLength);
        }
        for (const query of ["", "&length=false", "&chunk=1000&flush=true"]) {
          const response = await client.fetch(`/bytes?size=${size}${query}`);
          const got = new Uint8Array(await response.arrayBuffer());
          assert.deepEqual(got, body);
        }
        const copy = await client.fetch("/copy", { method: "PUT", body });
        assert.deepEqual(new Uint8Array(await copy.arrayBuffer()), body);
        assert.equal(client.state.idle, 1); // one connection did it all
      });
    },
  );
}

test(
  "AjpClient.fetch() sends Tomcat forms that a servlet can read",
  needsTomcat(),
  async () => {
    await withTomcat(async (client) => {
      const form = new FormData();
      form.set("a", "1");
      form.set("file", new Blob(["content"]), "Name.txt");
      const sent = await echo(client, "/echo", { method: "POST", body: form });
      assert.match(sent.contentType ?? "", /^multipart\/form-data; boundary=/);
      assert.equal(sent.contentLength, sent.bytes);
      const body = new URLSearchParams({ q: "\xe9 &" });
      const other = await echo(client, "/echo", { method: "POST", body });
      assert.match(other.contentType ?? "", /^application\/x-www-form-url/);
      assert.equal(other.sha256, sha256(new TextEncoder().encode(`${body}`)));
    });
  },
);

test(
  "AjpClient.fetch() sends and gets headers of 7 KiB, and of 60 KiB in packets of 64 KiB",
  needsTomcat(),
  async () => {
    for (
      const [packetSize, size] of [[8192, 7168], [65_536, 60_000]] as const
    ) {
      await withTomcat(
        async (client) => {
          const value = "x".repeat(size);
          const echoed = await echo(client, "/echo", {
            method: "POST",
            headers: { "x-long": value },
            body: new Uint8Array(200_000),
          });
          assert.equal(echoed.bytes, 200_000);
          const long = echoed.headers.find(([name]) => name === "x-long");
          assert.equal(long?.[1], value);
          const response = await client.fetch(`/header?size=${size}`);
          assert.equal(response.headers.get("x-large")?.length, size);
          await response.text();
          await assert.rejects(
            client.fetch("/", {
              headers: { "x-long": "x".repeat(packetSize) },
            }),
            ajpError("too-large", false),
          );
        },
        { packetSize },
        { packetSize },
      );
    }
  },
);

test(
  "AjpClient.fetch() times out where Tomcat sends nothing, for headers beyond its packet",
  needsTomcat(),
  async () => {
    await withTomcat(
      async (client) => {
        await assert.rejects(
          client.fetch("/header?size=9000"),
          ajpError("timeout", true),
        );
        await echo(client, "/echo");
      },
      {},
      { replyTimeout: 500 },
    );
  },
);

test(
  "AjpClient.fetch() gets Tomcat's cookies and statuses",
  needsTomcat(),
  async () => {
    await withTomcat(async (client) => {
      const response = await client.fetch("/cookies");
      assert.deepEqual(
        response.headers.getSetCookie().map((cookie) => cookie.split(";")[0]),
        ["first=first-value", "second=second-value", "third=third-value"],
      );
      assert.equal(await response.text(), "cookies");
      for (const status of [201, 204, 205, 302, 304, 404, 500, 503]) {
        const response = await client.fetch(`/status?code=${status}`);
        assert.equal(response.status, status);
        await response.arrayBuffer();
      }
      const page = await client.fetch("/status?code=404&error=true");
      assert.match(await page.text(), /404/);
    });
  },
);

test(
  "AjpClient.fetch() is let in with the right secret only",
  needsTomcat(),
  async () => {
    await withTomcat(async (client, tomcat) => {
      await echo(client, "/echo");
      for (const secret of [null, `${SECRET}x`, SECRET.toLowerCase()]) {
        await using stranger = new AjpClient(
          `ajp://127.0.0.1:${tomcat.ajpPort}`,
          { secret },
        );
        const response = await stranger.fetch("/echo");
        assert.equal(response.status, 403);
        await response.text();
        assert.equal(stranger.state.idle, 0); // Tomcat said to close it
        assert(await stranger.ping() > 0); // which needs none
      }
      const attributes = { unknown: "x" };
      const response = await client.fetch("/echo", { ajp: { attributes } });
      assert.equal(response.status, 403);
    });
  },
);

test(
  "AjpClient.fetch() serves 100 at the same time",
  needsTomcat(),
  async () => {
    await withTomcat(
      async (client, tomcat) => {
        const all = Array.from({ length: 100 }, async (_, i) => {
          const body = countingBytes(1000 + 300 * i);
          const response = await client.fetch(`/copy?${i}`, {
            method: "POST",
            body: i % 2 === 0 ? body : chunks(body),
          });
          assert.deepEqual(new Uint8Array(await response.arrayBuffer()), body);
        });
        await Promise.all(all);
        const { open, requests } = await tomcat.connections();
        assert.equal(requests, 100);
        assert(open <= 21, `${open} connections`);
      },
      {},
      { maxConnections: 20 },
    );
  },
);

test(
  "AjpClient pings Tomcat, and one that has stopped",
  needsTomcat(),
  async () => {
    await withTomcat(
      async (client, tomcat) => {
        for (let i = 0; i < 3; i++) assert(await client.ping() < 5000);
        tomcat.kill("SIGSTOP");
        try {
          await assert.rejects(async () => {
            for (;;) await client.ping(); // the signal takes a moment
          }, ajpError("timeout", false));
          await assert.rejects(
            client.fetch("/echo"),
            ajpError("timeout", false, /CPONG/),
          );
        } finally {
          tomcat.kill("SIGCONT");
        }
        await echo(client, "/echo");
        await tomcat.stop();
        await assert.rejects(
          client.ping(),
          (error) =>
            error instanceof AjpError && error.code === "connection-refused",
        );
      },
      {},
      { pingTimeout: 500, pingOnConnect: true },
    );
  },
);

test("AjpClient goes on when Tomcat was restarted", needsTomcat(), async () => {
  await using first = await TomcatPeer.start({ secret: SECRET });
  const port = first.ajpPort;
  await using client = new AjpClient(`ajp://127.0.0.1:${port}`, {
    secret: SECRET,
    pingAfter: 0,
  });
  await Promise.all(Array.from({ length: 5 }, () => echo(client, "/echo")));
  assert(client.state.idle > 0);
  const slow = client.fetch("/slow?ms=20000");
  slow.catch(() => {}); // looked at below
  while ((await first.connections()).requests < 6);
  first.kill("SIGKILL");
  await assert.rejects(slow, ajpError("connection-closed", true));
  await first.exited();
  await assert.rejects(
    client.fetch("/echo"),
    ajpError("connection-refused", false),
  );
  await using _second = await TomcatPeer.start({ secret: SECRET, port });
  const body = chunks("a stream is sent once");
  const { bytes } = await echo(client, "/echo", { method: "POST", body });
  assert.equal(bytes, 21);
});

test("AjpClient goes on when Tomcat was paused", needsTomcat(), async () => {
  await withTomcat(
    async (client, tomcat) => {
      await echo(client, "/echo");
      await tomcat.pause();
      // The idle connection is found dead by its CPING, and the new one is not answered.
      const body = chunks("sent when it goes on");
      const init = { method: "POST", body };
      await assert.rejects(
        client.fetch("/echo", init),
        ajpError("timeout", false, /CPONG/),
      );
      await tomcat.resume();
      assert.equal((await echo(client, "/echo", init)).bytes, 20);
    },
    {},
    { pingAfter: 0, pingOnConnect: true, pingTimeout: 500 },
  );
});

test(
  "AjpClient.fetch() breaks requests and responses off half way",
  needsTomcat(),
  async () => {
    await withTomcat(async (client, tomcat) => {
      const response = await client.fetch("/bytes?size=100000000");
      const reader = response.body!.getReader();
      await reader.read();
      await reader.cancel();
      await tomcat.waitFor(
        (event) => event.event === "aborted" && event.path === "/bytes",
      );
      const controller = new AbortController();
      const body = new ReadableStream<Uint8Array>({
        start: (stream) => stream.enqueue(new Uint8Array(10_000)),
      });
      const upload = client.fetch("/upload", {
        method: "POST",
        body,
        signal: controller.signal,
      });
      upload.catch(() => {}); // looked at below
      while ((await tomcat.connections()).requests < 2);
      controller.abort(new Error("half way"));
      await assert.rejects(upload, /half way/);
      await tomcat.waitFor(
        (event) => event.event === "aborted" && event.path === "/upload",
      );
      await echo(client, "/echo");
    });
  },
);

test(
  "AjpClient.fetch() goes on after a body that Tomcat did not read",
  needsTomcat(),
  async () => {
    await withTomcat(async (client, tomcat) => {
      for (
        const init of [{ body: countingBytes(100_000) }, { body: chunks("x") }]
      ) {
        const response = await client.fetch("/ignore", {
          method: "POST",
          ...init,
        });
        assert.equal(await response.text(), "ignored");
        assert.equal((await echo(client, "/echo")).bytes, 0);
      }
      assert((await tomcat.connections()).open <= 2);
    });
  },
);

test(
  "AjpClient.fetch() streams 64 MiB both ways at the reader's speed",
  needsTomcat(60_000),
  async () => {
    await withTomcat(async (client) => {
      const chunk = new Uint8Array(65_536);
      let left = 1024;
      const body = new ReadableStream<Uint8Array>({
        pull: (controller) => {
          if (left-- > 0) controller.enqueue(chunk);
          else controller.close();
        },
      }, { highWaterMark: 0 });
      const response = await client.fetch("/copy", { method: "POST", body });
      let bytes = 0;
      for await (const part of response.body!) {
        bytes += part.length;
        // What is on the way is bounded: we do not run ahead of the reader.
        const ahead = (1024 - left) * chunk.length - bytes;
        assert(ahead < 8_000_000, `${ahead} bytes ahead`);
      }
      assert.equal(bytes, 1024 * chunk.length);
    });
  },
);

test(
  "AjpClient.fetch() times out where Tomcat falls silent: after an error in a page that has begun",
  needsTomcat(),
  async () => {
    await withTomcat(
      async (client) => {
        const page = await client.fetch("/error");
        assert.equal(page.status, 500);
        await page.text();
        const response = await client.fetch("/error?after=100000");
        assert.equal(response.status, 200);
        await assert.rejects(response.arrayBuffer(), ajpError("timeout", true));
        await echo(client, "/echo");
      },
      {},
      { replyTimeout: 500 },
    );
  },
);
