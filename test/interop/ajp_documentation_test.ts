// docs/behind-apache-httpd.md, run as it is printed. What is replaced: the ports 8009 and 8010 and the
// port of http://localhost by free ones, paths of files by those of a folder of the test, and
// REPLACE-WITH-48-HEX-DIGITS by a secret that the page's own command made, or by a wrong one.
import assert from "node:assert/strict";
import {
  type ChildProcessWithoutNullStreams,
  execFile,
  execFileSync,
  spawn,
} from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join, posix } from "node:path";
import process from "node:process";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { serveAjp } from "../../gateway/node.ts";
import { CliProcess } from "../support/cli_process.ts";
import { Documentation, shellWords } from "../support/documentation.ts";
import { HttpdPeer, needsHttpd } from "../support/httpd_peer.ts";
import { freePort } from "../support/java_peer.ts";

const page = Documentation.read("docs/behind-apache-httpd.md");
const PLACEHOLDER = "REPLACE-WITH-48-HEX-DIGITS";
// Made as the page says, so that httpd takes what its readers will have.
const SECRET = makeSecret();
const WRONG = "another-secret";
const JK = ["With mod_jk", "apache", 0] as const;
const WORKERS = ["With mod_jk", "properties", 0] as const;

// Inside the project, so that a program of the page finds "@tribes/toolkit".
const build = fileURLToPath(new URL("../../build", import.meta.url));
mkdirSync(build, { recursive: true });
const folder = mkdtempSync(join(build, "documentation-"));
const shop = join(folder, "shop.ts");

let served: CliProcess;
let port: number;

before(async () => {
  writeFileSync(shop, take("The application", "ts"));
  served = await serve(take("The application", "sh", 1));
  port = portOf(served);
});

after(async () => {
  served.kill("SIGTERM");
  assert.equal(await served.exited(), 0, served.errors);
  rmSync(folder, { recursive: true });
});

test("the secret's command makes a secret", () => {
  assert.match(SECRET, /^[0-9a-f]{48}$/);
  assert.ok(page.text.includes(PLACEHOLDER));
});

test("the commands without httpd find the application", async () => {
  const [pong, reply] = await run(take("The application", "sh", 2));
  assert.match(pong!, /^\{"event":"pong","milliseconds":[\d.]+\}\n$/);
  assert.equal(reply, take("The application", "text"));
  const [again, included] = await run(
    take("When it does not work", "sh"),
  );
  assert.match(again!, /"pong"/);
  assert.match(
    included!,
    /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nGET \/shop\/cart,/,
  );
});

test("mod_proxy_ajp as printed", needsHttpd(), async () => {
  const snippet = take("With mod_proxy_ajp", "apache", 0);
  await using httpd = await startProxyAjp(snippet);
  const [reply] = await run(take("With mod_proxy_ajp", "sh"), httpd);
  assert.equal(reply, take("With mod_proxy_ajp", "text"));
  const dropped = await get(httpd, "/shop/cart");
  assert.equal(dropped.headers["content-length"], undefined);
  await refuses(startProxyAjp(snippet.replaceAll(SECRET, WRONG)));
  await assert.rejects(
    startProxyAjp(snippet.replaceAll(SECRET, "x".repeat(64))),
    /Secret length must be < 64 characters/,
  );
  const without = snippet.replaceAll(` secret=${SECRET}`, "");
  assert.notEqual(without, snippet);
  await refuses(startProxyAjp(without));

  const trusting = take("With mod_proxy_ajp", "apache", 1);
  await using trusted = await startProxyAjp(trusting);
  const kept = await get(trusted, "/shop/cart");
  assert.equal(kept.headers["content-length"], `${kept.text.length}`);
});

test("mod_jk as printed", needsHttpd(), async () => {
  const snippet = take(...JK);
  const workers = take(...WORKERS);
  await using httpd = await startJk(snippet, workers);
  for (const path of ["/shop", "/shop/", "/shop/cart"]) {
    const reply = await get(httpd, path);
    assert.equal(reply.text, `GET ${path}, 0 bytes\n`);
  }
  assert.equal((await get(httpd, "/shopping")).status, 404);
  await refuses(startJk(snippet, workers.replaceAll(SECRET, WRONG)));
  await refuses(startJk(snippet, workers.replace(/^.*secret=.*\n/m, "")));

  const copied = take("With mod_jk", "apache", 1);
  await using copy = await startJk(copied, workers);
  assert.equal((await get(copy, "/shop/cart")).status, 200);
  const missing = copied.replace(/^ *JkMountCopy On\n/m, "");
  assert.notEqual(missing, copied);
  await using lost = await startJk(missing, workers);
  assert.equal((await get(lost, "/shop/cart")).status, 404);
});

test("large headers as printed", needsHttpd(), async () => {
  await using large = await serve(take("Large headers", "sh"));
  const ports = [portOf(large)] as const;
  const snippet = take("Large headers", "apache");
  assert.match(page.text, /besides `LimitRequestFieldSize 32768` in httpd/);
  const jk = `LimitRequestFieldSize 32768\n${take(...JK)}`;
  const workers = take("Large headers", "properties");
  const headers = { "x-large": "x".repeat(30_000) };
  for (
    const start of [
      (text: string) =>
        startProxyAjp(snippet.replaceAll(SECRET, text), { ports }),
      (text: string) =>
        startJk(jk, workers.replaceAll(SECRET, text), { ports }),
    ]
  ) {
    await using httpd = await start(SECRET);
    const reply = await get(httpd, "/shop/cart", { headers });
    assert.equal(reply.status, 200, httpd.log);
    const longer = { "x-large": "x".repeat(33_000) };
    const refused = await get(httpd, "/shop/cart", { headers: longer });
    assert.equal(refused.status, 400);
    await refuses(start(WRONG));
  }
  large.kill("SIGTERM");
  assert.equal(await large.exited(), 0);
});

test("timeouts as printed", needsHttpd(), async () => {
  const snippet = take("Timeouts", "apache");
  const workers = take("Timeouts", "properties");
  for (
    const start of [
      (text: string) => startProxyAjp(snippet.replaceAll(SECRET, text)),
      (text: string) => startJk(take(...JK), workers.replaceAll(SECRET, text)),
    ]
  ) {
    await using httpd = await start(SECRET);
    assert.equal((await get(httpd, "/shop/cart")).status, 200, httpd.log);
    await refuses(start(WRONG));
  }
});

test("users and attributes as printed", needsHttpd(), async () => {
  const program = take("Users and attributes", "ts");
  const file = join(folder, "users.ts");
  writeFileSync(file, withPorts(program, [0]));
  const flags = "deno" in process.versions ? ["run", "-A"] : [];
  const child = spawn(process.execPath, [...flags, file]);
  const stopped = once(child, "close");
  try {
    const ports = [await listeningPort(child)] as const;
    const proxy = take("Users and attributes", "apache", 0);
    const jk = take("Users and attributes", "apache", 1);
    const command = take("Users and attributes", "sh");
    const expected = take("Users and attributes", "text");
    const workers = take(...WORKERS);
    for (
      const start of [
        (text: string) =>
          startProxyAjp(proxy.replaceAll(SECRET, text), { ports }),
        (text: string) =>
          startJk(jk, workers.replaceAll(SECRET, text), { ports }),
      ]
    ) {
      await using httpd = await start(SECRET);
      const [reply] = await run(command, httpd);
      assert.equal(reply, expected);
      await refuses(start(WRONG));
    }
    await userIsBelieved(proxy, ports);
  } finally {
    if (child.pid !== undefined) process.kill(child.pid, "SIGKILL");
    await stopped;
  }
});

test("path by path, and two of ours, as printed", needsHttpd(), async () => {
  await using second = await serveAjp(
    { port: 0, secret: SECRET },
    (_request, info) => new Response(`second ${info.jvmRoute}`),
  );
  const ports = [port, second.address.port] as const;
  const workers = take("Path by path", "properties");
  const paths = [
    (text: string) =>
      startProxyAjp(
        take("Path by path", "apache", 0).replaceAll(SECRET, text),
        { ports },
      ),
    (text: string) =>
      startJk(
        take("Path by path", "apache", 1),
        workers.replaceAll(SECRET, text),
        { ports },
      ),
  ];
  for (const start of paths) {
    await using httpd = await start(SECRET);
    assert.match(
      (await get(httpd, "/shop/api/x")).text,
      /^GET \/shop\/api\/x,/,
    );
    assert.match((await get(httpd, "/shop/x")).text, /^second/);
    await refuses(start(WRONG));
  }

  const balancer = take("Two of ours", "apache");
  const lb = take("Two of ours", "properties");
  assert.match(page.text, /`JkMount \/shop\/\* shop` as above/);
  const members = [
    (text: string) =>
      startProxyAjp(balancer.replaceAll(SECRET, text), { ports }),
    (text: string) =>
      startJk(take(...JK), lb.replaceAll(SECRET, text), { ports }),
  ];
  for (const [i, start] of members.entries()) {
    await using httpd = await start(SECRET);
    const replies = [];
    for (let i = 0; i < 4; i++) {
      replies.push((await get(httpd, "/shop/x")).text);
    }
    const ours = replies.filter((text) => text.startsWith("GET"));
    assert.equal(ours.length, 2, replies.join());
    // mod_jk tells the route always, mod_proxy_ajp only that of a session.
    const route = i === 0 ? "second null" : "second two";
    assert.equal(replies.filter((text) => text === route).length, 2);
    const headers = { cookie: "JSESSIONID=x.two" };
    for (let i = 0; i < 3; i++) {
      const sticky = await get(httpd, "/shop/x", { headers });
      assert.equal(sticky.text, "second two");
    }
    await refuses(start(WRONG));
  }
});

for (const path of ["README.md", "README.zh.md"]) {
  const heading = path === "README.md"
    ? "Behind Apache httpd, and towards a Tomcat"
    : "位于 Apache httpd 之后,以及连接 Tomcat";
  test(`${path} as printed`, needsHttpd(), async () => {
    const readme = Documentation.read(path);
    const take = (language: string) =>
      readme.take(heading, language).replaceAll(PLACEHOLDER, SECRET);
    const [first, ping, request] = take("sh").trim()
      .replaceAll("npx --yes deno@2.9.5", "deno").split("\n");
    await using shown = await serve(first!); // serve() says what is missing
    const ports = [portOf(shown)] as const;
    const [pong, reply] = await run(`${ping}\n${request}`, undefined, ports);
    assert.match(pong!, /"pong"/);
    assert.equal(JSON.parse(reply!).method, "GET");
    const snippet = take("apache");
    await using httpd = await startProxyAjp(snippet, { ports });
    const { url } = JSON.parse((await get(httpd, "/shop")).text);
    assert.equal(url, `${httpd.url}/shop`);
    await refuses(startProxyAjp(snippet.replace(SECRET, WRONG), { ports }));
    // The fenced program is a test of the documentation's own.
    assert.match(take("ts"), /serveAjp/);
    const unused = readme.unused();
    const ours = readme.fences.filter((fence) => fence.heading === heading);
    for (const { line, language } of ours) {
      assert.ok(!unused.includes(`${path}:${line} ${language}`));
    }
  });
}

/** The anchor that a heading gets. */
function anchorOf(heading: string): string {
  return heading.toLowerCase().replace(/[^\p{L}\p{N}_ -]/gu, "")
    .replaceAll(" ", "-");
}

function makeSecret(): string {
  const [file = "", ...args] = shellWords(
    page.take("The application", "sh", 0).trim(),
  );
  return execFileSync(file, args, { encoding: "utf8" }).trim();
}

/** Takes a block of the page, with our secret in it. */
function take(heading: string, language: string, index = 0): string {
  return page.take(heading, language, index).replaceAll(PLACEHOLDER, SECRET);
}

/** How each failure of the page is made; what httpd asks is `GET /shop/cart` unless said. */
interface Failure {
  readonly module?: { readonly apache?: string; readonly workers?: string };
  readonly target?: "nothing" | "silent" | "slow";
  readonly secret?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** What the body of httpd's page has to hold. */
  readonly text?: RegExp;
  /** What `tribes ajp ping` says. */
  readonly ping?: RegExp;
}

const FAILURES: Readonly<Record<string, Failure>> = {
  "503, 503: nothing listens": {
    target: "nothing",
    ping: /connection refused/,
  },
  "503, 503: it listens and does not answer": {
    target: "silent",
    module: { apache: "ping=1", workers: "ping_mode=A\nping_timeout=1000" },
    ping: /no CPONG within/,
  },
  "403, 403: the secret": { secret: WRONG },
  "403, 403: a request attribute": {},
  "400, 400: a long header line": {
    headers: { "x-large": "x".repeat(8200) },
    text: /Size of a request header field exceeds server limit\./,
  },
  "400, 413: headers larger than a packet": {
    headers: { "X-Other": "x".repeat(5000), "X-Large": "x".repeat(5000) },
  },
  "500, 500: packet sizes differ": {
    module: { workers: "max_packet_size=65536" },
    headers: { "X-Other": "x".repeat(5000), "X-Large": "x".repeat(5000) },
  },
  "500, 500: the application failed": { path: "/shop/fails" },
  "503, 504: the reply took too long": {
    target: "slow",
    module: { apache: "timeout=1", workers: "reply_timeout=500" },
  },
  "404, 404: httpd keeps the request": {
    path: "/elsewhere",
    text: /Not Found/,
  },
};

test("the page and this test know the same failures", () => {
  const headings = page.headings.filter((heading) => /^\d{3}, /.test(heading));
  assert.deepEqual(headings, Object.keys(FAILURES));
});

for (const [heading, failure] of Object.entries(FAILURES)) {
  test(`what to check: ${heading}`, needsHttpd(), async () => {
    await checkFailure(heading, failure);
  });
}

test("the Chinese page has the same blocks and the same failures", () => {
  const other = Documentation.read("docs/behind-apache-httpd.zh.md");
  const blocks = ({ fences }: Documentation) =>
    fences.map(({ language, text }) => `${language}\n${text}`);
  assert.deepEqual(blocks(other), blocks(page));
  const codes = ({ headings }: Documentation) =>
    headings.map((heading) => /^\d{3}, \d{3}: /.exec(heading)?.[0]);
  assert.deepEqual(codes(other), codes(page));
});

test("links within the documentation lead somewhere", () => {
  const paths = [
    "docs/behind-apache-httpd.md",
    "docs/behind-apache-httpd.zh.md",
    "docs/three-modules.md",
    "README.md",
    "README.zh.md",
  ];
  let links = 0;
  for (const path of paths) {
    const { text } = Documentation.read(path);
    const prose = text.replace(/^```[^]*?^```$/gm, "");
    for (const [, link = ""] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      const [file = "", anchor] = link.split("#");
      const target = file === "" ? path : posix.join(posix.dirname(path), file);
      const { headings } = Documentation.read(target);
      if (anchor === undefined) continue;
      assert.ok(headings.map(anchorOf).includes(anchor), `${path}: ${link}`);
      links++;
    }
  }
  assert.ok(links > 20);
});

// The last one: it looks at what the others have taken.
test("every block of the page is run", needsHttpd(), () => {
  assert.deepEqual(page.unused(), []);
});

async function checkFailure(heading: string, failure: Failure): Promise<void> {
  const { target, secret = SECRET, path = "/shop/cart" } = failure;
  let log = "";
  await using failing = await failingServer((line) =>
    log += `tribes: ${line}\n`
  );
  await using silent = await silentServer();
  const backend = target === "nothing"
    ? await freePort()
    : target === "silent"
    ? silent.port
    : failing.address.port;
  if (failure.ping !== undefined) {
    await using ping = new CliProcess(
      ["ajp", "ping", `127.0.0.1:${backend}`, "--timeout", "500"],
    );
    assert.equal(await ping.exited(), 1);
    assert.match(ping.errors, failure.ping);
  }
  const ports = [backend] as const;
  const attribute = heading.includes("attribute");
  const sizes = heading.includes("packet sizes");
  const proxy = take("With mod_proxy_ajp", "apache", 0)
    .replace(/$/m, sizes ? "\nProxyIOBufferSize 65536" : "")
    .replace(
      `secret=${SECRET}`,
      `secret=${secret} ${failure.module?.apache ?? ""}`,
    );
  const workers = take(...WORKERS).replace(SECRET, secret) +
    (failure.module?.workers ?? "").replace(/^(?=.)/gm, "worker.shop.");
  const jk = take(...JK);
  const statuses: number[] = [];
  for (
    const start of [
      () =>
        startProxyAjp(attribute ? `SetEnv AJP_colour x\n${proxy}` : proxy, {
          ports,
        }),
      () =>
        startJk(
          attribute ? `SetEnv colour x\nJkEnvVar colour\n${jk}` : jk,
          workers,
          { ports },
        ),
    ]
  ) {
    await using httpd = await start();
    const reply = await get(httpd, target === "slow" ? "/shop/slow" : path, {
      headers: failure.headers ?? {},
    });
    statuses.push(reply.status);
    if (failure.text !== undefined) assert.match(reply.text, failure.text);
    await httpd.stop();
    log += httpd.log;
  }
  assert.deepEqual(statuses, heading.match(/\d{3}/g)!.map(Number), log);
  const printed =
    page.fences.some((fence) =>
        fence.heading === heading && fence.language === "log"
      )
      ? take(heading, "log").trim().split("\n")
      : [];
  for (const line of printed) {
    const real = line.replaceAll("8009", `${backend}`);
    assert.ok(log.includes(real), `${real}\nis not in\n${log}`);
  }
}

/** An application that fails and idles as the page says. */
function failingServer(heard: (line: string) => void) {
  const onError = ({ error }: { readonly error: Error }) =>
    heard(error.message);
  return serveAjp(
    { port: 0, secret: SECRET, onError, closeTimeout: 0 },
    async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/shop/fails") throw new Error("No such article");
      if (pathname === "/shop/slow") {
        await new Promise((resolve) =>
          request.signal.addEventListener("abort", resolve)
        );
      }
      return new Response("fine");
    },
  );
}

/** Takes connections and says nothing. */
async function silentServer(): Promise<AsyncDisposable & { port: number }> {
  const server: Server = createServer((socket) => {
    socket.on("error", () => {});
    socket.resume();
  });
  await new Promise<void>((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve())
  );
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return {
    port: address.port,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

/** A user that httpd asks for a password reaches the application, and is believed there. */
async function userIsBelieved(
  snippet: string,
  ports: readonly number[],
): Promise<void> {
  // Not in `folder`: httpd's children, which read it, need not be able to reach the project.
  await using place = await temporaryFolder();
  const passwords = join(place.path, "passwords");
  // {SHA} of "secret"
  writeFileSync(passwords, "duke:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n");
  await using httpd = await startProxyAjp(snippet, {
    ports,
    modules: ["authn_core", "authn_file", "auth_basic", "authz_user"],
    extra: [
      '<Location "/shop">',
      "AuthType Basic",
      "AuthName shop",
      `AuthUserFile "${passwords}"`,
      "Require valid-user",
      "</Location>",
    ],
  });
  const headers = { authorization: `Basic ${btoa("duke:secret")}` };
  const reply = await get(httpd, "/shop/cart", { headers });
  assert.equal(reply.text, "user duke, colour blue\n", httpd.log);
  assert.equal((await get(httpd, "/shop/cart")).status, 401);
}

async function temporaryFolder(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), "tribes-documentation-"));
  await chmod(path, 0o755);
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true }),
  };
}

interface StartOptions {
  /** In place of 8009 and 8010. */
  readonly ports?: readonly number[];
  readonly modules?: readonly string[];
  readonly extra?: readonly string[];
}

function startProxyAjp(
  snippet: string,
  options: StartOptions = {},
): Promise<HttpdPeer> {
  const { ports = [port], ...rest } = options;
  return HttpdPeer.start({
    module: "proxy_ajp",
    port: ports[0]!, // one at least
    snippet: withPorts(snippet, ports),
    ...rest,
  });
}

let files = 0;

function startJk(
  snippet: string,
  workers: string,
  options: StartOptions = {},
): Promise<HttpdPeer> {
  const { ports = [port], ...rest } = options;
  const workersFile = join(folder, `workers-${++files}.properties`);
  const text = snippet
    .replace("/etc/libapache2-mod-jk/workers.properties", workersFile)
    .replace("/var/log/apache2/jk-runtime-status", `${workersFile}.shm`)
    .replace("/var/log/apache2/mod_jk.log", "|/bin/cat");
  return HttpdPeer.start({
    module: "jk",
    port: ports[0]!, // one at least
    snippet: text,
    workersFile,
    workers: withPorts(workers, ports),
    ...rest,
  });
}

/** Puts the real ports in place of 8009 and 8010; a port that is not given must not be needed. */
function withPorts(text: string, ports: readonly number[]): string {
  return text.replace(/\b80(09|10)\b/g, (word) => {
    const real = ports[word === "8009" ? 0 : 1];
    assert.ok(real !== undefined, `${word} is not expected in\n${text}`);
    return `${real}`;
  });
}

async function refuses(starting: Promise<HttpdPeer>): Promise<void> {
  await using httpd = await starting;
  assert.equal((await get(httpd, "/shop/cart")).status, 403, httpd.log);
}

/** Starts what a block of one `deno task tribes ajp serve` says. */
async function serve(block: string): Promise<CliProcess> {
  const started = new CliProcess(
    tribesArguments(withPorts(block.trim(), [0]).replace("shop.ts", shop)),
  );
  await started.waitFor("ready");
  return started;
}

function portOf(started: CliProcess): number {
  const address = String(started.log.events[0]?.address);
  return Number(address.slice(address.lastIndexOf(":") + 1));
}

function tribesArguments(line: string): string[] {
  const [deno, task, tribes, ...args] = shellWords(line);
  assert.deepEqual([deno, task, tribes], ["deno", "task", "tribes"]);
  return args;
}

/** Runs the commands of a block to their ends and gives what each wrote. */
async function run(
  block: string,
  httpd?: HttpdPeer,
  ports: readonly number[] = [port],
): Promise<string[]> {
  const outputs: string[] = [];
  for (const line of block.trim().split("\n")) {
    const words = shellWords(withPorts(line, ports))
      .map((word) =>
        word.replace("http://localhost", httpd?.url ?? "no httpd")
      );
    outputs.push(await output(words));
  }
  return outputs;
}

async function output(words: readonly string[]): Promise<string> {
  const ours = words.slice(0, 3).join(" ") === "deno task tribes";
  const flags = "deno" in process.versions ? ["run", "-A"] : [];
  const main = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
  const [file = "", ...args] = ours
    ? [process.execPath, ...flags, main, ...words.slice(3)]
    : words;
  const { stdout } = await promisify(execFile)(file, args);
  return stdout;
}

/** Reads the port from what the program says. */
function listeningPort(child: ChildProcessWithoutNullStreams): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (chunk: string) => {
        text += chunk;
        const port = /^Listening on port (\d+)$/m.exec(text)?.[1];
        if (port !== undefined) resolve(Number(port));
      });
    }
    child.on("error", reject);
    child.on("close", () => reject(new Error(`It ended: ${text}`)));
  });
}

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** As a client that adds nothing of its own but Host. */
function get(
  httpd: HttpdPeer,
  path: string,
  options: {
    readonly method?: string;
    readonly headers?: Readonly<Record<string, string>>;
  } = {},
): Promise<Reply> {
  const { method = "GET", headers = {} } = options;
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${httpd.url}${path}`, {
      method,
      headers: { ...headers },
      agent: false,
    }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => text += chunk);
      response.on("error", reject);
      response.on("end", () => {
        const { statusCode: status = 0, headers } = response;
        resolve({ status, headers, text });
      });
    });
    request.on("error", reject);
    request.end();
  });
}
