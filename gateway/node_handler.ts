// Makes an AjpHandler of a request listener of node:http: of Express, and whatever else createServer takes.
//
// Plan. A listener gets a genuine IncomingMessage and a genuine ServerResponse, on a socket that is none.
// What would read from the socket or write to it is replaced on the objects themselves: frameworks
// change their prototypes. Headers are kept where node:http keeps them.
//
// - The body of a request is pulled when the listener reads.
// - A response begins with its first part, its end or flushHeaders, and its parts wait in a queue of
//   ours until they are pulled; `write` says no from the high-water mark on, and `drain` follows.
// - `finish` says that all parts are taken, `close` that it is over, whole or not. What destroys the
//   message's socket or the response cuts the response off, and nothing is heard of a client that left.
import type { IncomingMessage, RequestListener } from "node:http";
import type { AjpHandler, AjpHandlerInfo } from "./ajp_server.ts";
import { makeMessage } from "./node_handler_message.ts";
import { NodeExchange } from "./node_handler_response.ts";

/**
 * Makes a handler of a function that `createServer` of node:http takes, such as an Express application.
 *
 * The listener sees the client, not the front end: `socket` has its address and says whether it came over TLS,
 * and `url` is as it was sent. {@linkcode ajpInfo} has the rest. There are no upgrades, interim
 * responses or trailers.
 *
 * What it throws, or an asynchronous one rejects with, is reported and answered with status 500; a response
 * of which a part has left is cut off.
 *
 * @param listener Answers the requests.
 * @example Serves a listener of node:http
 * ```ts
 * import { AjpClient, nodeHandler, serveAjp } from "@tribes/toolkit/gateway/node";
 * import assert from "node:assert/strict";
 *
 * const secret = "Xk3v9sQb7LmR2wTz8NfJ4hYc6DpG5aUe";
 * const handler = nodeHandler((request, response) => {
 *   response.setHeader("x-method", request.method ?? "");
 *   response.end(`Hello ${request.url}`);
 * });
 * await using server = await serveAjp({ port: 0, secret }, handler);
 * const url = `ajp://127.0.0.1:${server.address.port}`;
 * await using client = new AjpClient(url, { secret });
 * const response = await client.fetch("/path?query");
 * assert.equal(await response.text(), "Hello /path?query");
 * ```
 */
export function nodeHandler(listener: RequestListener): AjpHandler {
  return (request, info) => {
    const message = makeMessage(request, info);
    INFO.set(message, info);
    const exchange = new NodeExchange(message, request.signal);
    void run(listener, message, exchange);
    return exchange.begun;
  };
}

/**
 * Gives what AJP says about a request besides the request itself.
 *
 * @param message What a listener of {@linkcode nodeHandler} was given; `undefined` for any other.
 */
export function ajpInfo(message: IncomingMessage): AjpHandlerInfo | undefined {
  return INFO.get(message);
}

const INFO = new WeakMap<IncomingMessage, AjpHandlerInfo>();

/** Never rejects. */
async function run(
  listener: RequestListener,
  message: IncomingMessage,
  exchange: NodeExchange,
): Promise<void> {
  try {
    // Its type has no result, and many a listener is asynchronous all the same.
    await listener(message, exchange.response);
  } catch (error) {
    exchange.destroy(error);
  }
}
