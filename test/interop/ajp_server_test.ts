// Our AJP server behind the httpd that people have: mod_proxy_ajp and mod_jk, configured as printed.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { type AjpHandler, serveAjp } from "../../gateway/node.ts";
import { HttpdPeer, needsHttpd } from "../support/httpd_peer.ts";

const MODULES = ["proxy_ajp", "jk"] as const;
const SECRET = "Xk3v9sQb7LmR2wTz8NfJ4hYc6DpG5aUe";
const SIZES = [0, 1, 8186, 8187, 16_372, 100_000];

/** Echoes what it is sent, or gives as many bytes as asked for. */
const application: AjpHandler = async (request, info) => {
  const url = new URL(request.url);
  const size = url.searchParams.get("size");
  if (size !== null) return new Response(pattern(Number(size)));
  const body = new Uint8Array(await request.arrayBuffer());
  const headers = new Headers({ "content-type": "application/json" });
  headers.append("set-cookie", "a=1");
  headers.append("set-cookie", "b=2; Path=/");
  const reply = {
    method: request.method,
    path: url.pathname + url.search,
    colour: request.headers.get("x-colour"),
    bytes: body.length,
    sha256: sha256(body),
    remoteAddr: info.remoteAddr,
  };
  return new Response(JSON.stringify(reply), { status: 201, headers });
};

for (const module of MODULES) {
  test(`AjpServer serves what ${module} sends`, needsHttpd(), async () => {
    await using server = await serveAjp(
      { port: 0, secret: SECRET },
      application,
    );
    await using httpd = await HttpdPeer.start({
      module,
      port: server.address.port,
      secret: SECRET,
    });
    for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH", "PURGE"]) {
      const response = await fetch(`${httpd.url}/a%20b?q=1&r=%C3%A9`, {
        method,
        headers: { "x-colour": "green".repeat(1400) },
      });
      assert.equal(response.status, 201, method);
      assert.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2; Path=/"]);
      const reply = await response.json();
      assert.equal(reply.method, method);
      assert.equal(reply.path, "/a%20b?q=1&r=%C3%A9");
      assert.equal(reply.colour, "green".repeat(1400));
      assert.equal(reply.remoteAddr, "127.0.0.1");
    }
    for (const size of SIZES) {
      const body = pattern(size);
      const upload = await fetch(httpd.url, { method: "POST", body });
      const reply = await upload.json();
      assert.equal(reply.bytes, size);
      assert.equal(reply.sha256, sha256(body));
      const download = await fetch(`${httpd.url}/?size=${size}`);
      const bytes = new Uint8Array(await download.arrayBuffer());
      assert.equal(sha256(bytes), sha256(body), `download of ${size}`);
    }
    const head = await fetch(`${httpd.url}/?size=10`, { method: "HEAD" });
    assert.equal(head.status, 200);
    assert.equal((await head.arrayBuffer()).byteLength, 0);
    const many = await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        const response = await fetch(`${httpd.url}/?size=${i}`);
        return (await response.arrayBuffer()).byteLength;
      }),
    );
    assert.deepEqual(many, Array.from({ length: 100 }, (_, i) => i));
  });

  test(
    `AjpServer refuses ${module} with a wrong secret or none`,
    needsHttpd(),
    async () => {
      let handled = 0;
      await using server = await serveAjp({ port: 0, secret: SECRET }, () => {
        handled++;
        return new Response();
      });
      const { port } = server.address;
      for (const secret of ["another-secret-of-some-length", undefined]) {
        await using httpd = await HttpdPeer.start({
          module,
          port,
          ...(secret === undefined ? {} : { secret }),
        });
        const response = await fetch(httpd.url);
        await response.arrayBuffer();
        assert.equal(response.status, 403);
      }
      assert.equal(handled, 0);
    },
  );
}

function pattern(size: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: size }, (_, i) => i);
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
