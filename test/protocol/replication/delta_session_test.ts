import assert from "node:assert/strict";
import { test } from "node:test";
import {
  concatBytes,
  createDeltaSession,
  createPrincipal,
  decodeDeltaSession,
  decodeHex,
  decodeJavaStream,
  decodeSessionBlock,
  type DeltaSession,
  encodeDeltaSession,
  encodeHex,
  encodeJavaObject,
  encodeJavaStream,
  encodeSessionBlock,
  isJavaPrincipal,
  JavaBlockData,
  javaClassDesc,
  javaField,
  javaInteger,
  javaLong,
  type JavaNode,
  JavaObject,
  javaObject,
  javaPrincipal,
  javaSingleSignOnListener,
  JavaString,
  javaStringArray,
  parseGeneration,
  readJavaPrincipal,
} from "../../../protocol/mod.ts";
import { assertDecodeError, assertEncodeError } from "../../support/outcome.ts";

const ID = "0123456789ABCDEF.node1";
const LINES = ["7.0", "8.5", "9.0", "10.0", "10.1", "11.0", "12.0"];

function session(init: Partial<DeltaSession> = {}): DeltaSession {
  return createDeltaSession({
    id: ID,
    creationTime: 1_700_000_000_123,
    lastAccessedTime: 1_700_000_001_123,
    thisAccessedTime: 1_700_000_002_123,
    ...init,
  });
}

function only(bytes: Uint8Array): DeltaSession {
  const sessions = decodeSessionBlock(bytes);
  assert.equal(sessions.length, 1);
  return sessions[0]!; // it has one
}

for (const release of LINES) {
  const generation = parseGeneration(release);

  test(`decodeSessionBlock() reads what encodeSessionBlock() wrote for ${release}`, () => {
    const user = javaPrincipal(createPrincipal("alice", ["admin", "user"]));
    const value = new JavaString("kept");
    const listener = javaSingleSignOnListener("sso-1");
    const notes = {
      sessionId: new JavaString("old"),
      savedRequest: new JavaString("a request"),
    };
    const sessions = [
      session({ principal: user, attributes: [{ name: "a", value }] }),
      session({ id: "B", listeners: [listener], isNew: true }),
      session({ id: "C", authenticationNotes: notes, isValid: false }),
    ];
    const read = decodeSessionBlock(encodeSessionBlock(sessions, generation));
    assert.deepEqual(
      read.map(({ id, isNew, isValid }) => ({ id, isNew, isValid })),
      [
        { id: ID, isNew: false, isValid: true },
        { id: "B", isNew: true, isValid: true },
        { id: "C", isNew: false, isValid: false },
      ],
    );
    assert(isJavaPrincipal(read[0]!.principal)); // there are three
    assert.deepEqual(
      readJavaPrincipal(read[0]!.principal),
      createPrincipal("alice", ["admin", "user"]),
    );
    assert.deepEqual(read[0]!.attributes, [{ name: "a", value }]);
    assert.equal(read[1]!.listeners.length, 1);
    const hasNotes = release !== "7.0";
    assert.deepEqual(read[2]!.authenticationNotes, hasNotes ? notes : null);
    // Without notes they are left out, but for the newest releases.
    const always = ["10.1", "11.0", "12.0"].includes(release);
    assert.equal(read[0]!.authenticationNotes !== null, always);
  });

  test(`decodeDeltaSession() reads what encodeDeltaSession() wrote for ${release}`, () => {
    const bytes = encodeDeltaSession(session(), generation);
    const { serialVersionUid, authenticationNotes: _, ...read } =
      decodeDeltaSession(bytes);
    const { authenticationNotes: __, ...wanted } = session();
    assert.deepEqual(read, wanted);
    assert.equal(typeof serialVersionUid, "bigint");
  });
}

test("encodeSessionBlock() leaves notes out for releases that cannot read them", () => {
  const notes = { sessionId: new JavaString("old"), savedRequest: null };
  for (
    const [release, written] of [
      ["8.5.82", false],
      ["8.5.83", true],
      ["9.0.65", false],
      ["9.0.66", true],
      ["10.0.23", false],
      ["10.0.24", true],
      ["10.1.0", true],
    ] as const
  ) {
    const bytes = encodeSessionBlock(
      [session({ authenticationNotes: notes })],
      parseGeneration(release),
    );
    const { authenticationNotes } = only(bytes);
    assert.deepEqual(authenticationNotes, written ? notes : null, release);
  }
});

test("encodeSessionBlock() writes a user inline for 7.0, with everything that is known", () => {
  const user = javaPrincipal(
    createPrincipal("bob", ["x"], {
      password: "secret",
      userPrincipal: new JavaString("login"),
    }),
    parseGeneration("9.0"),
  );
  const bytes = encodeSessionBlock(
    [session({ principal: user })],
    parseGeneration("7.0"),
  );
  const blocks = decodeJavaStream(bytes).filter((content) =>
    content?.kind === "block-data"
  );
  assert.equal(
    encodeHex((blocks[0] as JavaBlockData).bytes),
    "01" + "0003626f62" + "01" + "0006736563726574" + "00000001" +
      "000178" + "01",
  );
  const principal = readJavaPrincipal(only(bytes).principal);
  assert.deepEqual(
    principal,
    createPrincipal("bob", ["x"], {
      password: "secret",
      userPrincipal: new JavaString("login"),
    }),
  );
  assertEncodeError(
    () =>
      encodeSessionBlock(
        [session({ principal: new JavaString("nobody") })],
        parseGeneration("7.0"),
      ),
    "unsupported",
    "session.principal",
  );
});

test("encodeSessionBlock() gives 8.5 and later a user that 7.0 wrote", () => {
  const seven = parseGeneration("7.0");
  const user = javaPrincipal(createPrincipal("bob", ["x"]), seven);
  const { principal } = only(
    encodeSessionBlock([session({ principal: user })]),
  );
  assert(principal instanceof JavaObject);
  assert(principal.classDesc.kind === "class-desc");
  assert.equal(
    principal.classDesc.name,
    "org.apache.catalina.realm.GenericPrincipal$SerializablePrincipal",
  );
  assert.equal(readJavaPrincipal(principal).name, "bob");
});

test("decodeSessionBlock() reads sessions without listeners where 7.0 wrote them so", () => {
  const generation = parseGeneration("7.0.61");
  const bytes = encodeSessionBlock(
    [session(), session({ id: "B" })],
    generation,
  );
  const ids = decodeSessionBlock(bytes, { generation }).map(({ id }) => id);
  assert.deepEqual(ids, [ID, "B"]);
  // For later releases it is a stream that was cut.
  assertDecodeError(
    () => decodeSessionBlock(bytes),
    "truncated",
    "sessionBlock.listeners.count",
    bytes.length,
  );
  const object = encodeDeltaSession(session(), generation);
  assert.deepEqual(decodeDeltaSession(object).listeners, []);
});

test("encodeSessionBlock() keeps what sessions share", () => {
  const shared = javaInteger(5000);
  const read = decodeSessionBlock(encodeSessionBlock([
    session({ attributes: [{ name: "x", value: shared }] }),
    session({ id: "B", attributes: [{ name: "x", value: shared }] }),
  ]));
  assert.equal(read[0]?.attributes[0]?.value, read[1]?.attributes[0]?.value);
});

test("encodeSessionBlock() refers to small numbers as Java does, and to no other of their kind", () => {
  const small = javaInteger(1);
  const contents = decodeJavaStream(encodeSessionBlock([
    session({ attributes: [{ name: "x", value: small }] }),
  ]));
  assert.equal(contents.filter((node) => node === contents[0]).length, 3); // counts 1 and 1, value 1
  const other = javaLong(5000n);
  const { attributes } = only(encodeSessionBlock([
    session({
      creationTime: 5000,
      attributes: [{ name: "x", value: other }],
    }),
  ]));
  const value = attributes[0]?.value;
  assert(value instanceof JavaObject);
  assert.equal(javaField(value, "value"), 5000n);
});

/** A block of one session with two attributes, the first of which an exception cut off. */
function aborted(marker: readonly JavaNode[]): Uint8Array {
  const whole = encodeSessionBlock([
    session({
      attributes: [
        { name: "bad", value: null },
        { name: "good", value: new JavaString("kept") },
      ],
    }),
  ]);
  const contents = decodeJavaStream(whole);
  const at = contents.findIndex((node) =>
    node?.kind === "string" && node.value === "bad"
  );
  const head = encodeJavaStream(contents.slice(0, at + 1));
  // An array whose writing stopped at its elements, the exception, and everything anew.
  const array = javaStringArray([null, null]);
  const cut = encodeJavaObject(array).subarray(4, -2);
  const exception = decodeHex("7b" + "74000465786374");
  const rest = [
    ...marker,
    new JavaString("good"),
    new JavaString("kept"),
    javaInteger(0),
  ];
  return concatBytes([
    head,
    cut,
    exception,
    encodeJavaStream(rest).subarray(4),
  ]);
}

for (
  const [what, marker] of [
    ["", []],
    [
      ", and a mark behind it",
      [new JavaString("___NOT_SERIALIZABLE_EXCEPTION___")],
    ],
  ] as const
) {
  test(`decodeSessionBlock() goes on behind an attribute that an exception ended${what}`, () => {
    const { attributes, lostAttributes } = only(aborted(marker));
    assert.deepEqual(attributes, [
      { name: "good", value: new JavaString("kept") },
    ]);
    assert.deepEqual(lostAttributes, ["bad"]);
  });
}

test("decodeSessionBlock() refuses numbers that lie", () => {
  const head = (count: number) => encodeJavaObject(javaInteger(count));
  assertDecodeError(
    () => decodeSessionBlock(head(-1)),
    "out-of-range",
    "sessionBlock.sessions.count",
    4,
  );
  const start = performance.now();
  assertDecodeError(
    () => decodeSessionBlock(head(0x7fff_ffff)),
    "truncated",
    "sessionBlock.creationTime",
    head(1).length,
  );
  assert(performance.now() - start < 1000);
  assertDecodeError(
    () => decodeSessionBlock(encodeJavaObject(javaLong(1n))),
    "malformed",
    "sessionBlock.sessions.count",
    4,
  );
  // A time that no number holds.
  const late = encodeJavaStream([javaInteger(1), javaLong(1n << 60n)]);
  assertDecodeError(
    () => decodeSessionBlock(late),
    "out-of-range",
    "sessionBlock.creationTime",
    encodeJavaObject(javaInteger(1)).length,
  );
  // An Integer whose class says that its value is a long.
  const wrong = javaObject(
    javaClassDesc({
      name: "java.lang.Integer",
      serialVersionUID: 1360826667806852920n,
      fields: ["J value"],
    }),
    { value: 1n },
  );
  assertDecodeError(
    () => decodeSessionBlock(encodeJavaObject(wrong)),
    "malformed",
    "sessionBlock.sessions.count",
    4,
  );
});

test("encodeSessionBlock() refuses numbers beyond their types", () => {
  assertEncodeError(
    () => encodeSessionBlock([session({ creationTime: 1e300 })]),
    "out-of-range",
    "session.creationTime",
  );
  assertEncodeError(
    () => encodeSessionBlock([session({ maxInactiveInterval: 2 ** 31 })]),
    "out-of-range",
    "value",
  );
});

test("decodeDeltaSession() refuses other objects", () => {
  assertDecodeError(
    () => decodeDeltaSession(encodeJavaObject(javaInteger(1))),
    "malformed",
    "session.class",
    0,
  );
});

test("decodeSessionBlock() keeps blocks apart from what follows them", () => {
  const contents = decodeJavaStream(encodeSessionBlock([session()]));
  const at = contents.findIndex((content) => content?.kind === "block-data");
  // The flag in a block of its own behind an empty one, then a byte too many.
  contents.splice(
    at,
    1,
    new JavaBlockData(new Uint8Array(0)),
    new JavaBlockData(Uint8Array.of(0)),
  );
  assert.equal(only(encodeJavaStream(contents)).id, ID);
  contents.splice(at + 1, 0, new JavaBlockData(Uint8Array.of(0)));
  assert.throws(() => decodeSessionBlock(encodeJavaStream(contents)), {
    name: "DecodeError",
    code: "malformed",
    field: "sessionBlock.id",
  });
});
