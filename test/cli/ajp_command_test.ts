import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { AjpClient } from "../../gateway/node.ts";
import type { CommandIo } from "../../cli/command.ts";
import { main } from "../../cli/main.ts";
import { CliProcess, type JsonLine } from "../support/cli_process.ts";

const options = { timeout: 60_000 };
const SECRET = "Xk3v9sQb7LmR2wTz8NfJ4hYc6DpG5aUe";

/** Starts `tribes ajp serve` on a free port. */
async function serve(
  ...args: string[]
): Promise<CliProcess & { address: string }> {
  const given = args.some((arg) => arg.includes("secret"))
    ? []
    : ["--no-secret"];
  const server = new CliProcess([
    "ajp",
    "serve",
    "--port=0",
    ...given,
    ...args,
  ]);
  const { address } = await server.waitFor("ready");
  return Object.assign(server, { address: String(address) });
}

async function run(...args: string[]): Promise<{
  readonly status: number;
  readonly text: readonly string[];
  readonly events: readonly JsonLine[];
  readonly errors: string;
}> {
  await using process = new CliProcess(["ajp", ...args]);
  const status = await process.exited();
  const { text, errors, log: { events } } = process;
  return { status, text, events, errors };
}

/** Keeps what a command writes. */
function captureIo(): {
  readonly io: CommandIo;
  readonly output: string[];
  readonly errors: string[];
} {
  const output: string[] = [];
  const errors: string[] = [];
  const io: CommandIo = {
    input: (async function* () {})(),
    write: (text) => Promise.resolve(void output.push(text)),
    writeError: (line) => Promise.resolve(void errors.push(line)),
  };
  return { io, output, errors };
}

/** A folder that is there while a test runs. */
async function withFolder(
  test: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "tribes-ajp-"));
  try {
    await test(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test(
  "tribes ajp request tells tribes ajp serve what it asks",
  options,
  async () => {
    await using server = await serve(`--secret=${SECRET}`);
    assert.match(server.address, /^127\.0\.0\.1:\d+$/);
    const url = `ajp://${server.address}/a%20b?c=d`;
    const { status, events, errors } = await run(
      ...["request", url, `--secret=${SECRET}`, "--data=h\xe9llo"],
      ...["--header", "X-One: 1", "--header", "Content-Type: text/x"],
      ...["--remote-user=jo"],
    );
    assert.equal(errors, "");
    assert.equal(status, 0);
    assert.deepEqual(events, [{
      method: "POST",
      url: `http://${server.address}/a%20b?c=d`,
      headers: [
        ["host", server.address],
        ["x-one", "1"],
        ["content-type", "text/x"],
        ["content-length", "6"],
      ],
      bodyBytes: 6,
      bodySha256: createHash("sha256").update("h\xe9llo").digest("hex"),
      remoteAddress: "127.0.0.1",
      remoteUser: "jo",
      isSsl: false,
      attributes: {},
    }]);
    const stranger = await run("request", url, "--include");
    assert.equal(stranger.status, 0); // it has an answer
    assert.equal(stranger.text[0], "HTTP/1.1 403 Forbidden");
  },
);

test(
  "tribes ajp request sends a file, and writes the bytes of the answer",
  options,
  async () => {
    await withFolder(async (folder) => {
      const file = join(folder, "data");
      const text = "abc\n".repeat(50_000);
      await writeFile(file, text);
      const app = join(folder, "app.mjs");
      await writeFile(
        app,
        `export default {
      status: 207,
      fetch(request, info) {
        return new Response(request.body, {
          status: this.status,
          headers: { "x-method": request.method, "x-user": String(info.remoteUser),
            "x-length": request.headers.get("content-length") },
        });
      },
    };`,
      );
      await using server = await serve(`--app=${app}`);
      const url = `ajp://${server.address}/`;
      const args = ["--data-file", file, "--method=PATCH", "--include"];
      const { status, text: lines, errors } = await run(
        "request",
        url,
        ...args,
      );
      assert.equal(errors, "");
      assert.equal(status, 0);
      const end = lines.indexOf("");
      const head = lines.slice(0, end);
      assert.equal(head[0], "HTTP/1.1 207 Multi-Status");
      assert(head.includes("x-method: PATCH"), head.join());
      assert(head.includes("x-user: null"));
      assert(head.includes(`x-length: ${text.length}`));
      assert.equal(lines.slice(end + 1).join("\n"), text.trimEnd());
    });
  },
);

test("tribes ajp ping tells how long each answer took", options, async () => {
  await using server = await serve();
  const { status, events } = await run("ping", server.address, "--count=3");
  assert.equal(status, 0);
  assert.equal(events.length, 3);
  for (const { event, milliseconds } of events) {
    assert.equal(event, "pong");
    assert(typeof milliseconds === "number" && milliseconds > 0);
  }
});

test(
  "tribes ajp ping and request end with 1 without an answer",
  options,
  async () => {
    const silent = createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as AddressInfo; // it listens
    try {
      const ping = await run("ping", `127.0.0.1:${port}`, "--timeout=200");
      assert.equal(ping.status, 1);
      assert.match(
        ping.errors,
        /^tribes: Cannot ping 127\.0\.0\.1:\d+: no CPONG within 200 ms\n$/,
      );
      assert.deepEqual(ping.events, []);
    } finally {
      silent.close();
    }
    for (
      const args of [["ping", `127.0.0.1:${port}`], [
        "request",
        `ajp://127.0.0.1:${port}/`,
      ]]
    ) {
      const { status, errors } = await run(...args);
      assert.equal(status, 1);
      assert.match(
        errors,
        /^tribes: Cannot connect to 127\.0\.0\.1:\d+: connection refused\n$/,
      );
    }
  },
);

test(
  "tribes ajp serve lets in the attributes that it is told to, and no others",
  options,
  async () => {
    await using server = await serve("--allowed-request-attributes=shop\\..*");
    await using client = new AjpClient(`ajp://${server.address}`);
    const attributes = { "shop.id": "7" };
    const served = await client.fetch("/", {
      ajp: { attributes, lbActivation: "ACT", isSsl: true },
    });
    const told = await served.json();
    assert.deepEqual(told.attributes, {
      "shop.id": "7",
      JK_LB_ACTIVATION: "ACT",
    });
    assert.equal(told.isSsl, true);
    const other = { "a.shop.id": "7" };
    const refused = await client.fetch("/", { ajp: { attributes: other } });
    assert.equal(refused.status, 403);
  },
);

test(
  "tribes ajp serve takes packets as large as it is told",
  options,
  async () => {
    const packetSize = 65_536;
    await using server = await serve(`--packet-size=${packetSize}`);
    await using client = new AjpClient(`ajp://${server.address}`, {
      packetSize,
    });
    const response = await client.fetch("/", {
      headers: { "x-long": "x".repeat(50_000) },
    });
    assert.equal((await response.json()).headers.length, 2);
  },
);

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`tribes ajp serve ends with 0 on ${signal}`, options, async () => {
    await using server = await serve();
    server.kill(signal);
    assert.equal(await server.exited(), 0);
  });
}

test(
  "tribes ajp serve ends with 1 when its port is taken",
  options,
  async () => {
    await using server = await serve();
    const port = server.address.split(":")[1];
    const { status, errors } = await run(
      "serve",
      "--no-secret",
      `--port=${port}`,
    );
    assert.equal(status, 1);
    assert.match(
      errors,
      new RegExp(`^tribes: .*127\\.0\\.0\\.1:${port}: address in use\n$`),
    );
  },
);

test(
  "tribes ajp ends with 2 and names option and value of what is wrong",
  options,
  async () => {
    await withFolder(async (folder) => {
      const noApp = join(folder, "no_app.mjs");
      await writeFile(noApp, "export default 1;");
      const wrong: readonly (readonly [args: string[], text: RegExp])[] = [
        [[], /without a command.*serve, ping, request/],
        [["fly"], /fly/],
        [["serve"], /--secret/],
        [["serve", "--secret="], /--secret/],
        [["serve", "--secret", "a b"], /--secret of 3 characters/],
        [["serve", "--no-secret", "--host=localhost"], /--host "localhost"/],
        [["serve", "--no-secret", "--port=65536"], /--port "65536"/],
        [["serve", "--no-secret", "--packet-size=100"], /--packet-size "100"/],
        [
          ["serve", "--no-secret", "--allowed-request-attributes=("],
          /--allowed-request-attributes "\("/,
        ],
        [
          ["serve", "--no-secret", `--app=${folder}/none.ts`],
          /--app ".*none\.ts"/,
        ],
        [
          ["serve", "--no-secret", `--app=${noApp}`],
          /--app ".*no_app\.mjs".*fetch/,
        ],
        [["serve", "--no-secret", "more"], /more/],
        [["ping"], /host:port/],
        [["ping", "localhost"], /"localhost"/],
        [["ping", "localhost:0"], /"localhost:0"/],
        [["ping", "localhost:8009", "--count=0"], /--count "0"/],
        [["ping", "localhost:8009", "--timeout=x"], /--timeout "x"/],
        [["ping", "localhost:8009", "more"], /more/],
        [["request"], /url/],
        [["request", "http://localhost/"], /"http:\/\/localhost\/"/],
        [["request", "ajp://localhost/", "--header=x"], /--header "x"/],
        [
          ["request", "ajp://localhost/", "--header=a b: c"],
          /--header "a b: c"/,
        ],
        [["request", "ajp://localhost/", "--method=A B"], /--method "A B"/],
        [["request", "ajp://localhost/", "--secret="], /--secret/],
        [
          ["request", "ajp://localhost/", "--remote-user=\u20ac"],
          /--remote-user "\u20ac"/,
        ],
        [
          ["request", "ajp://localhost/", `--data-file=${folder}/none`],
          /--data-file ".*none"/,
        ],
        [
          ["request", "ajp://localhost/", `--data-file=${folder}`],
          /--data-file/,
        ],
        [
          ["request", "ajp://localhost/", "--data=x", `--data-file=${noApp}`],
          /--data-file/,
        ],
        [["request", "ajp://localhost/", "--fly"], /--fly/],
      ];
      for (const [args, text] of wrong) {
        const { io, output, errors } = captureIo();
        const status = await main(["ajp", ...args], io);
        assert.equal(status, 2, `${args.join(" ")}: ${errors}`);
        assert.equal(errors.length, 1);
        assert.match(errors[0]!, /^tribes: [^\n]*$/); // there is one
        assert.match(errors[0]!, text);
        assert.deepEqual(output, []);
      }
    });
  },
);
