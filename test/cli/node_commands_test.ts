import assert from "node:assert/strict";
import { test } from "node:test";
import { CommandError, parseCommand } from "../../cli/node_commands.ts";

test("parseCommand() sends a line that is no JSON object to all members", () => {
  for (const line of ["hello", "[1]", "{not json", "42", " {x"]) {
    const command = parseCommand(line);
    assert(command?.command === "send");
    assert.equal(new TextDecoder().decode(command.body), line);
    assert.equal(command.to, undefined);
  }
});

test("parseCommand() takes an empty line for nothing", () => {
  assert.equal(parseCommand(""), undefined);
  assert.equal(parseCommand("\r"), undefined);
});

test("parseCommand() reads every field of send", () => {
  const command = parseCommand(JSON.stringify({
    command: "send",
    size: 300,
    options: "sync, use_ack",
    to: ["127.0.0.1:4000"],
    count: 5,
    tag: { any: 1 },
  }));
  assert(command?.command === "send");
  assert.equal(command.body.length, 300);
  assert.equal(command.body[299], 299 & 255);
  assert.equal(command.options, 6);
  assert.deepEqual(command.to, ["127.0.0.1:4000"]);
  assert.equal(command.count, 5);
  assert.deepEqual(command.tag, { any: 1 });
});

test("parseCommand() reads hex, and options as a number", () => {
  const command = parseCommand('{"command":"send","hex":"00FF","options":10}');
  assert(command?.command === "send");
  assert.deepEqual([...command.body], [0, 255]);
  assert.equal(command.options, 10);
});

test("parseCommand() reads members and stop", () => {
  assert.deepEqual(parseCommand('{"command":"members","tag":1}'), {
    command: "members",
    tag: 1,
  });
  assert.deepEqual(parseCommand('{"command":"stop"}'), { command: "stop" });
});

const REFUSED = [
  {},
  { command: "fly" },
  { command: "send" },
  { command: "send", text: "a", hex: "00" },
  { command: "send", text: 5 },
  { command: "send", hex: "0" },
  { command: "send", hex: "zz" },
  { command: "send", size: -1 },
  { command: "send", size: 1e12 },
  { command: "send", text: "a", options: "ack" },
  { command: "send", text: "a", to: "127.0.0.1:4000" },
  { command: "send", text: "a", to: [1] },
  { command: "send", text: "a", count: 0 },
  { command: "send", text: "a", count: 1.5 },
];

for (const fields of REFUSED) {
  test(`parseCommand() refuses ${JSON.stringify(fields)} and keeps its tag`, () => {
    assert.throws(
      () => parseCommand(JSON.stringify({ ...fields, tag: "t" })),
      (error) => error instanceof CommandError && error.tag === "t",
    );
  });
}
