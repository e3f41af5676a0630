// AJP13 packets for the property tests.
import fc from "fast-check";
import {
  type AjpAttribute,
  type AjpFromContainer,
  type AjpHeader,
  ajpRequestHeader,
  ajpResponseHeader,
  type AjpToContainer,
  type ForwardRequest,
  type SendHeaders,
} from "../../protocol/mod.ts";
import { byteStrings } from "./arbitraries.ts";

/** Texts with a character for each byte, of up to `maxLength`. */
export function latin1Texts(maxLength = 12): fc.Arbitrary<string> {
  const short = byteStrings(maxLength);
  const long = byteStrings(200, 60); // decoded another way
  return fc.oneof({ weight: 9, arbitrary: short }, {
    weight: 1,
    arbitrary: long,
  })
    .map((bytes) => String.fromCharCode(...bytes));
}

/** Names that an HTTP header may have. */
export function tokens(): fc.Arbitrary<string> {
  return fc.stringMatching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}$/);
}

/** Values that an HTTP header may have. */
export function headerValues(): fc.Arbitrary<string> {
  // deno-lint-ignore no-control-regex -- these are the ones to leave out
  return latin1Texts().map((text) => text.replace(/[\x00-\x1f\x7f]/g, "."));
}

/** Headers of every shape that has a wire form, of requests. */
export function requestHeaders(): fc.Arbitrary<AjpHeader> {
  return anyHeaders(0xa00e, REQUEST_NAMES);
}

/** Headers of every shape that has a wire form, of responses. */
export function responseHeaders(): fc.Arbitrary<AjpHeader> {
  return anyHeaders(0xa00b, RESPONSE_NAMES);
}

/** Attributes of every shape that has a wire form. */
export function attributes(): fc.Arbitrary<AjpAttribute> {
  const value = nullable(latin1Texts());
  return fc.oneof(
    fc.record({
      code: fc.constantFrom(1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13),
      name: fc.constant(null),
      value,
    }, PLAIN),
    fc.record({ code: fc.constant(10), name: latin1Texts(), value }, PLAIN),
    fc.record({
      code: fc.constant(11),
      name: fc.constant(null),
      value: fc.nat(0xffff),
    }, PLAIN),
    fc.record({
      code: fc.constantFrom(0, 14, 100, 254),
      name: fc.constant(null),
      value: fc.constant(null),
    }, PLAIN),
  );
}

/** Requests of every shape that has a wire form. */
export function forwardRequests(): fc.Arbitrary<ForwardRequest> {
  return fc.record({
    type: fc.constant("forwardRequest" as const),
    methodCode: fc.oneof(fc.integer({ min: 1, max: 27 }), fc.constant(255)),
    protocol: latin1Texts(),
    uri: latin1Texts(),
    remoteAddr: nullable(latin1Texts()),
    remoteHost: nullable(latin1Texts()),
    serverName: nullable(latin1Texts()),
    serverPort: fc.nat(0xffff),
    isSsl: fc.boolean(),
    headers: fc.array(requestHeaders(), { maxLength: 6 }),
    attributes: fc.array(attributes(), { maxLength: 6 }),
  }, PLAIN);
}

/** Packets to a container, of every shape that has a wire form. */
export function toContainerPackets(): fc.Arbitrary<AjpToContainer> {
  return fc.oneof(
    { weight: 4, arbitrary: forwardRequests() },
    bodyPackets(),
    fc.constantFrom<AjpToContainer>(
      { type: "cping" },
      { type: "shutdown" },
      { type: "ping" },
    ),
  );
}

/** Packets from a container, of every shape that has a wire form. */
export function fromContainerPackets(): fc.Arbitrary<AjpFromContainer> {
  return fc.oneof(
    sendHeaders(),
    fc.record({
      type: fc.constant("sendBodyChunk" as const),
      data: byteStrings(),
      terminated: fc.boolean(),
    }, PLAIN),
    fc.record({
      type: fc.constant("getBodyChunk" as const),
      requested: fc.nat(0xffff),
    }, PLAIN),
    fc.record({
      type: fc.constant("endResponse" as const),
      reuse: fc.boolean(),
    }, PLAIN),
    fc.constant<AjpFromContainer>({ type: "cpong" }),
  );
}

const PLAIN = { noNullPrototype: true } as const;

const REQUEST_NAMES = [
  "accept",
  "accept-charset",
  "accept-encoding",
  "accept-language",
  "authorization",
  "connection",
  "content-type",
  "content-length",
  "cookie",
  "cookie2",
  "host",
  "pragma",
  "referer",
  "user-agent",
];

const RESPONSE_NAMES = [
  "Content-Type",
  "Content-Language",
  "Content-Length",
  "Date",
  "Last-Modified",
  "Location",
  "Set-Cookie",
  "Set-Cookie2",
  "Servlet-Engine",
  "Status",
  "WWW-Authenticate",
];

function anyHeaders(
  last: number,
  names: readonly string[],
): fc.Arbitrary<AjpHeader> {
  const make = last === 0xa00e ? ajpRequestHeader : ajpResponseHeader;
  const value = nullable(latin1Texts());
  const coded = fc.tuple(fc.constantFrom(...names), value).map(
    ([name, value]) => ({ ...make(name, ""), value }),
  );
  const text = fc.record({
    code: fc.constant(0),
    name: fc.oneof(latin1Texts(), fc.constantFrom(...names)),
    value,
  }, PLAIN);
  return fc.oneof(coded, text);
}

function bodyPackets(): fc.Arbitrary<AjpToContainer> {
  return fc.oneof(
    byteStrings().map((data) => ({ type: "body" as const, data, bare: false })),
    fc.constant({ type: "body" as const, data: new Uint8Array(), bare: true }),
  );
}

function sendHeaders(): fc.Arbitrary<SendHeaders> {
  return fc.record({
    type: fc.constant("sendHeaders" as const),
    status: fc.nat(0xffff),
    message: nullable(latin1Texts()),
    headers: fc.array(responseHeaders(), { maxLength: 6 }),
  }, PLAIN);
}

function nullable<T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | null> {
  return fc.option(values, { freq: 8 });
}
