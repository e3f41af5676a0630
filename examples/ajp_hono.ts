// A Hono application behind Apache httpd:
//
//   AJP_SECRET=... deno run -A examples/ajp_hono.ts     (or: bun examples/ajp_hono.ts)
//
// and in httpd:  ProxyPass "/" "ajp://127.0.0.1:8009/" secret=...
import { Hono } from "hono";
import process from "node:process";
import { type AjpHandlerInfo, serveAjp } from "@tribes/toolkit/gateway/node";

/** The application; what only AJP knows is in its environment. */
export const app: Hono<{ Bindings: AjpHandlerInfo }> = new Hono();

app.get("/", (c) => {
  const { remoteAddr, isSsl } = c.env;
  return c.text(`Hello ${remoteAddr}${isSsl ? ", over TLS" : ""}\n`);
});
app.get("/hello/:name", (c) => c.json({ hello: c.req.param("name") }));
app.post("/echo", async (c) => c.body(await c.req.arrayBuffer()));

if (import.meta.main) {
  const { AJP_SECRET } = process.env;
  if (!AJP_SECRET) throw new TypeError("Cannot start without AJP_SECRET");
  const server = await serveAjp(
    { secret: AJP_SECRET },
    (request, info) => app.fetch(request, info),
  );
  console.log(`AJP on port ${server.address.port}`);
  process.once("SIGTERM", () => server.close());
}
