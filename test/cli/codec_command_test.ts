import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type CommandIo, OutputClosedError } from "../../cli/command.ts";
import type { JsonObject } from "../../cli/json.ts";
import { errorToJson } from "../../cli/kind.ts";
import { KINDS } from "../../cli/kinds.ts";
import { readLines } from "../../cli/lines.ts";
import { main } from "../../cli/main.ts";
import { decodeHex, encodeHex } from "../../protocol/mod.ts";
import { loadVector, loadVectors } from "../support/vectors.ts";

const ACK_FRAME = "464c543230303200000003060203544c4632303033";

for (const kind of ["frame", "member-beacon", "channel-data"] as const) {
  for (const { id, hex, decoded } of loadVectors(kind)) {
    test(`decode --roundtrip agrees with ${id}`, async () => {
      const answer = await answerOne(["decode", "--roundtrip"], {
        id,
        kind,
        hex,
      });
      assert.equal(answer.id, id);
      assert.equal(answer.ok, true);
      assert.equal(answer.same, true);
      assertHolds(answer.value as JsonObject, decoded);
    });

    test(`encode agrees with ${id}, given what decode printed or the vector`, async () => {
      const { value } = await answerOne(["decode"], { kind, hex });
      for (const form of [value!, decoded]) { // ok answers have a value
        const answer = await answerOne(["encode"], { id, kind, value: form });
        assert.deepEqual(answer, { id, ok: true, hex });
      }
    });
  }
}

// What Tomcat drops or hangs on, silently, ends a stream here.
const STREAM_ERRORS = new Map<string, readonly [string, string, number]>([
  ["frame-stream/garbage-8", ["bad-marker", "frame.start", 0]],
  ["frame-stream/garbage-7", ["bad-marker", "frame.start", 0]],
  ["frame-stream/bad-end", ["bad-marker", "frame.end", 14]],
  ["frame-stream/bad-length", ["bad-marker", "frame.end", 20]],
  ["frame-stream/negative-length", ["out-of-range", "frame.body.length", 7]],
]);

for (const { id, steps } of loadVectors("frame-stream")) {
  const kind = "frame-stream";
  const chunks = steps.map((step) => step.in);
  const frames = steps.flatMap((step) => step.frames);
  const error = STREAM_ERRORS.get(id);
  test(`decode --roundtrip gives the outcome of ${id}`, async () => {
    const answer = await answerOne(["decode", "--roundtrip"], {
      kind,
      chunks,
    });
    if (error === undefined) {
      const buffered = steps.at(-1)!.bufferedAfter; // a vector has steps
      const value = { frames, buffered };
      assert.deepEqual(answer, { id: null, ok: true, value, same: true });
      const again = await answerOne(["encode"], { kind, value });
      assert.deepEqual(again, { id: null, ok: true, hex: chunks.join("") });
    } else {
      assert.equal(answer.ok, false);
      assert.deepEqual(placeOf(answer), error);
      assert.deepEqual(answer.frames, []);
      assert.equal("same" in answer, false);
    }
  });
}

test("decode gives the frames of a stream before its error, and offsets in the stream", async () => {
  const answer = await answerOne(["decode"], {
    kind: "frame-stream",
    chunks: [ACK_FRAME.slice(0, 6), `${ACK_FRAME.slice(6)}464c58`],
  });
  assert.equal(answer.ok, false);
  assert.deepEqual(answer.frames, ["060203"]);
  assert.deepEqual(placeOf(answer), ["bad-marker", "frame.start", 21]);
});

test("decode counts the bytes of an incomplete frame, and keeps them in the round trip", async () => {
  for (
    const line of [{ chunks: [`${ACK_FRAME}464c`, ""] }, {
      hex: `${ACK_FRAME}464c`,
    }]
  ) {
    const answer = await answerOne(["decode", "--roundtrip"], {
      kind: "frame-stream",
      ...line,
    });
    assert.deepEqual(answer, {
      id: null,
      ok: true,
      value: { frames: ["060203"], buffered: 2 },
      same: true,
    });
  }
});

const REJECTS = new Map<string, readonly [string, string, number]>([
  ["member-reject/bad-begin", ["bad-marker", "member.begin", 0]],
  ["member-reject/host-len-negative", [
    "out-of-range",
    "member.host.length",
    34,
  ]],
  ["member-reject/truncated", ["truncated", "member.end", 67]],
]);

for (const { id, hex, error } of loadVectors("member-reject")) {
  test(`decode of a member-beacon does as Tomcat in ${id}`, async () => {
    const answer = await answerOne(["decode", "--roundtrip"], {
      kind: "member-beacon",
      hex,
    });
    if (error === "accepted") {
      // The bytes behind the beacon are ignored, in the round trip too.
      assert.equal(answer.ok, true);
      assert.equal(answer.same, true);
    } else {
      assert.equal(answer.ok, false);
      assert.deepEqual(placeOf(answer), REJECTS.get(id));
    }
  });
}

test("decode points into the whole frame of channel-data", async () => {
  const { hex } = loadVector("channel-data", "options-2");
  const bytes = decodeHex(hex);
  const damage = async (at: number, byte: number) => {
    const copy = bytes.slice();
    copy[at] = byte;
    return placeOf(
      await answerOne(["decode"], {
        kind: "channel-data",
        hex: encodeHex(copy),
      }),
    );
  };
  assert.deepEqual(await damage(11 + 36, 0), [
    "bad-marker",
    "member.begin",
    47,
  ]);
  assert.deepEqual(await damage(11 + 4, 0x7f), [
    "out-of-range",
    "timestamp",
    15,
  ]);
  // A message one byte shorter leaves a byte of the body.
  assert.deepEqual(await damage(11 + 116, 6), [
    "trailing-bytes",
    "channelData",
    bytes.length - 8,
  ]);
  assert.deepEqual(await damage(0, 0), ["bad-marker", "frame.start", 0]);
});

test("decode answers bad lines where they stand, and goes on", async () => {
  const lines = [
    '{"id":"a","kind":"frame","hex":"46"}',
    "",
    "not json",
    "[1]",
    "null",
    '{"id":"b"}',
    '{"id":"c","kind":"nope"}',
    '{"id":"d","kind":7}',
    '{"id":"e","kind":"frame"}',
    '{"id":"f","kind":"frame","hex":"4g"}',
    '{"id":"g","kind":"frame","hex":7}',
    '{"id":"h","kind":"frame-stream"}',
    '{"id":"i","kind":"frame-stream","chunks":["00",1]}',
    '{"id":"j","kind":"frame","hex":"","generation":"5.5"}',
    '{"id":"k","kind":"__proto__","hex":""}',
    `{"id":{"l":[1]},"kind":"frame","hex":"${ACK_FRAME}"}`,
    `{"id":0,"kind":"frame","hex":"${ACK_FRAME}"}`,
    `{"id":false,"kind":"frame","hex":"${ACK_FRAME}"}`,
    `{"id":null,"kind":"frame","hex":"${ACK_FRAME}"}`,
    `{"kind":"frame","hex":"${ACK_FRAME}00"}`,
  ];
  const { status, answers } = await run(["decode"], [lines.join("\n")]);
  assert.equal(status, 0);
  const short = answers.map((answer) => [
    answer.id,
    answer.ok === true ? "ok" : placeOf(answer)[0],
    answer.ok === true ? undefined : placeOf(answer)[1],
  ]);
  assert.deepEqual(short, [
    ["a", "truncated", "frame.start"],
    [null, "bad-line", "line"],
    [null, "bad-line", "line"],
    [null, "bad-line", "line"],
    [null, "bad-line", "line"],
    ["b", "unknown-kind", "kind"],
    ["c", "unknown-kind", "kind"],
    ["d", "unknown-kind", "kind"],
    ["e", "bad-line", "hex"],
    ["f", "malformed", "hex"],
    ["g", "bad-line", "hex"],
    ["h", "bad-line", "chunks"],
    ["i", "bad-line", "chunks[1]"],
    ["j", "bad-line", "generation"],
    ["k", "unknown-kind", "kind"],
    [null, "bad-line", "id"],
    [0, "ok", undefined],
    [false, "ok", undefined],
    [null, "ok", undefined],
    [null, "trailing-bytes", "frame"],
  ]);
});

test("decode survives lines that are nested deeply", async () => {
  const deep = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;
  const { status, answers } = await run(["decode", "--kind", "frame"], [
    `{"id":${deep},"hex":"${ACK_FRAME}"}\n`,
    `{"hex":${deep}}\n`,
    `{"kind":${deep}}\n`,
    `{"id":1,"hex":"${ACK_FRAME}"}\n`,
  ]);
  assert.equal(status, 0);
  assert.deepEqual(answers.map((answer) => answer.ok), [
    false,
    false,
    false,
    true,
  ]);
});

test("errorToJson() has an answer to errors that nobody expected", () => {
  assert.deepEqual(errorToJson(new RangeError("too deep")), {
    code: "unsupported",
    field: "line",
    message: "Cannot handle the line: RangeError: too deep",
  });
});

test("encode needs every field that has no default, and names it", async () => {
  const member = { host: "7f000001", port: 1 };
  const data = {
    options: 1,
    timestamp: "2",
    uniqueId: "",
    address: member,
    message: "",
  };
  const without = (object: JsonObject, name: string): JsonObject => {
    const { [name]: _, ...rest } = object;
    return rest;
  };
  const wrong: [
    kind: string,
    value: JsonObject,
    code: string,
    field: string,
  ][] = [
    ["frame", {}, "malformed", "body"],
    ["frame", { body: "0" }, "malformed", "body"],
    ["frame", { body: null }, "malformed", "body"],
    ["frame-stream", {}, "malformed", "frames"],
    ["frame-stream", { frames: [""], buffered: 3 }, "unsupported", "buffered"],
    ["frame-stream", { frames: ["00", "x"] }, "malformed", "frames[1]"],
    ["member-beacon", { port: 1 }, "malformed", "member.host"],
    ["member-beacon", { host: "00" }, "malformed", "member.port"],
    ["member-beacon", { ...member, port: "1.5" }, "malformed", "member.port"],
    ["member-beacon", { ...member, port: 1.5 }, "out-of-range", "member.port"],
    [
      "member-beacon",
      { ...member, udpPort: "2147483648" },
      "out-of-range",
      "member.udpPort",
    ],
    [
      "member-beacon",
      { ...member, aliveTime: "9007199254740992" },
      "out-of-range",
      "member.aliveTime",
    ],
    [
      "member-beacon",
      { ...member, uniqueId: "00" },
      "out-of-range",
      "member.uniqueId",
    ],
    [
      "member-beacon",
      { ...member, host: "00".repeat(128) },
      "out-of-range",
      "member.host",
    ],
    ...Object.keys(data).map((name): [string, JsonObject, string, string] => [
      "channel-data",
      without(data, name),
      "malformed",
      name,
    ]),
    ["channel-data", { ...data, address: [] }, "malformed", "address"],
    [
      "channel-data",
      { ...data, address: without(member, "port") },
      "malformed",
      "member.port",
    ],
    ["channel-data", { ...data, options: 2 ** 31 }, "out-of-range", "options"],
  ];
  for (const [kind, value, code, field] of wrong) {
    const answer = await answerOne(["encode"], { id: 1, kind, value });
    assert.equal(answer.ok, false);
    assert.deepEqual(placeOf(answer), [code, field, undefined], `${field}`);
  }
  for (const value of [undefined, null, [], "x"]) {
    const answer = await answerOne(["encode"], {
      kind: "frame",
      ...value === undefined ? {} : { value },
    });
    assert.deepEqual(placeOf(answer), ["bad-line", "value", undefined]);
  }
});

test("encode fills in a member's defaults and takes numbers as strings", async () => {
  const { hex } = loadVector("member-beacon", "zero-uid");
  const kind = "member-beacon";
  const value = { host: "7f000001", port: "4000", aliveTime: 100 };
  const answer = await answerOne(["encode"], { kind, value });
  assert.deepEqual(answer, { id: null, ok: true, hex });

  const least = { host: "7f000001", port: 4000 };
  const written = await answerOne(["encode"], { kind, value: least });
  const read = await answerOne(["decode"], { kind, hex: written.hex });
  assert.deepEqual(read.value, {
    ...least,
    securePort: -1,
    udpPort: -1,
    aliveTime: "0",
    uniqueId: "00".repeat(16),
    domain: "",
    command: "",
    payload: "",
  });
});

test("encode ignores what is computed, and takes a generation", async () => {
  const { hex, decoded } = loadVector("frame", "short");
  const value = { ...decoded, magic: "x", length: -1, dataLength: 1 };
  for (const generation of ["9.0", "10.1.60", "7.0.55"]) {
    const answer = await answerOne(["encode"], {
      kind: "frame",
      generation,
      value: { ...value, chunkLength: 7 },
    });
    assert.deepEqual(answer, { id: null, ok: true, hex });
  }
});

test("--kind is the kind of lines that name none", async () => {
  const { answers } = await run(["decode", "--kind", "frame"], [
    `{"hex":"${ACK_FRAME}"}\n{"hex":"${ACK_FRAME}","kind":"member-beacon"}\n`,
  ]);
  assert.deepEqual(answers.map((answer) => answer.ok), [true, false]);
});

test("--kinds lists the kinds", async () => {
  for (const command of ["decode", "encode"]) {
    const { status, output } = await run([command, "--kinds"]);
    assert.equal(status, 0);
    const names = output.trimEnd().split("\n");
    assert.deepEqual(names, [...KINDS.keys()]);
    assert(names.includes("frame-stream") && names.includes("channel-data"));
  }
});

test("decode --hex prints the value as indented JSON", async () => {
  const { hex, decoded } = loadVector("member-beacon", "v4-domain");
  const args = ["decode", "--kind", "member-beacon", "--hex", hex];
  const { status, output } = await run(args);
  assert.equal(status, 0);
  assert.match(output, /^\{\n {2}"host": "c0a801c8",\n/);
  assert(output.endsWith("\n}\n"));
  assert.deepEqual(JSON.parse(output), decoded);
  const again = await run([...args, "--roundtrip"]);
  assert.deepEqual(JSON.parse(again.output), { ...decoded, same: true });
});

test("decode --hex of wrong bytes is exit status 1 and one line", async () => {
  const { status, output, errors } = await run([
    "decode",
    "--kind",
    "member-beacon",
    "--hex",
    "5400",
  ]);
  assert.equal(status, 1);
  assert.equal(output, "");
  assert.deepEqual(errors, [
    "tribes: Cannot decode member.begin at byte 0: " +
    "byte 1 of the marker is 00, not 52",
  ]);
});

test("wrong arguments are exit status 2 and one line that names them", async () => {
  const long = "z".repeat(1000);
  const wrong: [args: string[], named: string[]][] = [
    [["decode", "--kind", "nope"], ["--kind", "nope", "member-beacon"]],
    [["encode", "--kind", "nope"], ["--kind", "nope"]],
    [["decode", "--kind"], ["--kind"]],
    [["decode", "--kind", "frame", "--hex", "4g"], ["--hex", "4g"]],
    [["decode", "--kind", "frame", "--hex", long], ["--hex", "zzz..."]],
    [["decode", "--hex", "00"], ["--hex", "00", "--kind"]],
    [["decode", "--nope=3"], ["--nope=3"]],
    [["encode", "--hex", "00"], ["--hex"]],
    [["encode", "--roundtrip"], ["--roundtrip"]],
    [["decode", "surplus"], ["argument surplus", "decode takes 0"]],
    [["nope"], ["command nope", "decode, encode"]],
    [["decode", "--kidn"], ["--kidn", "--kind"]],
    [["--nope"], ["--nope"]],
    [[], ["decode", "encode"]],
  ];
  for (const [args, named] of wrong) {
    const { status, output, errors } = await run(args);
    assert.equal(status, 2, args.join(" "));
    assert.equal(output, "");
    assert.equal(errors.length, 1);
    const [line = ""] = errors;
    assert(!line.includes("\n") && line.length < 400, line);
    for (const name of named) assert(line.includes(name), line);
  }
});

test("--help is printed on stdout and no error", async () => {
  for (const args of [["--help"], ["decode", "--help"], ["help", "decode"]]) {
    const { status, output, errors } = await run(args);
    assert.equal(status, 0);
    assert.match(output, /^Usage: tribes /);
    if (args.includes("decode")) assert.match(output, /--roundtrip/);
    assert.deepEqual(errors, []);
  }
});

test("each line is answered before the next one is read", async () => {
  const io = memoryIo([]);
  const answered: number[] = [];
  async function* input() {
    for (let i = 0; i < 3; i++) {
      answered.push(io.output().split("\n").length - 1);
      yield encode(`{"kind":"frame","hex":"${ACK_FRAME}"}\n`);
    }
    await Promise.resolve();
  }
  assert.equal(await main(["decode"], { ...io, input: input() }), 0);
  assert.deepEqual(answered, [0, 1, 2]);
});

test("a slow reader of the output slows the reading down", async () => {
  let chunks = 0;
  async function* input() {
    for (let i = 0; i < 100; i++) {
      chunks++;
      yield encode(`{"kind":"frame","hex":"${ACK_FRAME}"}\n`);
    }
    await Promise.resolve();
  }
  const released = Promise.withResolvers<void>();
  const io = { ...memoryIo([]), input: input(), write: () => released.promise };
  const status = main(["decode"], io);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(chunks, 1);
  released.resolve();
  assert.equal(await status, 0);
  assert.equal(chunks, 100);
});

test("output that is closed early ends the command quietly", async () => {
  let read = 0;
  async function* input() {
    for (;;) {
      read++;
      yield encode("x\n");
      await Promise.resolve();
    }
  }
  const io = memoryIo([]);
  const status = await main(["decode"], {
    ...io,
    input: input(),
    write: () => Promise.reject(new OutputClosedError()),
  });
  assert.equal(status, 0);
  assert.equal(read, 1);
  assert.deepEqual(io.errors, []);
});

test("output that fails otherwise is exit status 1", async () => {
  const io = memoryIo(["x\n"]);
  const failed = () => Promise.reject(new Error("disk full\nreally"));
  assert.equal(await main(["decode"], { ...io, write: failed }), 1);
  assert.deepEqual(io.errors, ["tribes: disk full really"]);
});

test("readLines() gives the same lines however the input is cut", async () => {
  const inputs: [text: string, lines: string[]][] = [
    ["é\n\nb\r\n€uro", ["é", "", "b\r", "€uro"]],
    ["a\nb", ["a", "b"]],
    ["a\n", ["a"]],
    ["\n", [""]],
    ["", []],
  ];
  for (const [text, expected] of inputs) {
    const bytes = encode(text);
    for (let size = 1; size <= bytes.length + 1; size++) {
      const chunks: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; at += size) {
        chunks.push(bytes.slice(at, at + size));
      }
      const found: string[] = [];
      for await (const lines of readLines(generate(chunks))) {
        for (const line of lines) {
          assert(line.type === "text");
          found.push(line.text);
        }
      }
      assert.deepEqual(found, expected);
    }
  }
});

test("readLines() says why a line cannot be read, and goes on", async () => {
  const input = [
    new Uint8Array([0xc3, 0x28, 0x0a]),
    encode("12345\n1234"),
    encode("56789"),
    encode("\n1234\n"),
  ];
  const found: unknown[] = [];
  for await (const lines of readLines(generate(input), 4)) found.push(...lines);
  assert.deepEqual(found, [
    { type: "unreadable", reason: "it is not UTF-8" },
    { type: "unreadable", reason: "5 bytes > 4" },
    { type: "unreadable", reason: "9 bytes > 4" },
    { type: "text", text: "1234" },
  ]);
});

test("the program writes all of a large output to a slow pipe", async () => {
  const hex = `464c543230303200010000${"ab".repeat(65_536)}544c4632303033`;
  const line = `{"kind":"frame","hex":"${hex}"}\n`;
  const count = 40;
  const child = start(["decode"]);
  child.stdin.end(line.repeat(count));
  await new Promise((resolve) => setTimeout(resolve, 300));
  let length = 0;
  for await (const chunk of child.stdout) {
    length += (chunk as Uint8Array).length;
  }
  assert.equal(await child.status, 0);
  const answer = { id: null, ok: true, value: { body: "ab".repeat(65_536) } };
  assert.equal(length, count * (JSON.stringify(answer).length + 1));
});

test("the program answers a line while its input stays open", async () => {
  const child = start(["encode", "--kind", "frame"]);
  child.stdin.write('{"id":1,"value":{"body":"060203"}}\n');
  for await (const chunk of child.stdout) {
    assert.equal(
      new TextDecoder().decode(chunk as Uint8Array),
      `{"id":1,"ok":true,"hex":"${ACK_FRAME}"}\n`,
    );
    break; // closes the pipe
  }
  // The next answer has no reader: the program ends although its input goes on.
  child.stdin.on("error", () => {});
  const writing = setInterval(() => child.stdin.write("x\n"), 20);
  assert.equal(await child.status, 0);
  clearInterval(writing);
  assert.equal(child.errors(), "");
});

test("the program ends with its status and one line on stderr", async () => {
  const wrong = start(["decode", "--nope"]);
  assert.equal(await wrong.status, 2);
  assert.equal(wrong.errors(), "tribes: unknown option '--nope'\n");
  const failed = start(["decode", "--kind", "frame", "--hex", "00"]);
  assert.equal(await failed.status, 1);
  assert.match(failed.errors(), /^tribes: Cannot decode frame\.start .*\n$/);
});

interface RunResult {
  readonly status: number;
  readonly output: string;
  readonly errors: readonly string[];
  readonly answers: readonly JsonObject[];
}

async function run(
  args: readonly string[],
  input: readonly string[] = [],
): Promise<RunResult> {
  const io = memoryIo(input);
  const status = await main(args, io);
  const output = io.output();
  const answers = input.length === 0 ? [] : output.trimEnd().split("\n")
    .map((line) => JSON.parse(line) as JsonObject); // one object a line
  return { status, output, errors: io.errors, answers };
}

async function answerOne(
  args: readonly string[],
  line: unknown,
): Promise<JsonObject> {
  const { status, answers } = await run(args, [`${JSON.stringify(line)}\n`]);
  assert.equal(status, 0);
  assert.equal(answers.length, 1);
  return answers[0]!; // there is one
}

function memoryIo(input: readonly string[]): CommandIo & {
  readonly errors: string[];
  readonly output: () => string;
} {
  let output = "";
  const errors: string[] = [];
  return {
    input: generate(input.map(encode)),
    write: (text) => {
      output += text;
      return Promise.resolve();
    },
    writeError: (line) => {
      errors.push(line);
      return Promise.resolve();
    },
    errors,
    output: () => output,
  };
}

async function* generate<T>(values: readonly T[]): AsyncGenerator<T> {
  await Promise.resolve();
  yield* values;
}

/** Code, field and offset of a failure. */
function placeOf(answer: JsonObject): [unknown, unknown, unknown] {
  const error = answer.error as JsonObject; // failures have one
  assert.equal(typeof error.message, "string");
  return [error.code, error.field, error.offset];
}

/** Asserts that a value has every field of a vector, members included. */
function assertHolds(value: JsonObject, decoded: object): void {
  for (const [name, expected] of Object.entries(decoded)) {
    assert.deepEqual(value[name], expected, name);
  }
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Starts the program in a process of its own, on the runtime of this test. */
function start(args: readonly string[]) {
  const program = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
  const run = "deno" in process.versions ? ["run", "-A"] : [];
  const child = spawn(process.execPath, [...run, program, ...args]);
  let errors = "";
  child.stderr.on("data", (chunk) => errors += String(chunk));
  const status = new Promise<number | null>((resolve) => {
    child.on("close", (code) => resolve(code));
  });
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    status,
    errors: () => errors,
  };
}
