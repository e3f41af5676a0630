// An Express application behind Apache httpd:
//
//   AJP_SECRET=... deno run -A examples/ajp_express.ts     (or: bun examples/ajp_express.ts)
//
// and in httpd:  ProxyPass "/" "ajp://127.0.0.1:8009/" secret=...
//
// Express wants the objects of node:http. `nodeHandler` makes them of a request, for this and for any
// other function that `createServer` takes.
import express from "express";
import { Buffer } from "node:buffer";
import {
  IncomingMessage,
  type RequestListener,
  ServerResponse,
} from "node:http";
import { Socket } from "node:net";
import process from "node:process";
import { type AjpHandler, serveAjp } from "@tribes/toolkit/gateway/node";

/** Makes a handler of what node:http calls a request listener. */
export function nodeHandler(listener: RequestListener): AjpHandler {
  return (request, info) =>
    new Promise((resolve) => {
      // Never connected: it only says who the client is.
      const socket = Object.defineProperties(new Socket(), {
        remoteAddress: { value: info.remoteAddr ?? undefined },
        remotePort: { value: info.remotePort ?? undefined },
        encrypted: { value: info.isSsl },
      });
      const message = new IncomingMessage(socket);
      const { pathname, search } = new URL(request.url);
      message.method = request.method;
      message.url = pathname + search;
      message.headers = Object.fromEntries(request.headers);
      message.rawHeaders = info.rawHeaders.flat();
      message.httpVersion = "1.1";
      readInto(message, request.body ?? info.body);
      const response = new ServerResponse(message);
      sendThrough(response, resolve);
      request.signal.addEventListener("abort", () => {
        message.destroy();
        response.emit("close");
      }, { once: true });
      listener(message, response);
    });
}

/** Pulls a body into a message, no faster than it is read. */
function readInto(
  message: IncomingMessage,
  body: ReadableStream<Uint8Array> | null,
): void {
  const reader = body?.getReader();
  let reading = false;
  message._read = async () => {
    if (reading) return;
    reading = true;
    try {
      for (let more = true; more;) {
        const { value = null } = await reader?.read() ?? {};
        more = message.push(value) && value !== null;
      }
    } catch (error) {
      message.destroy(error instanceof Error ? error : undefined);
    }
    reading = false;
  };
}

/** Hands on what is written to a response, as it is written. */
function sendThrough(
  response: ServerResponse,
  resolve: (response: Response) => void,
): void {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  let ended = false;
  const begin = (body: BodyInit | null) => {
    const headers = new Headers();
    for (const [name, value] of Object.entries(response.getHeaders())) {
      for (const one of [value ?? []].flat()) headers.append(name, `${one}`);
    }
    resolve(new Response(body, { status: response.statusCode, headers }));
  };
  const stream = () => {
    if (controller !== undefined) return;
    begin(
      new ReadableStream({
        start: (given) => {
          controller = given;
        },
        pull: () => void response.emit("drain"),
        cancel: () => void response.emit("close"),
      }),
    );
  };
  Object.defineProperty(response, "headersSent", {
    get: () => controller !== undefined || ended,
  });
  response.writeHead = (status: number, ...rest: unknown[]) => {
    response.statusCode = status;
    const headers = rest.at(-1);
    if (typeof headers === "object" && headers !== null) {
      for (const [name, value] of Object.entries(headers)) {
        response.setHeader(name, value);
      }
    }
    return response;
  };
  response.flushHeaders = stream;
  response.write = (part: unknown, ...rest: unknown[]) => {
    stream();
    controller?.enqueue(bytesOf(part, rest));
    callLast(rest);
    return (controller?.desiredSize ?? 1) > 0;
  };
  response.end = (...args: unknown[]) => {
    if (ended) return response;
    ended = true;
    const [part, ...rest] = args;
    const bytes = part === undefined || part === null ||
        typeof part === "function"
      ? undefined
      : bytesOf(part, rest);
    if (controller === undefined) begin(bytes ?? null);
    else {
      if (bytes !== undefined) controller.enqueue(bytes);
      controller.close();
    }
    callLast(args);
    response.emit("finish");
    return response;
  };
}

/** Bytes of a part, which may be text in an encoding. */
function bytesOf(
  part: unknown,
  [encoding]: unknown[],
): Uint8Array<ArrayBuffer> {
  if (part instanceof Uint8Array) return new Uint8Array(part);
  const name = typeof encoding === "string" ? encoding : "utf8";
  return new Uint8Array(Buffer.from(String(part), name as BufferEncoding));
}

function callLast(args: readonly unknown[]): void {
  const last = args.at(-1);
  if (typeof last === "function") last();
}

/** The application. */
export const app: express.Express = express();

app.get("/", (request, response) => {
  response.send(`Hello ${request.ip}${request.secure ? ", over TLS" : ""}\n`);
});
app.get("/hello/:name", (request, response) => {
  response.json({ hello: request.params.name });
});
app.post("/echo", express.raw({ type: () => true }), (request, response) => {
  response.send(request.body);
});

if (import.meta.main) {
  const { AJP_SECRET } = process.env;
  if (!AJP_SECRET) throw new TypeError("Cannot start without AJP_SECRET");
  const server = await serveAjp({ secret: AJP_SECRET }, nodeHandler(app));
  console.log(`AJP on port ${server.address.port}`);
  process.once("SIGTERM", () => server.close());
}
