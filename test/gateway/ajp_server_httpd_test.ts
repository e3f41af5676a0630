// The server behind a real httpd, with both of its modules.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import type { AjpHandler } from "../../gateway/node.ts";
import { patternOf } from "../support/ajp_server_front_end.ts";
import { needsHttpd } from "../support/httpd_peer.ts";
import { behindHttpd, SECRET } from "./ajp_server_httpd.ts";

const SIZES = [0, 1, 8184, 8185, 8186, 8187, 16_372, 100_000];

/** Tells what it sees; the query asks for more. */
const application: AjpHandler = async (request, info) => {
  const url = new URL(request.url);
  const bytes = url.searchParams.get("bytes");
  if (bytes !== null) return new Response(patternOf(Number(bytes)));
  const body = await new Response(request.body ?? info.body).arrayBuffer();
  if (url.pathname === "/echo") return new Response(body);
  const headers = new Headers({ "x-method": request.method });
  for (const name of ["first", "second"]) {
    headers.append("set-cookie", `${name}=1; Path=/`);
  }
  return Response.json({
    method: info.method,
    path: url.pathname + url.search,
    host: url.host,
    bytes: body.byteLength,
    cookie: request.headers.get("cookie"),
    large: request.headers.get("x-large")?.length ?? 0,
    remoteAddr: info.remoteAddr,
    remotePort: info.remotePort,
    localAddr: info.localAddr,
    isSsl: info.isSsl,
    trusted: info.trusted,
  }, { headers });
};

for (const module of ["proxy_ajp", "jk"] as const) {
  test(
    `serveAjp() answers all methods behind ${module}`,
    needsHttpd(),
    () =>
      behindHttpd(module, application, async (url) => {
        const methods = ["GET", "POST", "PUT", "DELETE", "PATCH", "PROPFIND"];
        for (const method of [...methods, "OPTIONS", "REPORT"]) {
          const response = await fetch(`${url}/a%20b?x=%C3%A4&y`, {
            method,
            headers: { cookie: "a=1; b=2" },
          });
          assert.equal(response.status, 200);
          assert.equal(response.headers.get("x-method"), method);
          assert.deepEqual(response.headers.getSetCookie(), [
            "first=1; Path=/",
            "second=1; Path=/",
          ]);
          const { remotePort, ...seen } = await response.json();
          assert(remotePort > 0);
          assert.deepEqual(seen, {
            method,
            path: "/a%20b?x=%C3%A4&y",
            host: new URL(url).host,
            bytes: 0,
            cookie: "a=1; b=2",
            large: 0,
            remoteAddr: "127.0.0.1",
            localAddr: "127.0.0.1",
            isSsl: false,
            trusted: false,
          });
        }
        const head = await fetch(url, { method: "HEAD" });
        assert.equal(head.headers.get("x-method"), "HEAD");
        assert.equal(await head.text(), "");
      }),
  );

  test(
    `serveAjp() takes and gives bodies of all lengths behind ${module}`,
    needsHttpd(),
    () =>
      behindHttpd(module, application, async (url) => {
        for (const size of SIZES) {
          const body = patternOf(size);
          const chunked = new ReadableStream<Uint8Array<ArrayBuffer>>({
            start(controller) {
              if (size > 0) controller.enqueue(body.slice(0, size / 2));
              if (size > 0) controller.enqueue(body.slice(size / 2));
              controller.close();
            },
          });
          const stream: RequestInit & { duplex: "half" } = {
            method: "POST",
            body: chunked,
            duplex: "half",
          };
          for (const init of [{ method: "POST", body }, stream]) {
            const response = await fetch(`${url}/echo`, init);
            const came = new Uint8Array(await response.arrayBuffer());
            assert.deepEqual(came, body);
          }
          const response = await fetch(`${url}/?bytes=${size}`);
          const came = new Uint8Array(await response.arrayBuffer());
          assert.deepEqual(came, body);
        }
      }),
  );

  test(
    `serveAjp() takes large headers in large packets behind ${module}`,
    needsHttpd(),
    () =>
      behindHttpd(
        module,
        application,
        async (url) => {
          for (const size of [7 * 1024, 30 * 1024]) {
            const headers = { "x-large": "a".repeat(size) };
            const response = await fetch(url, { headers });
            assert.equal((await response.json()).large, size);
          }
          const response = await fetch(`${url}/?bytes=200000`);
          const came = new Uint8Array(await response.arrayBuffer());
          assert.deepEqual(came, patternOf(200_000));
        },
        { packetSize: 65_536, requestFieldSize: 65_536 },
        65_536,
      ),
  );

  test(
    `serveAjp() serves a hundred clients at a time behind ${module}`,
    needsHttpd(),
    () =>
      behindHttpd(module, application, async (url) => {
        await Promise.all(Array.from({ length: 100 }, async (_, i) => {
          for (const size of [100, 20_000]) {
            const body = patternOf(size, i);
            const response = await fetch(`${url}/echo`, {
              method: "POST",
              body,
            });
            const came = new Uint8Array(await response.arrayBuffer());
            assert.deepEqual(came, body);
          }
        }));
      }),
  );

  test(
    `serveAjp() refuses ${module} with a wrong secret, or none`,
    needsHttpd(),
    async () => {
      for (const secret of ["wrong", ""]) {
        const options = { secret, ...(secret === "" ? { ping: 1000 } : {}) };
        await behindHttpd(module, () => assert.fail("called"), async (url) => {
          const response = await fetch(url);
          assert.equal(response.status, 403);
          assert.doesNotMatch(await response.text(), /secret/);
        }, options);
      }
    },
  );

  test(
    `serveAjp() answers pings, and survives restarts of ${module}`,
    needsHttpd(60_000),
    () =>
      behindHttpd(module, application, async (url, httpd) => {
        for (const how of ["graceful", "hard"] as const) {
          assert.equal((await fetch(url)).status, 200);
          await httpd.restart(how);
          assert.equal((await fetch(url)).status, 200);
        }
      }, { ping: 1000, secret: SECRET }),
  );

  test(
    `serveAjp() sends events as they come behind ${module}`,
    needsHttpd(),
    () => {
      const gate = Promise.withResolvers<void>();
      const handler: AjpHandler = () => {
        let i = 0;
        return new Response(
          new ReadableStream({
            async pull(controller) {
              if (i === 1) await gate.promise; // until the client has the first
              if (i === 2) return controller.close();
              controller.enqueue(new TextEncoder().encode(`event ${++i}\n`));
            },
          }),
          { headers: { "content-type": "text/event-stream" } },
        );
      };
      return behindHttpd(module, handler, async (url) => {
        const response = await fetch(url);
        const reader = response.body!.getReader(); // a 200 has one
        const first = await reader.read();
        assert.equal(new TextDecoder().decode(first.value), "event 1\n");
        gate.resolve();
        const second = await reader.read();
        assert.equal(new TextDecoder().decode(second.value), "event 2\n");
        assert.equal((await reader.read()).done, true);
      });
    },
  );

  test(
    `serveAjp() cancels a stream whose client goes away behind ${module}`,
    needsHttpd(),
    () => {
      const cancelled = Promise.withResolvers<unknown>();
      const handler: AjpHandler = (request) => {
        request.signal.addEventListener(
          "abort",
          () => cancelled.resolve(request.signal.reason),
        );
        return new Response(
          new ReadableStream({
            pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
          }),
        );
      };
      return behindHttpd(module, handler, async (url) => {
        const socket = connect(Number(new URL(url).port), "127.0.0.1");
        socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        socket.once("data", () => socket.destroy());
        assert.equal((await cancelled.promise as Error).name, "AbortError");
      });
    },
  );
}
