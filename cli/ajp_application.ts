// What `tribes ajp serve` serves: the application in a file, or one that tells what it was asked.
import { createHash } from "node:crypto";
import { access, constants } from "node:fs/promises";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { AjpHandler } from "../gateway/mod.ts";
import { UsageError } from "./command.ts";

/** Answers every request with JSON that says what it was. */
export const describeRequest: AjpHandler = async (request, info) => {
  const hash = createHash("sha256");
  let bytes = 0;
  // A GET may have one here, which a `Request` cannot.
  for await (const chunk of request.body ?? info.body ?? []) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return Response.json({
    method: info.method,
    url: request.url,
    headers: info.rawHeaders,
    bodyBytes: bytes,
    bodySha256: hash.digest("hex"),
    remoteAddress: info.remoteAddr,
    remoteUser: info.remoteUser,
    isSsl: info.isSsl,
    // Tomcat's applications see the balancer's word as an attribute, too.
    attributes: {
      ...Object.fromEntries(info.requestAttributes),
      ...(info.lbActivation === null
        ? {}
        : { JK_LB_ACTIVATION: info.lbActivation }),
    },
  });
};

/**
 * Loads the application that a file's default export is, by the convention of Deno and Bun.
 *
 * @param path A module of the runtime.
 * @throws {UsageError} When there is no such file, or no application in it.
 * @throws What the module throws.
 */
export async function loadApplication(path: string): Promise<AjpHandler> {
  const file = resolve(path);
  try {
    await access(file, constants.R_OK);
  } catch {
    throw new UsageError(
      `Cannot use --app ${JSON.stringify(path)}: it cannot be read`,
    );
  }
  const module: unknown = await import(pathToFileURL(file).href);
  const application = property(module, "default");
  const fetch = property(application, "fetch");
  if (typeof fetch !== "function") {
    throw new UsageError(
      `Cannot use --app ${
        JSON.stringify(path)
      }: its default export is not { fetch(request, info) }`,
    );
  }
  return (request, info) => fetch.call(application, request, info);
}

function property(value: unknown, name: string): unknown {
  if (value === null || value === undefined) return undefined;
  return Object(value)[name];
}
