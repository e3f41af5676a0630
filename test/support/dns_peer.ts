/**
 * A real DNS server, dnsmasq, on a free port of 127.0.0.1, with the records of a test.
 *
 * ```ts ignore
 * await using dns = await DnsPeer.start();
 * await dns.publish({ "tomcat.test": ["10.0.0.1", "10.0.0.2"] });
 * const addresses = await dnsResolver([dns.address])("tomcat.test", { signal });
 * ```
 *
 * @module
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { skipMissing } from "./java_peer.ts";

const PROGRAM = ["/usr/sbin/dnsmasq", "/usr/bin/dnsmasq"].find(existsSync);

/** Options for `node:test` of a test that needs dnsmasq: skips aloud where it is missing. */
export function needsDns(): { skip: boolean; timeout: number } {
  const missing = PROGRAM === undefined
    ? "No DNS peer: dnsmasq is not installed; .ci/install-peers gets dnsmasq-base"
    : undefined;
  return { skip: skipMissing(missing) !== undefined, timeout: 30_000 };
}

/** A running dnsmasq that knows the published names and no others. */
export class DnsPeer implements AsyncDisposable {
  /** Where it answers: `127.0.0.1:PORT`. */
  readonly address: string;
  readonly #folder: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<void>;
  #log = "";
  #notify: (() => void) | undefined;
  #running = true;

  private constructor(port: number, folder: string) {
    this.address = `127.0.0.1:${port}`;
    this.#folder = folder;
    this.#child = spawn(PROGRAM ?? "dnsmasq", [
      "--keep-in-foreground",
      "--log-facility=-",
      "--conf-file=/dev/null",
      "--pid-file=",
      "--user=",
      "--no-resolv",
      "--no-hosts",
      "--local=/test/", // what is not published does not exist
      "--bind-interfaces",
      "--listen-address=127.0.0.1",
      `--port=${port}`,
      `--addn-hosts=${join(folder, "hosts")}`,
    ]);
    this.#child.stderr.setEncoding("utf8");
    this.#child.stderr.on("data", (text: string) => {
      this.#log += text;
      this.#notify?.();
    });
    this.#ended = new Promise((resolve) => {
      const end = () => {
        this.#running = false;
        this.#notify?.();
        resolve();
      };
      this.#child.on("error", end);
      this.#child.on("close", end);
    });
  }

  /** Starts a server that knows no name. */
  static async start(): Promise<DnsPeer> {
    // dnsmasq cannot be told to take any free port; one that looks free may be taken before it binds,
    // or for TCP, which it serves too. Then it says so, and another port will do.
    for (let left = 20;; left--) {
      const folder = mkdtempSync(join(tmpdir(), "dns-peer-"));
      writeFileSync(join(folder, "hosts"), "");
      const peer = new DnsPeer(await freeUdpPort(), folder);
      try {
        await peer.#logged(0);
        return peer;
      } catch (error) {
        await peer[Symbol.asyncDispose]();
        if (left === 0 || !peer.#log.includes("Address already in use")) {
          throw error;
        }
      }
    }
  }

  /** Replaces all names, which end with `.test`, and their addresses. */
  async publish(
    names: Readonly<Record<string, readonly string[]>>,
  ): Promise<void> {
    const lines = Object.entries(names).flatMap(([name, addresses]) =>
      addresses.map((address) => `${address} ${name}\n`)
    );
    writeFileSync(join(this.#folder, "hosts"), lines.join(""));
    const from = this.#log.length;
    // The child's own kill() does it once only on Deno.
    if (this.#child.pid !== undefined) process.kill(this.#child.pid, "SIGHUP");
    await this.#logged(from);
  }

  /** Ends the server. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#running && this.#child.pid !== undefined) {
      process.kill(this.#child.pid, "SIGKILL");
    }
    await this.#ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Waits until it has said that it read the file, after a place of its log. */
  async #logged(from: number): Promise<void> {
    while (!/read .*hosts - \d+ /.test(this.#log.slice(from))) {
      if (!this.#running) throw new Error(`dnsmasq has ended: ${this.#log}`);
      await new Promise<void>((resolve) => {
        this.#notify = resolve;
      });
    }
  }
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(0, "127.0.0.1", resolve);
  });
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}
