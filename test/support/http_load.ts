/**
 * A load generator for HTTP servers: a fixed count of equal requests over keep-alive connections.
 *
 * ```ts ignore
 * const result = await httpLoad(`${httpd.url}/echo`, { requests: 10_000, concurrency: 32 });
 * console.log(result.perSecond, result.p99Micros);
 * ```
 *
 * @module
 */

import { Agent, request } from "node:http";

/** Options of {@linkcode httpLoad}. */
export interface HttpLoadOptions {
  /** Requests in all. */
  readonly requests: number;
  /** Connections, each with one request at a time. */
  readonly concurrency: number;
  /** Requests before the measurement begins, over the same connections. @default {0} */
  readonly warmUp?: number;
  /** @default {"GET"} */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent with a content-length. */
  readonly body?: Uint8Array;
  /** @default {200} */
  readonly expectStatus?: number;
  /** Length of each reply's body; not checked when absent. */
  readonly expectBytes?: number;
}

/** What {@linkcode httpLoad} measured. */
export interface HttpLoadResult {
  readonly requests: number;
  readonly milliseconds: number;
  readonly perSecond: number;
  /** Bytes of all replies' bodies. */
  readonly bytes: number;
  /** Time from the request to the last byte of its reply. */
  readonly p50Micros: number;
  readonly p99Micros: number;
  readonly maxMicros: number;
  /** Connections opened, the warm-up's included; more than `concurrency` says that the server closed some. */
  readonly connections: number;
}

/**
 * Sends requests until all are answered.
 *
 * @param url Of an `http:` server; every request goes there.
 * @throws {Error} The first request that failed or was not answered as expected ends the run.
 */
export async function httpLoad(
  url: string,
  options: HttpLoadOptions,
): Promise<HttpLoadResult> {
  const { requests, concurrency, warmUp = 0 } = options;
  if (!(requests >= 1) || !(concurrency >= 1)) {
    throw new RangeError(
      `Cannot send ${requests} requests over ${concurrency} connections`,
    );
  }
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
  try {
    const sockets = new WeakSet<object>();
    const one = () => exchange(new URL(url), agent, options, sockets);
    let connections = 0;
    const run = async (count: number, micros: Float64Array) => {
      let sent = 0;
      let bytes = 0;
      await Promise.all(
        Array.from({ length: Math.min(concurrency, count) }, async () => {
          while (sent < count) {
            const at = sent++;
            const start = performance.now();
            try {
              const reply = await one();
              bytes += reply.bytes;
              if (reply.connected) connections++;
            } catch (problem) {
              sent = count; // the others stop after the request that they are at
              throw problem;
            }
            micros[at] = (performance.now() - start) * 1000;
          }
        }),
      );
      return bytes;
    };
    await run(warmUp, new Float64Array(warmUp));
    const micros = new Float64Array(requests);
    const start = performance.now();
    const bytes = await run(requests, micros);
    const milliseconds = performance.now() - start;
    micros.sort();
    const quantile = (q: number) =>
      Math.round(micros[Math.min(requests - 1, Math.floor(q * requests))] ?? 0);
    return {
      requests,
      milliseconds,
      perSecond: requests / milliseconds * 1000,
      bytes,
      p50Micros: quantile(0.5),
      p99Micros: quantile(0.99),
      maxMicros: quantile(1),
      connections,
    };
  } finally {
    agent.destroy();
  }
}

interface Reply {
  readonly bytes: number;
  /** It was the first over its connection. */
  readonly connected: boolean;
}

function exchange(
  url: URL,
  agent: Agent,
  options: HttpLoadOptions,
  sockets: WeakSet<object>,
): Promise<Reply> {
  const { method = "GET", body, expectStatus = 200, expectBytes } = options;
  const headers = {
    ...options.headers,
    ...(body === undefined ? {} : { "content-length": `${body.length}` }),
  };
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent, method, headers }, (response) => {
      let bytes = 0;
      const { socket } = response; // null at the end, when the agent has it back
      const connected = !sockets.has(socket);
      sockets.add(socket);
      response.on("data", (chunk: Uint8Array) => bytes += chunk.length);
      response.on("error", reject);
      response.on("end", () => {
        if (response.statusCode !== expectStatus) {
          reject(new Error(`${method} ${url} gave ${response.statusCode}`));
        } else if (expectBytes !== undefined && bytes !== expectBytes) {
          reject(new Error(`${method} ${url} gave ${bytes} bytes`));
        } else resolve({ bytes, connected });
      });
      // A reply cut short has no end.
      response.on("close", () => {
        if (!response.complete) {
          reject(new Error(`${method} ${url} gave ${bytes} bytes and closed`));
        }
      });
    });
    sent.on("error", reject);
    sent.end(body);
  });
}
