import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type AjpAttribute,
  ajpAttribute,
  type AjpHeader,
  ajpMethodCode,
  ajpMethodName,
  ajpRequestAttribute,
  ajpRequestHeader,
  ajpResponseHeader,
  decodeForwardRequest,
  encodeCping,
  encodeForwardRequest,
  encodeHex,
  type ForwardRequest,
  forwardRequestMethod,
  SC_A_STORED_METHOD,
} from "../../../protocol/mod.ts";
import { ajpRequest, packetOf } from "../../support/ajp_values.ts";
import { assertDecodeError, assertEncodeError } from "../../support/outcome.ts";

test("encodeForwardRequest() keeps a null string from an empty one", () => {
  const request = ajpRequest({
    remoteAddr: "",
    remoteHost: null,
    headers: [
      { code: 0, name: "x", value: null },
      { code: 0, name: "", value: "" },
    ],
  });
  const packet = encodeForwardRequest(request);
  assert(encodeHex(packet).includes("000000ffff000b")); // "", null, then www.example
  assert.deepEqual(decodeForwardRequest(packet), request);
});

test("encodeForwardRequest() keeps every byte of a text", () => {
  for (const length of [1, 63, 64, 65, 256, 60_000]) {
    const value = Array.from(
      { length },
      (_, i) => String.fromCharCode(i & 0xff),
    ).join("");
    const request = ajpRequest({
      headers: [{ code: 0, name: value.slice(0, 300), value }],
    });
    assert.deepEqual(
      decodeForwardRequest(encodeForwardRequest(request)),
      request,
    );
  }
});

test("encodeForwardRequest() keeps a name that has a code and is written as text", () => {
  const headers = [
    { code: 0xa00b, name: "host", value: "a" },
    { code: 0, name: "host", value: "b" },
    { code: 0, name: "Host", value: "c" },
  ];
  const request = ajpRequest({ headers });
  assert.deepEqual(
    decodeForwardRequest(encodeForwardRequest(request)).headers,
    headers,
  );
});

test("encodeForwardRequest() refuses what has no wire form", () => {
  const refuse = (
    fields: Partial<ForwardRequest>,
    code: "out-of-range" | "malformed" | "too-large",
    field: string,
    packetSize?: number,
  ) =>
    assertEncodeError(
      () => encodeForwardRequest(ajpRequest(fields), packetSize),
      code,
      field,
    );
  const header = (header: AjpHeader) => ({ headers: [header] });
  const attribute = (
    code: number,
    name: string | null,
    value: AjpAttribute["value"],
  ) => ({
    attributes: [{ code, name, value }],
  });
  for (const methodCode of [0, 28, 254, 256, -1, 1.5]) {
    refuse({ methodCode }, "out-of-range", "forwardRequest.method");
  }
  for (const serverPort of [-1, 65_536, 0.5, NaN]) {
    refuse({ serverPort }, "out-of-range", "forwardRequest.serverPort");
  }
  refuse({ uri: "/\u0100" }, "out-of-range", "forwardRequest.uri");
  refuse({ remoteAddr: "€" }, "out-of-range", "forwardRequest.remoteAddr");
  const { name, value } = HEADER;
  refuse(header({ code: 0, name: "x", value: "€" }), "out-of-range", value);
  refuse(header({ code: 0, name: "€", value: "" }), "out-of-range", name);
  refuse(header({ code: 0xa00f, name: "x", value: "" }), "out-of-range", name);
  refuse(header({ code: 0xa000, name: "x", value: "" }), "out-of-range", name);
  refuse(header({ code: 0xa001, name: "host", value: "" }), "malformed", name);
  refuse(
    header({ code: 0, name: "x".repeat(0xa000), value: "" }),
    "out-of-range",
    name,
  );
  refuse(attribute(255, null, null), "out-of-range", ATTRIBUTE.code);
  refuse(attribute(-1, null, null), "out-of-range", ATTRIBUTE.code);
  refuse(attribute(10, null, "x"), "malformed", ATTRIBUTE.name);
  refuse(attribute(5, "x", "x"), "malformed", ATTRIBUTE.name);
  refuse(attribute(5, null, 5), "malformed", ATTRIBUTE.value);
  refuse(attribute(14, null, "x"), "malformed", ATTRIBUTE.value);
  refuse(attribute(11, null, "256"), "malformed", ATTRIBUTE.value);
  refuse(attribute(11, null, null), "malformed", ATTRIBUTE.value);
  refuse(attribute(11, null, 65_536), "out-of-range", ATTRIBUTE.value);
  refuse({ uri: "/".repeat(8192) }, "too-large", "packet", 8192);
  refuse({ uri: "/".repeat(65_536) }, "too-large", "packet");
});

test("encodeForwardRequest() fills a packet to the last byte", () => {
  const empty = encodeForwardRequest(ajpRequest({ uri: "" })).length;
  for (const packetSize of [8192, 65_536]) {
    const uri = "/".repeat(packetSize - empty);
    const packet = encodeForwardRequest(ajpRequest({ uri }), packetSize);
    assert.equal(packet.length, packetSize);
    assert.equal(decodeForwardRequest(packet).uri, uri);
  }
});

test("decodeForwardRequest() refuses more headers than its limit", () => {
  const headers = (count: number) =>
    Array.from(
      { length: count },
      (_, i) => ({ code: 0, name: `h${i}`, value: "" }),
    );
  const packet = encodeForwardRequest(ajpRequest({ headers: headers(101) }));
  assert.equal(decodeForwardRequest(packet).headers.length, 101);
  const error = assertDecodeError(
    () => decodeForwardRequest(packet, { maxHeaderCount: 100 }),
    "too-large",
    "forwardRequest.headers.count",
    52,
  );
  assert(error.message.endsWith("101 > 100"));
  const most = encodeForwardRequest(ajpRequest({ headers: headers(100) }));
  decodeForwardRequest(most, { maxHeaderCount: 100 });
});

test("decodeForwardRequest() refuses a header count that lies, without allocating for it", () => {
  const packet = encodeForwardRequest(ajpRequest());
  packet[52] = 0xff;
  packet[53] = 0xff;
  assert.throws(() => decodeForwardRequest(packet), { name: "DecodeError" });
});

test("decodeForwardRequest() wants every byte in its place", () => {
  const good = encodeForwardRequest(ajpRequest({ headers: [HOST] }));
  const change = (at: number, byte: number) => {
    const packet = good.slice();
    packet[at] = byte;
    return () => decodeForwardRequest(packet);
  };
  const request = "forwardRequest";
  assertDecodeError(change(4, 10), "bad-marker", "packet.type", 4);
  assertDecodeError(change(16, 1), "bad-marker", `${request}.protocol`, 6);
  assertDecodeError(change(6, 1), "truncated", `${request}.protocol`, 6);
  assertDecodeError(change(51, 2), "out-of-range", `${request}.isSsl`, 51);
  assertDecodeError(change(55, 0), "out-of-range", HEADER.name, 54);
  assertDecodeError(change(55, 15), "out-of-range", HEADER.name, 54);
  assertDecodeError(change(54, 0xa1), "out-of-range", HEADER.name, 54);
  assertDecodeError(change(54, 0xff), "out-of-range", HEADER.name, 54);
  assertDecodeError(change(59, 14), "truncated", ATTRIBUTE.code, 60);
});

test("decodeForwardRequest() refuses bytes behind the end of the attributes", () => {
  const good = encodeForwardRequest(ajpRequest());
  const packet = packetOf([...good.subarray(4), 0]);
  assertDecodeError(
    () => decodeForwardRequest(packet),
    "trailing-bytes",
    "forwardRequest",
    good.length,
  );
});

test("decodeForwardRequest() refuses a null protocol, URI and attribute name", () => {
  const nullString = [0xff, 0xff];
  assertDecodeError(
    () => decodeForwardRequest(packetOf([2, 2, ...nullString])),
    "out-of-range",
    "forwardRequest.protocol",
    6,
  );
  assertDecodeError(
    () => decodeForwardRequest(packetOf([2, 2, 0, 0, 0, ...nullString])),
    "out-of-range",
    "forwardRequest.uri",
    9,
  );
  const good = encodeForwardRequest(ajpRequest());
  const payload = [...good.subarray(4, -1), 10, ...nullString];
  assertDecodeError(
    () => decodeForwardRequest(packetOf(payload)),
    "out-of-range",
    "forwardRequest.attribute.name",
    good.length,
  );
});

test("decodeForwardRequest() refuses other packets", () => {
  assertDecodeError(
    () => decodeForwardRequest(encodeCping()),
    "bad-marker",
    "packet.type",
    4,
  );
});

test("ajpMethodCode() is the inverse of ajpMethodName()", () => {
  for (let code = 1; code <= 27; code++) {
    assert.equal(ajpMethodCode(ajpMethodName(code)!), code); // 1 to 27 have names
  }
  assert.equal(ajpMethodCode("PATCH"), 255);
  assert.equal(ajpMethodCode("get"), 255);
  for (const code of [0, 28, 254, 255]) {
    assert.equal(ajpMethodName(code), undefined);
  }
});

test("forwardRequestMethod() is that of the code, or the last that is stored", () => {
  const stored = (name: string) => ajpAttribute(SC_A_STORED_METHOD, name);
  const method = (methodCode: number, attributes: AjpAttribute[] = []) =>
    forwardRequestMethod(ajpRequest({ methodCode, attributes }));
  assert.equal(method(4), "POST");
  assert.equal(method(4, [stored("PUT")]), "POST");
  assert.equal(method(255, [stored("FROB")]), "FROB");
  assert.equal(method(255, [stored("A"), stored("B")]), "B");
  assert.equal(method(255), undefined);
});

test("ajpRequestHeader() and ajpResponseHeader() use their own codes, whatever the case", () => {
  assert.deepEqual(ajpRequestHeader("HOST", "a"), { ...HOST, value: "a" });
  assert.equal(ajpRequestHeader("Content-Type", "a").code, 0xa007);
  assert.equal(ajpRequestHeader("user-agent", "a").code, 0xa00e);
  assert.deepEqual(ajpRequestHeader("X-Y", "a"), {
    code: 0,
    name: "X-Y",
    value: "a",
  });
  assert.deepEqual(ajpResponseHeader("content-type", "a"), {
    code: 0xa001,
    name: "Content-Type",
    value: "a",
  });
  assert.equal(ajpResponseHeader("www-authenticate", "a").code, 0xa00b);
  assert.equal(ajpResponseHeader("Host", "a").code, 0);
});

test("ajpRequestAttribute() makes an attribute with a name", () => {
  const attributes = [ajpRequestAttribute("A", "b"), ajpAttribute(5, "q=1")];
  const request = ajpRequest({ attributes });
  assert.deepEqual(
    decodeForwardRequest(encodeForwardRequest(request)).attributes,
    attributes,
  );
});

const HOST = { code: 0xa00b, name: "host", value: "" };
const HEADER = {
  name: "forwardRequest.header.name",
  value: "forwardRequest.header.value",
};
const ATTRIBUTE = {
  code: "forwardRequest.attribute.code",
  name: "forwardRequest.attribute.name",
  value: "forwardRequest.attribute.value",
};
