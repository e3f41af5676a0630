// The client on real sockets, against a container of a test's making and against our own server.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AjpClient, serveAjp } from "../../gateway/node.ts";
import { NodeTransport } from "../../transport/node.ts";
import {
  type ContainerScript,
  echo,
  FakeContainer,
} from "../support/ajp_client_container.ts";
import {
  ajpError,
  chunks,
  countingBytes,
} from "../support/ajp_client_network.ts";

const options = { timeout: 30_000 };
const LOOPBACK = { hostname: "127.0.0.1", port: 0 };
const SECRET = "Xk3v9sQb7LmR2wTz8NfJ4hYc6DpG5aUe";

/** Runs a test with a container on a free port. */
async function withSockets(
  script: ContainerScript,
  test: (client: AjpClient, container: FakeContainer) => Promise<void>,
): Promise<void> {
  await using container = await FakeContainer.start(
    new NodeTransport(),
    script,
    { address: LOOPBACK },
  );
  const url = `ajp://127.0.0.1:${container.address.port}`;
  await using client = new AjpClient(url, { pingTimeout: 300 });
  await test(client, container);
}

test(
  "AjpClient sends and gets bodies of every kind over sockets",
  options,
  async () => {
    await withSockets(echo, async (client, container) => {
      const bytes = countingBytes(200_000);
      const bodies: readonly BodyInit[] = [
        bytes,
        bytes.buffer,
        new DataView(bytes.buffer),
        new Blob([bytes]),
        chunks(bytes.subarray(0, 50_000), bytes.subarray(50_000)),
      ];
      for (const body of bodies) {
        const response = await client.fetch("/", { method: "PUT", body });
        assert.deepEqual(new Uint8Array(await response.arrayBuffer()), bytes);
      }
      const form = new FormData();
      form.set("name", "value");
      for (const body of [form, new URLSearchParams({ name: "value" })]) {
        const response = await client.fetch("/", { method: "PUT", body });
        const text = await response.text();
        assert.match(text, /name/);
        assert.equal(response.headers.get("content-length"), `${text.length}`);
      }
      assert.equal(container.peers.length, 1);
    });
  },
);

test(
  "AjpClient sees over sockets that the container closed an idle connection",
  options,
  async () => {
    const closed = Promise.withResolvers<void>();
    await withSockets(async (peer, index) => {
      const request = await peer.request();
      if (request === undefined) return;
      peer.reply(request, `${index}`);
      if (index > 0) return;
      await peer.connection.close();
      closed.resolve();
    }, async (client, container) => {
      assert.equal(await (await client.fetch("/")).text(), "0");
      await closed.promise;
      while (client.state.idle > 0) await turn(); // its end is on the way
      assert.equal(await (await client.fetch("/")).text(), "1");
      assert.equal(container.requests, 2);
    });
  },
);

test("AjpClient gives up over sockets, and says why", options, async () => {
  await withSockets(async (peer) => {
    peer.answersPings = false;
    while (await peer.next() !== undefined);
  }, async (client, container) => {
    await assert.rejects(client.ping(), ajpError("timeout", false));
    const controller = new AbortController();
    const fetching = client.fetch("/", { signal: controller.signal });
    while (container.peers.length < 2) {
      await turn();
    }
    controller.abort(new Error("given up"));
    await assert.rejects(fetching, /given up/);
    assert.deepEqual(client.state, { busy: 0, idle: 0, waiting: 0 });
  });
  const { port } = await freeAddress();
  await using client = new AjpClient(`ajp://127.0.0.1:${port}`);
  await assert.rejects(
    client.fetch("/"),
    ajpError("connection-refused", false, /connection refused/),
  );
});

test("AjpClient.fetch() talks to serveAjp()", options, async () => {
  await using server = await serveAjp(
    { port: 0, secret: SECRET, onError: () => {} },
    async (request, info) => {
      const { pathname, searchParams } = new URL(request.url);
      if (pathname === "/copy") return new Response(request.body);
      if (pathname === "/fail") throw new Error("of the handler");
      const status = Number(searchParams.get("status") ?? "200");
      const headers = new Headers({ "x-user": String(info.remoteUser) });
      headers.append("set-cookie", "a=1");
      headers.append("set-cookie", "b=2");
      const body = status === 204 ? null : await request.text();
      return new Response(body, { status, headers });
    },
  );
  const url = `ajp://127.0.0.1:${server.address.port}`;
  await using client = new AjpClient(url, { secret: SECRET });
  const response = await client.fetch("/?status=201", {
    method: "POST",
    body: "hello",
    ajp: { remoteUser: "jo" },
  });
  assert.equal(response.status, 201);
  assert.equal(response.headers.get("x-user"), "jo");
  assert.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2"]);
  assert.equal(await response.text(), "hello");
  assert.equal((await client.fetch("/?status=204")).status, 204);
  assert.equal((await client.fetch("/", { method: "HEAD" })).body, null);
  const failed = await client.fetch("/fail");
  assert.equal(failed.status, 500);
  assert.doesNotMatch(await failed.text(), /handler/);
  await Promise.all(Array.from({ length: 100 }, async (_, i) => {
    const body = countingBytes(i * 1000);
    const init = { method: "POST", body: i % 2 === 0 ? body : chunks(body) };
    const response = await client.fetch(`/copy?${i}`, init);
    assert.deepEqual(new Uint8Array(await response.arrayBuffer()), body);
  }));
  await using stranger = new AjpClient(url);
  assert.equal((await stranger.fetch("/")).status, 403);
});

/** Lets the sockets do something. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/** An address that nobody listens on: it was free just now. */
async function freeAddress(): Promise<{ port: number }> {
  const listener = await new NodeTransport().listen(LOOPBACK);
  await listener.close();
  return listener.address;
}
