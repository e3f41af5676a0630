/** The server behind a real httpd, for tests. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import {
  type AjpHandler,
  type AjpServer,
  serveAjp,
} from "../../gateway/node.ts";
import {
  type HttpdModule,
  HttpdPeer,
  type HttpdPeerOptions,
} from "../support/httpd_peer.ts";

/** What both sides know. */
export const SECRET = "Xk3v9sQb7LmR2wTz8NfJ4hYc6DpG5aUe";

/**
 * Runs with a server behind httpd, and sees to it that nothing was wrong but connections.
 *
 * @param options Of httpd; with a secret there, faults are the test's business.
 */
export async function behindHttpd(
  module: HttpdModule,
  handler: AjpHandler,
  task: (url: string, httpd: HttpdPeer, server: AjpServer) => Promise<void>,
  options: Partial<HttpdPeerOptions> = {},
  packetSize = 8192,
): Promise<void> {
  const faults: string[] = [];
  await using server = await serveAjp({
    port: 0,
    secret: SECRET,
    packetSize,
    onError: ({ type, error }) => faults.push(`${type}: ${error.message}`),
  }, handler);
  await using httpd = await HttpdPeer.start({
    module,
    port: server.address.port,
    secret: SECRET,
    ...options,
  });
  await task(httpd.url, httpd, server);
  await httpd.stop();
  if (options.secret === undefined) {
    assert.deepEqual(faults.filter((text) => !/^connection/.test(text)), []);
  }
}

/** A reply, byte for byte. */
export interface RawReply {
  readonly status: number;
  /** The lines after the status line. */
  readonly headers: readonly string[];
  /** What follows the headers, a character for each byte. */
  readonly body: string;
}

/**
 * Sends a request as it is written, which clients do not always do, and gives the reply up to the
 * end of the connection: the request has to say `Connection: close`.
 *
 * @param text A character for each byte.
 */
export function sendRaw(url: string, text: string): Promise<RawReply> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let received = "";
    socket.setEncoding("latin1");
    socket.on("data", (data: string) => received += data);
    socket.on("error", reject);
    socket.on("end", () => {
      const end = received.indexOf("\r\n\r\n");
      const [head = "", ...headers] = received.slice(0, end).split("\r\n");
      const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
      resolve({ status, headers, body: received.slice(end + 4) });
    });
    socket.write(text, "latin1");
  });
}
