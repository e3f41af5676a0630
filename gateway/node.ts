/**
 * The gateway on real sockets, for Deno, Bun and Node.
 *
 * @module
 */
import { NodeTransport } from "../transport/node.ts";
import {
  AjpClient as PortableAjpClient,
  type AjpClientOptions,
} from "./ajp_client.ts";
import {
  type AjpHandler,
  AjpServer,
  type AjpServerOptions,
} from "./ajp_server.ts";

export {
  AjpError,
  type AjpErrorCode,
  type AjpErrorOptions,
  type AjpForwarding,
  type AjpPoolState,
  type AjpRequestInit,
} from "./ajp_client.ts";
export type { AjpClientOptions };
export type { AjpHandlerInfo, AjpServerFault } from "./ajp_server.ts";
export { type AjpHandler, AjpServer, type AjpServerOptions };
export { ajpInfo, nodeHandler } from "./node_handler.ts";

/**
 * Talks AJP13 to a container such as Tomcat, on this machine's sockets.
 *
 * @example Asks what a Tomcat would be asked, in place of `ajp://tomcat:8009`
 * ```ts
 * import { AjpClient, serveAjp } from "@tribes/toolkit/gateway/node";
 * import assert from "node:assert/strict";
 *
 * const secret = "Xk3v9sQb7LmR2wTz8NfJ4hYc6DpG5aUe";
 * await using server = await serveAjp(
 *   { port: 0, secret },
 *   async (request) => new Response(await request.text()),
 * );
 * const url = `ajp://127.0.0.1:${server.address.port}`;
 * await using client = new AjpClient(url, { secret });
 * const response = await client.fetch("/path", { method: "POST", body: "hi" });
 * assert.equal(await response.text(), "hi");
 * ```
 */
export class AjpClient extends PortableAjpClient {
  /**
   * Makes a client; connections are opened when they are needed.
   *
   * @param url The container: `ajp://HOST:PORT`; the port is 8009 without one.
   * @throws {TypeError} For an address that is none, or a secret without a wire form.
   * @throws {RangeError} For an option that is out of its range.
   */
  constructor(url: string | URL, options: AjpClientOptions = {}) {
    super(new NodeTransport(), url, options);
  }
}

/**
 * Serves a Fetch handler to a web server that speaks AJP13, on this machine's sockets.
 *
 * @param options As of {@linkcode AjpServer}; `secret` has to be given.
 * @param handler Answers the requests.
 * @returns The running server, made for `await using`.
 * @throws {TypeError} Without a secret.
 * @throws {RangeError} For an option that is out of its range.
 * @throws {TransportError} When the port cannot be bound.
 * @example Behind `ProxyPass "/" "ajp://127.0.0.1:8009/" secret=...`
 * ```ts
 * import { serveAjp } from "@tribes/toolkit/gateway/node";
 * import assert from "node:assert/strict";
 *
 * const secret = "Xk3v9sQb7LmR2wTz8NfJ4hYc6DpG5aUe";
 * await using server = await serveAjp(
 *   { port: 0, secret },
 *   (request, info) => new Response(`Hello ${info.remoteAddr}\n`),
 * );
 * assert.equal(server.address.hostname, "127.0.0.1");
 * ```
 */
export function serveAjp(
  options: AjpServerOptions,
  handler: AjpHandler,
): Promise<AjpServer> {
  return AjpServer.start(new NodeTransport(), options, handler);
}
