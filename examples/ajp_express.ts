// An Express application behind Apache httpd:
//
//   AJP_SECRET=... deno run -A examples/ajp_express.ts     (or: bun examples/ajp_express.ts)
//
// and in httpd:  ProxyPass "/" "ajp://127.0.0.1:8009/" secret=...
//
// `nodeHandler` serves whatever createServer of node:http takes.
import express from "express";
import process from "node:process";
import { nodeHandler, serveAjp } from "@tribes/toolkit/gateway/node";

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
