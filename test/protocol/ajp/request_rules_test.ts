import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ajpAttribute,
  ajpBodyLength,
  ajpRequestAttribute,
  ajpSecretMatches,
  collectAjpAttributes,
  isKnownAjpRequestAttribute,
  SC_A_SECRET,
} from "../../../protocol/mod.ts";
import { ajpRequest, headersOf } from "../../support/ajp_values.ts";

const CL = "content-length";
const TE = "transfer-encoding";

test("ajpBodyLength() reads one content-length of digits", () => {
  for (
    const [text, length] of [
      ["0", 0],
      ["5", 5],
      ["007", 7],
      ["9007199254740991", 2 ** 53 - 1],
    ] as const
  ) {
    assert.deepEqual(ajpBodyLength(headersOf(["Content-LENGTH", text])), {
      type: "length",
      length,
    });
    const named = [{ code: 0, name: "CONTENT-length", value: text }];
    assert.deepEqual(ajpBodyLength(named), { type: "length", length });
  }
});

test("ajpBodyLength() knows nothing without a content-length", () => {
  for (
    const headers of [
      headersOf(),
      headersOf([TE, "chunked"]),
      headersOf([TE, "gzip"], [TE, "chunked"]),
      headersOf(["content_length", "5"], ["x-content-length", "5"]),
    ]
  ) assert.deepEqual(ajpBodyLength(headers), { type: "unknown" });
});

test("ajpBodyLength() refuses whatever can be read in two ways", () => {
  for (
    const text of [
      "",
      "abc",
      "-1",
      "+1",
      "1 ",
      " 1",
      "1,1",
      "0x1",
      "1e3",
      "1.0",
      "9007199254740992",
      "99999999999999999999",
      "\u00b2",
    ]
  ) {
    const length = ajpBodyLength(headersOf([CL, text]));
    assert(length.type === "invalid" && length.field === CL, text);
  }
  const none = ajpBodyLength([{ code: 0xa008, name: CL, value: null }]);
  assert.equal(none.type, "invalid");
  for (
    const headers of [
      headersOf([CL, "1"], [CL, "1"]),
      headersOf([CL, "1"], [CL, "2"]),
      [{ code: 0xa008, name: CL, value: null }, ...headersOf([CL, "1"])],
    ]
  ) {
    const length = ajpBodyLength(headers);
    assert(length.type === "invalid" && length.field === CL);
  }
  for (
    const headers of [
      headersOf([CL, "1"], [TE, "chunked"]),
      headersOf(["Transfer-Encoding", "identity"], [CL, "0"]),
      [
        { code: 0, name: "TRANSFER-ENCODING", value: null },
        ...headersOf([CL, "0"]),
      ],
    ]
  ) {
    const length = ajpBodyLength(headers);
    assert(length.type === "invalid" && length.field === TE);
  }
});

test("ajpSecretMatches() wants one secret at least and every one right", () => {
  const matches = (secret: string, ...sent: string[]) =>
    ajpSecretMatches(
      ajpRequest({
        attributes: [
          ajpAttribute(5, "s3cret"),
          ...sent.map((value) => ajpAttribute(SC_A_SECRET, value)),
        ],
      }),
      secret,
    );
  assert(matches("s3cret", "s3cret"));
  assert(matches("s3cret", "s3cret", "s3cret"));
  for (
    const sent of [
      [],
      [""],
      ["s3cre"],
      ["s3crets"],
      ["S3cret"],
      ["s3creu"],
      ["s3crets3cret"],
      ["s3cret", "nope"],
      ["nope", "s3cret"],
    ]
  ) assert(!matches("s3cret", ...sent), sent.join());
  // Without a secret of our own nothing matches: that is not how to ask for none.
  assert(!matches(""));
  assert(!matches("", ""));
  assert(!matches("", "x"));
  const none = { code: SC_A_SECRET, name: null, value: null };
  assert(!ajpSecretMatches(ajpRequest({ attributes: [none] }), "s3cret"));
});

test("collectAjpAttributes() says what each attribute means; the last one counts", () => {
  const info = collectAjpAttributes(ajpRequest({
    attributes: [
      ajpAttribute(1, "context"),
      ajpAttribute(3, "bob"),
      ajpAttribute(3, "alice"),
      ajpAttribute(4, "Basic"),
      ajpAttribute(5, "q=1"),
      ajpAttribute(6, "node1"),
      ajpAttribute(7, "PEM"),
      ajpAttribute(8, "ECDHE"),
      ajpAttribute(9, "abcd"),
      { code: 11, name: null, value: 256 },
      { code: 14, name: null, value: null },
      ajpRequestAttribute("AJP_REMOTE_PORT", "55555"),
      ajpRequestAttribute("AJP_REMOTE_PORT", "x"),
      ajpRequestAttribute("AJP_LOCAL_ADDR", "192.0.2.2"),
      ajpRequestAttribute("AJP_SSL_PROTOCOL", "TLSv1.3"),
      ajpRequestAttribute("JK_LB_ACTIVATION", "DIS"),
      ajpRequestAttribute("MY_ENV", "a"),
      ajpRequestAttribute("MY_ENV", "b"),
      { code: 10, name: "NONE", value: null },
    ],
  }));
  assert.deepEqual(info, {
    remoteUser: "alice",
    authType: "Basic",
    query: "q=1",
    jvmRoute: "node1",
    sslCert: "PEM",
    sslCipher: "ECDHE",
    sslSession: "abcd",
    sslKeySize: 256,
    sslProtocol: "TLSv1.3",
    remotePort: 55_555,
    localAddr: "192.0.2.2",
    lbActivation: "DIS",
    requestAttributes: new Map([["MY_ENV", "b"], ["NONE", null]]),
  });
});

test("collectAjpAttributes() has null for what is not there and ignores a bad port", () => {
  for (const port of ["", "x", "-1", "65536", "1e3", "999999"]) {
    const attributes = [ajpRequestAttribute("AJP_REMOTE_PORT", port)];
    const info = collectAjpAttributes(ajpRequest({ attributes }));
    for (const value of Object.values(info)) {
      if (!(value instanceof Map)) assert.equal(value, null);
    }
    assert.equal(info.requestAttributes.size, 0);
  }
});

test("isKnownAjpRequestAttribute() knows Tomcat's names, whole and in their case", () => {
  for (
    const name of [
      "AJP_REMOTE_PORT",
      "JK_LB_ACTIVATION",
      "javax.servlet.request.cipher_suite",
      "jakarta.servlet.request.X509Certificate",
      "HTTPS_KEYSIZE",
    ]
  ) assert(isKnownAjpRequestAttribute(name), name);
  for (
    const name of [
      "",
      "MY_ENV",
      "HTTPS_KEYSIZE2",
      "https_keysize",
      "javax.servlet.include.path_info",
      "jakarta.servlet.include.request_uri",
    ]
  ) assert(!isKnownAjpRequestAttribute(name), name);
});
