// Asks the API server of Kubernetes, with node:https.
//
// The token goes into one header and nowhere else: errors are made here, of what is known without it.
import { createPrivateKey } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import {
  type ClientRequest,
  type IncomingMessage,
  request as requestHttp,
} from "node:http";
import { request as requestHttps, type RequestOptions } from "node:https";
import { concatBytes } from "../protocol/bytes/bytes.ts";
import { ChannelError, type ChannelErrorCode } from "../transport/errors.ts";
import type {
  KubernetesAccess,
  KubernetesRequestOptions,
  RequestKubernetes,
} from "./kubernetes_membership_provider.ts";

/** A file's content, and when that was written. */
interface CachedToken {
  readonly modified: number;
  readonly token: string;
}

/**
 * Makes a function that asks the API server, and keeps a token until its file changes.
 *
 * @returns A function that fails with a {@linkcode ChannelError}: `timeout`, `connection-refused`,
 * `connection-closed`; `bad-message` for a status other than 200 or a body that is too long;
 * `unsupported` for a file that cannot be read.
 */
export function kubernetesRequester(): RequestKubernetes {
  const tokens = new Map<string, CachedToken>();
  return async (access, options) => {
    options.signal.throwIfAborted();
    const security = await securityOptions(access, tokens);
    return await get(access.url, security, options);
  };
}

async function securityOptions(
  { url, caFile, credentials }: KubernetesAccess,
  tokens: Map<string, CachedToken>,
): Promise<RequestOptions> {
  const tls = url.startsWith("https:")
    ? { ca: await read(caFile, "the CA's certificate") }
    : {};
  if (credentials.type === "token") {
    const token = await readToken(credentials.file, tokens);
    return { ...tls, headers: { Authorization: `Bearer ${token}` } };
  }
  const cert = await read(credentials.file, "the client's certificate");
  const pem = await read(credentials.keyFile, "the client's key");
  const { keyPassword } = credentials;
  if (keyPassword === undefined) return { ...tls, cert, key: pem };
  return { ...tls, cert, key: decryptKey(pem, keyPassword) };
}

/** A key without its password, which not every runtime's TLS takes. */
function decryptKey(pem: string, passphrase: string): string {
  try {
    return createPrivateKey({ key: pem, passphrase })
      .export({ type: "pkcs8", format: "pem" }).toString();
  } catch {
    throw new ChannelError(
      "unsupported",
      "Cannot read the client's key: its password is wrong, or it is no PEM",
    );
  }
}

/** The token; that of an earlier request while its file has the same time. */
async function readToken(
  file: string,
  tokens: Map<string, CachedToken>,
): Promise<string> {
  const what = "the service account's token";
  const modified = (await attempt(stat(file), file, what)).mtimeMs;
  const known = tokens.get(file);
  if (known?.modified === modified) return known.token;
  const token = (await read(file, what)).trim();
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new ChannelError(
      "unsupported",
      `Cannot read ${what} in ${file}: it is not one line of ASCII`,
    );
  }
  tokens.set(file, { modified, token });
  return token;
}

function read(file: string, what: string): Promise<string> {
  return attempt(readFile(file, "utf8"), file, what);
}

async function attempt<Result>(
  reading: Promise<Result>,
  file: string,
  what: string,
): Promise<Result> {
  try {
    return await reading;
  } catch (error) {
    throw new ChannelError(
      "unsupported",
      `Cannot read ${what} in ${file}: ${codeOf(error)}`,
    );
  }
}

function get(
  url: string,
  security: RequestOptions,
  options: KubernetesRequestOptions,
): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const { signal, connectTimeout, readTimeout } = options;
  const start = url.startsWith("https:") ? requestHttps : requestHttp;
  const request: ClientRequest = start(url, {
    ...security,
    agent: false, // a connection of its own, with today's files
    headers: { ...security.headers as object, Accept: "application/json" },
  });
  const fail = (code: ChannelErrorCode, state: string) =>
    give(new ChannelError(code, `Cannot ask ${withoutQuery(url)}: ${state}`));
  const late = (limit: number, what: string) => () =>
    fail("timeout", `${what} within ${limit} ms`);
  let timer = setTimeout(late(connectTimeout, "no connection"), connectTimeout);
  const connected = () => {
    clearTimeout(timer);
    timer = setTimeout(late(readTimeout, "no whole answer"), readTimeout);
  };
  const aborted = () => give(signal.reason as Error); // the caller's
  const settle = () => {
    clearTimeout(timer);
    signal.removeEventListener("abort", aborted);
  };
  const give = (error: Error) => {
    settle();
    reject(error);
    request.destroy();
  };
  signal.addEventListener("abort", aborted);
  const secure = url.startsWith("https:") ? "secureConnect" : "connect";
  request.on("socket", (socket) => socket.once(secure, connected));
  request.on("error", (error) => {
    const code = codeOf(error);
    const refused = code === "ECONNREFUSED" || code === "ConnectionRefused";
    fail(refused ? "connection-refused" : "connection-closed", code);
  });
  request.on("response", (response: IncomingMessage) => {
    if (response.statusCode !== 200) {
      return fail("bad-message", `status ${response.statusCode}`);
    }
    collect(response, options.maxReplyLength, fail, (body) => {
      settle();
      resolve(body);
    });
  });
  request.end();
  return promise;
}

/** Gathers a body; one that is too long, or cut off, fails. */
function collect(
  response: IncomingMessage,
  limit: number,
  fail: (code: ChannelErrorCode, state: string) => void,
  done: (body: Uint8Array) => void,
): void {
  const chunks: Uint8Array[] = [];
  let length = 0;
  response.on("data", (chunk: Uint8Array) => {
    length += chunk.length;
    if (length > limit) fail("bad-message", `an answer above ${limit} bytes`);
    else chunks.push(chunk);
  });
  response.on("end", () => {
    if (response.complete) done(concatBytes(chunks));
    else fail("connection-closed", "the answer is cut off");
  });
  response.on("aborted", () => fail("connection-closed", "it is cut off"));
  response.on("error", (error) => fail("connection-closed", codeOf(error)));
}

/** What a runtime says in one word; its whole text may hold anything. */
function codeOf(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: unknown };
  return typeof code === "string" ? code : String(name ?? "failed");
}

/** An address without what follows the path: selectors may be long. */
function withoutQuery(url: string): string {
  return url.split("?")[0]!; // split gives one part at least
}
