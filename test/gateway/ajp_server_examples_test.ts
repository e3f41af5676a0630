// The applications of examples/, as a front end sees them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { app as express } from "../../examples/ajp_express.ts";
import { app as hono } from "../../examples/ajp_hono.ts";
import { type AjpHandler, nodeHandler, serveAjp } from "../../gateway/node.ts";
import { NodeTransport } from "../../transport/node.ts";
import {
  FrontEndPeer,
  headerOf,
  patternOf,
} from "../support/ajp_server_front_end.ts";
import { headersOf } from "../support/ajp_values.ts";

const APPLICATIONS: readonly (readonly [string, AjpHandler])[] = [
  ["Hono", (request, info) => hono.fetch(request, info)],
  ["Express", nodeHandler(express)],
];

for (const [name, handler] of APPLICATIONS) {
  test(`serveAjp() serves the example with ${name}`, async () => {
    const faults: unknown[] = [];
    await using server = await serveAjp({
      port: 0,
      secret: null,
      onError: ({ error }) => void faults.push(error),
    }, handler);
    const transport = new NodeTransport();
    const peer = await FrontEndPeer.connect(transport, server.address);

    const hello = await peer.send();
    assert.equal(hello.status, 200);
    assert.equal(hello.text, "Hello 192.0.2.1\n");
    const secure = await peer.send({ isSsl: true });
    assert.equal(secure.text, "Hello 192.0.2.1, over TLS\n");

    const json = await peer.send({ uri: "/hello/W%C3%B6rld" });
    assert.deepEqual(JSON.parse(json.text), { hello: "Wörld" });
    assert.match(headerOf(json, "content-type") ?? "", /^application\/json/);

    const head = await peer.send({ uri: "/hello/x", methodCode: 3 });
    assert.equal(head.status, 200);
    assert.deepEqual(head.events, ["headers", "end"]);

    for (const length of [0, 5, 50_000]) {
      const body = patternOf(length);
      const headers = headersOf(
        ["content-length", String(length)],
        ["content-type", "application/octet-stream"],
      );
      const fields = { uri: "/echo", methodCode: 4, headers };
      const echo = await peer.send(fields, { body });
      assert.equal(echo.status, 200);
      if (length > 0) assert.deepEqual(echo.body, body);
    }
    assert.equal((await peer.send({ uri: "/none" })).status, 404);
    await peer.connection.close();
    assert.deepEqual(faults, []);
  });
}
