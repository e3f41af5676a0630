// Bodies that are larger than memory should be, through a real httpd: the server runs in a process of its own,
// whose resident memory may grow by a fraction of them.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { request } from "node:http";
import process from "node:process";
import { test } from "node:test";
import { ChildServer } from "../gateway/ajp_server_child.ts";
import { patternOf } from "../support/ajp_server_front_end.ts";
import { HttpdPeer, needsHttpd } from "../support/httpd_peer.ts";

const SECRET = "Xk3v9sQb7LmR2wTz8NfJ4hYc6DpG5aUe";
const MEBIBYTE = 1024 * 1024;
// One runtime carries the gigabyte where all peers are required: some 45 s there, 10 s elsewhere.
const WHOLE = process.env.TRIBES_REQUIRE_PEERS === "1" &&
  "deno" in process.versions;
const LENGTH = (WHOLE ? 1024 : 256) * MEBIBYTE;
const WARM_UP = 32 * MEBIBYTE;
const MOST_GROWTH = 96 * MEBIBYTE;
const PART = patternOf(65_536);

for (const module of ["proxy_ajp", "jk"] as const) {
  test(
    `AjpServer passes on ${
      LENGTH / MEBIBYTE
    } MiB each way behind ${module}, in constant memory`,
    needsHttpd(240_000),
    async () => {
      await using server = await ChildServer.start({ secret: SECRET });
      await using httpd = await HttpdPeer.start({
        module,
        port: server.port,
        secret: SECRET,
      });
      const both = async (length: number) => {
        const digest = digestOf(length);
        assert.equal(await upload(httpd.url, length), `${length} ${digest}`);
        const url = `${httpd.url}/?bytes=${length}`;
        assert.deepEqual(await download(url), { length, digest });
      };
      await both(WARM_UP); // the runtime takes memory for itself first
      const { resident } = await server.memory();
      await both(LENGTH);
      const growth = (await server.memory()).peak - resident;
      assert(
        growth < MOST_GROWTH,
        `the server grew by ${Math.round(growth / MEBIBYTE)} MiB`,
      );
      assert.deepEqual(server.faults, []);
    },
  );
}

const digests = new Map<number, string>();

/** SHA-256 of so many bytes, a multiple of the part. */
function digestOf(length: number): string {
  const known = digests.get(length);
  if (known !== undefined) return known;
  const hash = createHash("sha256");
  for (let sent = 0; sent < length; sent += PART.length) hash.update(PART);
  const digest = hash.digest("hex");
  digests.set(length, digest);
  return digest;
}

/** Sends so many bytes, no faster than they are taken, and gives the text of the reply. */
function upload(url: string, length: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { "content-length": String(length) };
    const sent = request(url, { method: "POST", headers }, async (response) => {
      let text = "";
      for await (const part of response.setEncoding("utf8")) text += part;
      resolve(text);
    });
    sent.on("error", reject);
    let left = length;
    const send = () => {
      while (left > 0) {
        left -= PART.length;
        if (!sent.write(PART)) return void sent.once("drain", send);
      }
      sent.end();
    };
    send();
  });
}

async function download(
  url: string,
): Promise<{ length: number; digest: string }> {
  const response = await fetch(url);
  assert.equal(response.status, 200);
  const hash = createHash("sha256");
  let length = 0;
  for await (const part of response.body ?? []) {
    hash.update(part);
    length += part.length;
  }
  return { length, digest: hash.digest("hex") };
}
