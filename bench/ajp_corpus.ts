// The AJP cases without a socket: what a front end sends for a browser, and what we make of it.
import assert from "node:assert/strict";
import {
  type AjpHeader,
  ajpRequestAttribute,
  ajpRequestHeader,
  ajpResponseHeader,
  AjpServerConnection,
  concatBytes,
  decodeForwardRequest,
  decodeSendHeaders,
  encodeForwardRequest,
  encodeSendHeaders,
  type ForwardRequest,
  SC_A_SECRET,
  type SendHeaders,
} from "../protocol/mod.ts";
import type { BenchCase } from "./corpus.ts";

/** Headers of a command line client. */
export const SMALL_HEADERS: readonly (readonly [string, string])[] = [
  ["Host", "www.example.org"],
  ["User-Agent", "curl/8.5.0"],
  ["Accept", "*/*"],
];

/** Headers of a browser that has been here before. */
export const BROWSER_HEADERS: readonly (readonly [string, string])[] = [
  ["Host", "www.example.org"],
  [
    "User-Agent",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
  ],
  [
    "Accept",
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
  ],
  ["Accept-Language", "en-US,en;q=0.5"],
  ["Accept-Encoding", "gzip, deflate, br, zstd"],
  ["Referer", "https://www.example.org/shop/list?category=books&page=3"],
  ["Cookie", "JSESSIONID=5A9BB1B1C7A1D0E5F1E1B1A4D2B5E7F3.node1; theme=dark"],
  ["Upgrade-Insecure-Requests", "1"],
  ["Sec-Fetch-Dest", "document"],
  ["Sec-Fetch-Mode", "navigate"],
  ["Sec-Fetch-Site", "same-origin"],
  ["Priority", "u=0, i"],
];

/** A GET as mod_proxy_ajp forwards it. */
export function sampleRequest(
  uri: string,
  headers: readonly (readonly [string, string])[],
  secret: string,
): ForwardRequest {
  return {
    type: "forwardRequest",
    methodCode: 2,
    protocol: "HTTP/1.1",
    uri,
    remoteAddr: "192.0.2.17",
    remoteHost: null,
    serverName: "www.example.org",
    serverPort: 80,
    isSsl: false,
    headers: headers.map(([name, value]) => ajpRequestHeader(name, value)),
    attributes: [
      { code: SC_A_SECRET, name: null, value: secret },
      ajpRequestAttribute("AJP_REMOTE_PORT", "46428"),
      ajpRequestAttribute("AJP_LOCAL_ADDR", "192.0.2.1"),
    ],
  };
}

/** What front ends of the benches have to know. */
export const SECRET = "q7Tz2mXw9RkP4vBn8LcJ5hYs3GdF6eUa";
const RUN = 100; // short enough to be over, mostly, before other work gets the processor
const BODY = new Uint8Array(1024).fill(0x2e);
const RESPONSE: readonly AjpHeader[] = [
  ajpResponseHeader("content-type", "text/html;charset=utf-8"),
  ajpResponseHeader("cache-control", "no-cache, private"),
  ajpResponseHeader("set-cookie", "theme=dark; Path=/; HttpOnly"),
  ajpResponseHeader("content-length", String(BODY.length)),
];

let sink = 0;

/** What the cases computed; read once at the end, so that no compiler drops the work. */
export function ajpSinkValue(): number {
  return sink;
}

/** All cases. */
export function ajpBenchCases(): BenchCase[] {
  return [
    requestCodec("small", SMALL_HEADERS),
    requestCodec("browser", BROWSER_HEADERS),
    responseCodec(),
    [
      conversation("small", SMALL_HEADERS),
      conversation("browser", BROWSER_HEADERS),
    ],
  ].flat();
}

function requestCodec(
  name: string,
  headers: readonly (readonly [string, string])[],
): BenchCase[] {
  const request = sampleRequest("/shop/item", headers, SECRET);
  const packet = encodeForwardRequest(request);
  const check = () => assert.deepEqual(decodeForwardRequest(packet), request);
  return [
    repeated(`ajp/decode/request-${name}`, packet.length, check, () => {
      sink += decodeForwardRequest(packet).headers.length;
    }),
    repeated(`ajp/encode/request-${name}`, packet.length, check, () => {
      sink += encodeForwardRequest(request).length;
    }),
  ];
}

function responseCodec(): BenchCase[] {
  const response: SendHeaders = {
    type: "sendHeaders",
    status: 200,
    message: "200",
    headers: RESPONSE,
  };
  const packet = encodeSendHeaders(response);
  const check = () => assert.deepEqual(decodeSendHeaders(packet), response);
  return [
    repeated("ajp/decode/response", packet.length, check, () => {
      sink += decodeSendHeaders(packet).headers.length;
    }),
    repeated("ajp/encode/response", packet.length, check, () => {
      sink += encodeSendHeaders(response).length;
    }),
  ];
}

/** A request in, the whole response of 1 KiB out, as one array. */
function conversation(
  name: string,
  headers: readonly (readonly [string, string])[],
): BenchCase {
  const packet = encodeForwardRequest(
    sampleRequest("/shop/item", headers, SECRET),
  );
  const connection = new AjpServerConnection();
  const converse = () => {
    connection.feed(packet);
    const event = connection.next();
    if (event?.type !== "request") throw new Error("No request");
    const { exchange } = event;
    return concatBytes([
      exchange.sendHeaders(200, RESPONSE),
      exchange.sendBodyChunk(BODY),
      exchange.endResponse(),
    ]);
  };
  const check = () => {
    const reply = converse();
    assert.deepEqual(
      decodeSendHeaders(reply.subarray(0, reply.length - BODY.length - 14))
        .headers,
      RESPONSE,
    );
    assert.equal(connection.state, "idle");
  };
  return repeated(
    `ajp/conversation/${name}`,
    packet.length + BODY.length,
    check,
    () => {
      sink += converse().length;
    },
  );
}

function repeated(
  name: string,
  bytes: number,
  check: () => void,
  once: () => void,
): BenchCase {
  return {
    name,
    operations: RUN,
    bytes,
    check,
    run() {
      for (let i = 0; i < RUN; i++) once();
    },
  };
}
