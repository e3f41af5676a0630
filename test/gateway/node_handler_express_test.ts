// Express behind the AJP server: what its applications and middleware do to node:http's objects.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import express from "express";
import { AjpClient, nodeHandler, serveAjp } from "../../gateway/node.ts";
import { patternOf } from "../support/ajp_server_front_end.ts";
import { needsHttpd } from "../support/httpd_peer.ts";
import { behindHttpd } from "./ajp_server_httpd.ts";

const SOURCE = fileURLToPath(import.meta.url);
const LIMIT = 20_000_000;

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function makeApp(): express.Express {
  const app = express();
  app.set("env", "test"); // no errors on the console
  app.post(
    "/raw",
    express.raw({ type: () => true, limit: LIMIT }),
    (request, response) => void response.send(sha256(request.body)),
  );
  app.post(
    "/json",
    express.json({ limit: LIMIT }),
    (request, response) => void response.json(request.body),
  );
  app.post(
    "/form",
    express.urlencoded(),
    (request, response) => void response.json(request.body),
  );
  app.get("/file", (_, response) => response.sendFile(SOURCE));
  app.get("/redirect", (_, response) => response.redirect("/file"));
  app.get("/cookies", (_, response) => {
    response.cookie("a", "1").cookie("b", "2").status(201).end();
  });
  app.get("/who", (request, response) => {
    const { ip, protocol, secure, hostname, query } = request;
    response.json({ ip, protocol, secure, hostname, query });
  });
  app.get("/throws", () => {
    throw new Error("secret text");
  });
  app.get("/rejects", async () => {
    await Promise.reject(new Error("secret text"));
  });
  app.get("/late", (_, response, next) => {
    response.write("part");
    setImmediate(() => setImmediate(() => next(new Error("late"))));
  });
  app.get("/piped", (_, response) => {
    const source = new PassThrough();
    source.pipe(response);
    source.end(patternOf(1_000_000));
  });
  app.use((
    error: Error,
    _request: express.Request,
    response: express.Response,
    next: express.NextFunction,
  ) => {
    if (response.headersSent) next(error);
    else {
      const { status = 500 } = error as { status?: number };
      response.status(status).send("sorry");
    }
  });
  return app;
}

/** Runs with the application behind AJP; faults are texts. */
async function withApp(
  task: (client: AjpClient, faults: string[]) => Promise<void>,
): Promise<void> {
  const faults: string[] = [];
  await using server = await serveAjp({
    port: 0,
    secret: null,
    onError: ({ type, error }) => void faults.push(`${type}: ${error.message}`),
  }, nodeHandler(makeApp()));
  await using client = new AjpClient(`ajp://127.0.0.1:${server.address.port}`);
  await task(client, faults);
}

test("nodeHandler() lets Express parse bodies, large ones too", () =>
  withApp(async (client, faults) => {
    const body = patternOf(10_000_000);
    const raw = await client.fetch("/raw", { method: "POST", body });
    assert.equal(await raw.text(), sha256(body));
    const value = { text: "\xe4".repeat(1_000_000), list: [1, null] };
    const json = await client.fetch("/json", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(value),
    });
    assert.deepEqual(await json.json(), value);
    const form = await client.fetch("/form", {
      method: "POST",
      body: new URLSearchParams({ a: "b c" }),
    });
    assert.deepEqual(await form.json(), { a: "b c" });
    const bad = await client.fetch("/json", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{",
    });
    assert.equal(bad.status, 400);
    assert.equal(await bad.text(), "sorry");
    const large = await client.fetch("/raw", {
      method: "POST",
      body: new Uint8Array(LIMIT + 1),
    });
    assert.equal(large.status, 413);
    await large.text();
    assert.deepEqual(faults, []);
  }));

test("nodeHandler() lets Express answer in its ways", () =>
  withApp(async (client, faults) => {
    const text = await readFile(SOURCE, "utf8");
    const file = await client.fetch("/file");
    assert.equal(await file.text(), text);
    const part = await client.fetch("/file", {
      headers: { range: "bytes=3-9" },
    });
    assert.equal(part.status, 206);
    assert.equal(await part.text(), text.slice(3, 10));
    const fresh = await client.fetch("/file", {
      headers: { "if-none-match": file.headers.get("etag") ?? "" },
    });
    assert.equal(fresh.status, 304);
    const head = await client.fetch("/file", { method: "HEAD" });
    assert.equal(await head.text(), "");
    assert.equal((await client.fetch("/redirect")).status, 302);
    const cookies = await client.fetch("/cookies");
    assert.equal(cookies.status, 201);
    assert.equal(cookies.headers.getSetCookie().length, 2);
    assert.equal((await client.fetch("/none")).status, 404);
    const piped = await client.fetch("/piped");
    assert.equal(
      sha256(new Uint8Array(await piped.arrayBuffer())),
      sha256(patternOf(1_000_000)),
    );
    assert.deepEqual(faults, []);
  }));

test("nodeHandler() lets Express handle errors, and cuts off what has begun", () =>
  withApp(async (client, faults) => {
    for (const path of ["/throws", "/rejects"]) {
      const response = await client.fetch(path);
      assert.equal(response.status, 500);
      assert.equal(await response.text(), "sorry");
    }
    assert.deepEqual(faults, []);
    const late = await client.fetch("/late");
    // AJP has no word for an end that is none; whether the part has left is the runtime's affair.
    if (late.status === 200) assert.equal(await late.text(), "part");
    else assert.equal(late.status, 500);
    assert.equal(faults.length, 1);
    assert.equal((await client.fetch("/cookies")).status, 201);
  }));

for (const module of ["proxy_ajp", "jk"] as const) {
  test(
    `nodeHandler() serves Express behind ${module}`,
    needsHttpd(),
    () =>
      behindHttpd(module, nodeHandler(makeApp()), async (url) => {
        const who = await fetch(`${url}/who?a=b`);
        assert.deepEqual(await who.json(), {
          ip: "127.0.0.1",
          protocol: "http",
          secure: false,
          hostname: "127.0.0.1",
          query: { a: "b" },
        });
        const body = patternOf(10_000_000);
        const raw = await fetch(`${url}/raw`, { method: "POST", body });
        assert.equal(await raw.text(), sha256(body));
        const file = await fetch(`${url}/file`);
        assert.equal(await file.text(), await readFile(SOURCE, "utf8"));
        const head = await fetch(`${url}/file`, { method: "HEAD" });
        assert.equal(head.status, 200);
      }),
  );
}
