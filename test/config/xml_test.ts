import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ConfigError, type ConfigErrorCode } from "../../config/mod.ts";
import {
  decodeXml,
  MAX_XML_DEPTH,
  MAX_XML_ELEMENTS,
  MAX_XML_LENGTH,
  parseXml,
  type XmlElement,
} from "../../config/xml.ts";

test("parseXml() gives elements and attributes with their places", () => {
  const root = parseXml(
    `<?xml version="1.0"?>\r\n<!-- <a b="c"/> -->\r\n` +
      `<Engine  name="a>b"\r\n    jvmRoute = 'x="1"'>\r\r<Cluster\n\tone="&lt;&#10;"/></Engine>`,
  );
  assert.deepEqual(root, {
    name: "Engine",
    place: { line: 3, column: 1 },
    attributes: [
      { name: "name", value: "a>b", place: { line: 3, column: 10 } },
      { name: "jvmRoute", value: 'x="1"', place: { line: 4, column: 5 } },
    ],
    children: [{
      name: "Cluster",
      place: { line: 6, column: 1 },
      attributes: [
        { name: "one", value: "<\n", place: { line: 7, column: 2 } },
      ],
      children: [],
    }],
  });
});

test("parseXml() counts columns behind a byte order mark and characters of two units", () => {
  const root = parseXml(`\ufeff<a b="😀" c="d"/>`);
  assert.deepEqual(root.attributes.map(({ place }) => place.column), [4, 11]);
});

const REFUSED: readonly (readonly [string, ConfigErrorCode, number, RegExp])[] =
  [
    ["", "bad-xml", 1, /root element/],
    ["<a>", "bad-xml", 1, /unclosed tag/],
    ["<a>\n<b></a>", "bad-xml", 2, /./],
    ["<a/>\n<b/>", "bad-xml", 2, /one root/],
    ['<a\nb="1"\nb="2"/>', "bad-xml", 3, /duplicate attribute/],
    ["<a b=c/>", "bad-xml", 1, /unquoted/],
    ['<a b="&x;"/>', "bad-xml", 1, /undefined entity/],
    [
      '<!DOCTYPE a [<!ENTITY x "y">]>\n<a b="&x;"/>',
      "bad-xml",
      1,
      /declares entities/,
    ],
    [
      '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
      "bad-xml",
      1,
      /not read/,
    ],
    ['<!DOCTYPE a SYSTEM "a.dtd"><a>&x;</a>', "bad-xml", 1, /undefined entity/],
    ['<a b="\u0000"/>', "bad-xml", 1, /disallowed character/],
    [
      "<a>".repeat(MAX_XML_DEPTH + 1),
      "too-large",
      1,
      /deeper than 64/,
    ],
    [
      `<a>${"<b/>".repeat(MAX_XML_ELEMENTS)}</a>`,
      "too-large",
      1,
      /more than 50000/,
    ],
    [" ".repeat(MAX_XML_LENGTH + 1), "too-large", 0, /characters/],
  ];

for (const [text, code, line, pattern] of REFUSED) {
  test(`parseXml() refuses ${JSON.stringify(text.slice(0, 60))}`, () => {
    assert.throws(() => parseXml(text), (error: unknown) => {
      assert(error instanceof ConfigError);
      assert.equal(error.code, code);
      assert.equal(error.line, line, error.message);
      assert.match(error.message, pattern);
      return true;
    });
  });
}

test("parseXml() takes what is just within its limits", () => {
  const deep = "<a>".repeat(MAX_XML_DEPTH) + "</a>".repeat(MAX_XML_DEPTH);
  assert.equal(parseXml(deep).name, "a");
  const wide = `<a>${"<b/>".repeat(MAX_XML_ELEMENTS - 1)}</a>`;
  assert.equal(parseXml(wide).children.length, MAX_XML_ELEMENTS - 1);
  assert.equal(
    parseXml('<!DOCTYPE Server SYSTEM "x"><Server/>').name,
    "Server",
  );
});

test("parseXml() throws nothing but ConfigError", () => {
  const pieces = fc.constantFrom(
    ..."<>&;=\"'/!?[]- \n\rab\u0000\ud800",
    "<a",
    "</a>",
    "<!DOCTYPE",
    "<![CDATA[",
    "]]>",
    "&amp;",
    "&#x",
    'b="c"',
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 30 }), (parts) => {
      try {
        parseXml(parts.join(""));
      } catch (error) {
        assert(error instanceof ConfigError, String(error));
      }
    }),
    { numRuns: 500 },
  );
});

test("parseXml() says for each attribute where its name stands", () => {
  const names = fc.uniqueArray(fc.stringMatching(/^[a-z][a-zA-Z.-]{0,5}$/), {
    maxLength: 5,
  });
  const gaps = fc.constantFrom(" ", "\n", "\r\n", "\r", "\t ", "\n\n  ");
  const values = fc.constantFrom('"x"', "'y=\"z\"'", "\" a='b' \"", '"😀>"');
  fc.assert(
    fc.property(
      fc.array(fc.tuple(gaps, gaps, values), { minLength: 5, maxLength: 5 }),
      names,
      (spaces, found) => {
        const source = `<!-- -->\n<el${
          found.map((name, i) => {
            const [before, around, value] = spaces[i]!; // as many as names at most
            return `${before}${name}${around}=${around}${value}`;
          }).join("")
        }/>`;
        const { attributes }: XmlElement = parseXml(source);
        assert.deepEqual(attributes.map(({ name }) => name), found);
        const lines = source.split(/\r\n|\r|\n/);
        for (const { name, place } of attributes) {
          const at = lines[place.line - 1]!.slice(place.column - 1); // a line of it
          assert(at.startsWith(name), `${name} is not at ${at}`);
        }
      },
    ),
    { numRuns: 200 },
  );
});

const ENCODED: readonly (readonly [string, Uint8Array, string])[] = [
  ["UTF-8", new TextEncoder().encode("<é/>"), "<é/>"],
  ["UTF-8 with a mark", Uint8Array.of(0xef, 0xbb, 0xbf, 0x3c), "<"],
  ["UTF-16 with a mark", Uint8Array.of(0xff, 0xfe, 0x3c, 0, 0xe9, 0), "<é"],
  ["UTF-16, big end first", Uint8Array.of(0xfe, 0xff, 0, 0x3c), "<"],
  [
    "ISO-8859-1 as declared",
    Uint8Array.from(
      '<?xml version="1.0" encoding="ISO-8859-1"?>é',
      (character) => character.charCodeAt(0),
    ),
    '<?xml version="1.0" encoding="ISO-8859-1"?>é',
  ],
];

for (const [name, bytes, text] of ENCODED) {
  test(`decodeXml() reads ${name}`, () => {
    assert.equal(decodeXml(bytes), text);
  });
}

test("decodeXml() refuses bytes that are no text, and encodings that do not exist", () => {
  const refused = { name: "ConfigError", code: "bad-xml" };
  assert.throws(() => decodeXml(Uint8Array.of(0xff, 0x41)), refused);
  const unknown = new TextEncoder().encode(
    '<?xml version="1.0" encoding="x-y"?>',
  );
  assert.throws(() => decodeXml(unknown), refused);
  assert.throws(
    () => decodeXml(new Uint8Array(4 * MAX_XML_LENGTH + 1)),
    { code: "too-large" },
  );
});
