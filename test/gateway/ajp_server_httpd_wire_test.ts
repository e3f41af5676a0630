// What clients send to httpd byte for byte, and what they get.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AjpHandler } from "../../gateway/node.ts";
import { ajpMethodName } from "../../protocol/mod.ts";
import { needsHttpd } from "../support/httpd_peer.ts";
import { behindHttpd, SECRET, sendRaw } from "./ajp_server_httpd.ts";

/** Answers with the status of the path, and says what it sees. */
const application: AjpHandler = (request, info) => {
  const { pathname } = new URL(request.url);
  const status = Number(/^\/(\d{3})$/.exec(pathname)?.[1] ?? 200);
  const hasBody = status !== 204 && status !== 304;
  return new Response(hasBody ? "body" : null, {
    status,
    headers: {
      "x-method": info.method,
      "x-url": request.url,
      "x-name": request.headers.get("x-name") ?? "",
      "content-type": "text/plain",
      etag: '"a"',
    },
  });
};

function request(method: string, target: string, ...lines: string[]): string {
  const head = [`${method} ${target} HTTP/1.1`, "Host: www.example", ...lines];
  return [...head, "Connection: close", "", ""].join("\r\n");
}

for (const module of ["proxy_ajp", "jk"] as const) {
  test(
    `serveAjp() is told the method that a client wrote behind ${module}`,
    needsHttpd(),
    () =>
      behindHttpd(module, application, async (url) => {
        // httpd itself answers TRACE, and CONNECT is no request for a server.
        const named = Array.from(
          { length: 27 },
          (_, i) => ajpMethodName(i + 1)!, // all codes have one
        )
          .filter((name) => name !== "TRACE");
        assert.equal(named.length, 26);
        for (const method of [...named, "PATCH", "PURGE", "x-Own"]) {
          const reply = await sendRaw(url, request(method, "/"));
          assert.equal(reply.status, 200, method);
          assert(reply.headers.includes(`x-method: ${method}`), method);
        }
      }),
  );

  test(
    `serveAjp() sends no body to HEAD, with 204 nor with 304 behind ${module}`,
    needsHttpd(),
    () =>
      behindHttpd(module, application, async (url) => {
        for (
          const [method, path, status, body] of [
            ["GET", "/200", 200, "body"],
            ["HEAD", "/200", 200, ""],
            ["GET", "/204", 204, ""],
            ["POST", "/204", 204, ""],
            ["GET", "/304", 304, ""],
            ["HEAD", "/404", 404, ""],
            ["GET", "/404", 404, "body"],
            ["GET", "/599", 599, "body"],
          ] as const
        ) {
          const claim = `${method} ${path}`;
          const length = method === "POST" ? ["Content-Length: 0"] : [];
          const reply = await sendRaw(url, request(method, path, ...length));
          assert.equal(reply.status, status, claim);
          // mod_proxy_ajp hands bodies on in chunks.
          const chunked = reply.headers.some((line) => /: chunked$/.test(line));
          const sent = chunked && body !== ""
            ? `4\r\n${body}\r\n0\r\n\r\n`
            : body;
          assert.equal(reply.body, sent, claim);
          assert(reply.headers.includes('etag: "a"'), claim);
        }
      }),
  );

  test(
    `serveAjp() takes and gives headers that are not ASCII behind ${module}`,
    needsHttpd(),
    () =>
      behindHttpd(module, application, async (url) => {
        const name = "f\xfcr \xc3\xa4 \x80\xff";
        const reply = await sendRaw(
          url,
          request("GET", "/", `X-Name: ${name}`),
        );
        assert(reply.headers.includes(`x-name: ${name}`));
      }),
  );

  test(
    `serveAjp() is told the URL that a client wrote behind ${module}`,
    needsHttpd(),
    () =>
      behindHttpd(module, application, async (url) => {
        for (
          const [target, expected] of [
            ["http://other.example/a/b?c=d", "http://other.example/a/b?c=d"],
            ["http://other.example:81/?", "http://other.example:81/?"],
            ["/a;b=c?d=e&f=%C3%A4", "http://www.example/a;b=c?d=e&f=%C3%A4"],
            ["/?a=http://b/c?d", "http://www.example/?a=http://b/c?d"],
          ] as const
        ) {
          const { headers } = await sendRaw(url, request("GET", target));
          assert(
            headers.includes(`x-url: ${expected}`),
            `${target} gave ${headers}`,
          );
        }
      }),
  );

  test(
    `serveAjp() is never asked for a request of two lengths behind ${module}`,
    needsHttpd(),
    () => {
      const urls: string[] = [];
      const handler: AjpHandler = async (request) => {
        urls.push(request.url);
        return new Response(await request.text());
      };
      return behindHttpd(module, handler, async (url) => {
        const inner = request("GET", "/smuggled");
        for (
          const [lengths, body] of [
            [["Content-Length: 5", "Content-Length: 6"], "hello "],
            [["Content-Length: 4", "Transfer-Encoding: chunked"], "0\r\n\r\n"],
            [["Transfer-Encoding: chunked", "Content-Length: 5"], "0\r\n\r\n"],
            [["Transfer-Encoding: chunked, x"], "0\r\n\r\n"],
          ] as const
        ) {
          const text = request("POST", "/outer", ...lengths) + body + inner;
          const { status } = await sendRaw(url, text);
          assert([200, 400, 501].includes(status), `${lengths}: ${status}`);
        }
        assert(urls.every((url) => url.endsWith("/outer")), `${urls}`);
      });
    },
  );

  test(
    `serveAjp() answers a packet that is too long, and goes on behind ${module}`,
    needsHttpd(),
    () => {
      // httpd is configured for longer packets than the server.
      const options = {
        packetSize: 65_536,
        requestFieldSize: 65_536,
        secret: SECRET,
      };
      return behindHttpd(module, application, async (url) => {
        for (let i = 0; i < 3; i++) {
          const long = `X-Name: ${"a".repeat(20_000)}`;
          const refused = await sendRaw(url, request("GET", "/", long));
          assert.equal(refused.status, 500);
          assert.match(refused.body, /HTTP Status 500/); // the page is ours
          const served = await sendRaw(url, request("GET", "/"));
          assert.equal(served.status, 200);
        }
      }, options);
    },
  );
}
