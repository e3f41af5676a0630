// Clients, httpd and servers that go away in the middle of something.
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import {
  type AjpHandler,
  type AjpServer,
  serveAjp,
} from "../../gateway/node.ts";
import { HttpdPeer, needsHttpd } from "../support/httpd_peer.ts";
import { behindHttpd, SECRET, sendRaw } from "./ajp_server_httpd.ts";

const CLIENTS = 16;

/** A client that goes away when the test says so. */
function clientOf(url: string, text: string): Socket {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {}); // it is gone
  socket.write(text, "latin1");
  return socket;
}

/** Waits until the server has let go of all connections. Nothing tells of that but the count. */
async function released(server: AjpServer): Promise<void> {
  while (server.connectionCount > 0) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Gives each request back with its path, in a later turn. */
const echo: AjpHandler = async (request) => {
  const text = await request.text();
  await new Promise((resolve) => setImmediate(resolve));
  return new Response(`${new URL(request.url).pathname} ${text}`);
};

/** Sends requests one after another, each unlike all others, until it is stopped. */
class Client {
  /** How many were answered so, by status; 0 counts connections that were cut. */
  readonly counts = new Map<number, number>();
  readonly done: Promise<void>;
  stopped = false;

  constructor(url: string, name: string) {
    this.done = this.#run(url, name);
  }

  async #run(url: string, name: string): Promise<void> {
    for (let i = 0; !this.stopped; i++) {
      const status = await exchange(url, `/${name}/${i}`);
      this.counts.set(status, (this.counts.get(status) ?? 0) + 1);
    }
  }
}

/** Sends one request and checks that a reply is its own. */
async function exchange(url: string, path: string): Promise<number> {
  const text = `body of ${path}`;
  const request = `POST ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n` +
    `Content-Length: ${text.length}\r\n\r\n${text}`;
  const reply = await sendRaw(url, request).catch(() => undefined);
  if (reply === undefined || reply.status !== 200) {
    assert.doesNotMatch(reply?.body ?? "", /HTTP Status/, "the page is ours");
    return reply?.status || 0;
  }
  const chunked = reply.headers.some((line) => /: chunked$/.test(line));
  const expected = `${path} ${text}`;
  const size = expected.length.toString(16);
  const sent = chunked ? `${size}\r\n${expected}\r\n0\r\n\r\n` : expected;
  // It may be cut, and is never another's.
  assert(sent.startsWith(reply.body), `${path} gave ${reply.body}`);
  return sent === reply.body ? 200 : 0;
}

/** Runs a task while clients send, and gives how often each status came. */
async function underLoad(
  url: string,
  task: () => Promise<void>,
): Promise<Map<number, number>> {
  const clients = Array.from(
    { length: CLIENTS },
    (_, i) => new Client(url, `client${i}`),
  );
  const all = Promise.all(clients.map(({ done }) => done));
  try {
    await Promise.race([task(), all]); // a client ends first when it fails
  } finally {
    for (const client of clients) client.stopped = true;
  }
  await all;
  const counts = new Map<number, number>();
  for (const client of clients) {
    for (const [status, count] of client.counts) {
      counts.set(status, (counts.get(status) ?? 0) + count);
    }
  }
  return counts;
}

for (const module of ["proxy_ajp", "jk"] as const) {
  for (const how of ["in time", "by a reset"] as const) {
    const leave = (socket: Socket) =>
      how === "in time" ? socket.destroy() : socket.resetAndDestroy();

    test(
      `serveAjp() lets an upload fail whose client leaves ${how} behind ${module}`,
      needsHttpd(),
      () => {
        const begun = Promise.withResolvers<void>();
        const aborted = Promise.withResolvers<unknown>();
        const failed = Promise.withResolvers<unknown>();
        const handler: AjpHandler = async (request) => {
          if (request.method === "GET") return new Response("next");
          request.signal.addEventListener(
            "abort",
            () => aborted.resolve(request.signal.reason),
          );
          const reader = request.body!.getReader(); // a POST has one
          await reader.read();
          begun.resolve();
          try {
            while (!(await reader.read()).done);
          } catch (error) {
            failed.resolve(error);
          }
          return new Response("to nobody");
        };
        return behindHttpd(module, handler, async (url, httpd, server) => {
          const client = clientOf(
            url,
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" +
              "x".repeat(500_000),
          );
          await begun.promise;
          leave(client);
          assert((await failed.promise) instanceof Error);
          assert.equal((await aborted.promise as Error).name, "AbortError");
          assert.equal(await (await fetch(url)).text(), "next");
          await httpd.stop();
          await released(server);
        });
      },
    );

    test(
      `serveAjp() ends a download whose client leaves ${how} behind ${module}`,
      needsHttpd(),
      () => {
        const aborted = Promise.withResolvers<unknown>();
        const cancelled = Promise.withResolvers<unknown>();
        const handler: AjpHandler = (request) => {
          if (request.method === "GET") return new Response("next");
          request.signal.addEventListener(
            "abort",
            () => aborted.resolve(request.signal.reason),
          );
          return new Response(
            new ReadableStream({
              pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
              cancel: (reason) => cancelled.resolve(reason),
            }),
          );
        };
        return behindHttpd(module, handler, async (url, httpd, server) => {
          const client = clientOf(
            url,
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
          );
          await new Promise((resolve) => client.once("data", resolve));
          leave(client);
          assert.equal((await aborted.promise as Error).name, "AbortError");
          assert.equal((await cancelled.promise as Error).name, "AbortError");
          assert.equal(await (await fetch(url)).text(), "next");
          await httpd.stop();
          await released(server);
        });
      },
    );
  }

  test(
    `serveAjp() gives replies to their requests while ${module} restarts`,
    needsHttpd(),
    () =>
      behindHttpd(module, echo, async (url, httpd, server) => {
        const counts = await underLoad(url, async () => {
          for (const how of ["graceful", "hard", "graceful"] as const) {
            await httpd.restart(how);
            assert.equal(await exchange(url, `/${how}`), 200);
          }
        });
        assert(counts.get(200)! > CLIENTS, `${[...counts]}`);
        for (const [status] of counts) assert([0, 200].includes(status));
        await httpd.stop();
        await released(server);
      }),
  );

  test(
    `serveAjp() comes back behind a running ${module}`,
    needsHttpd(),
    async () => {
      const faults: string[] = [];
      const options = {
        secret: SECRET,
        onError: ({ type }: { readonly type: string }) => faults.push(type),
      };
      let server = await serveAjp({ ...options, port: 0 }, echo);
      const { port } = server.address;
      try {
        await using httpd = await HttpdPeer.start({
          module,
          port,
          secret: SECRET,
        });
        const counts = await underLoad(httpd.url, async () => {
          for (let i = 0; i < 3; i++) {
            assert.equal(await exchange(httpd.url, `/before/${i}`), 200);
            await server.close();
            server = await serveAjp({ ...options, port }, echo);
            // Whatever connections httpd has kept, it finds the new one.
            assert.equal(await exchange(httpd.url, `/after/${i}`), 200);
          }
        });
        assert(counts.get(200)! > CLIENTS, `${[...counts]}`);
        for (const [status] of counts) {
          // 500 is mod_proxy_ajp's, for a POST that it must not send twice.
          assert([200, 500, 502, 503].includes(status), `${[...counts]}`);
        }
        assert.deepEqual(faults.filter((type) => type !== "connection"), []);
      } finally {
        await server.close();
      }
    },
  );
}
