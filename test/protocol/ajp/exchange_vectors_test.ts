import assert from "node:assert/strict";
import { test } from "node:test";
import {
  AjpClientConnection,
  AjpServerConnection,
  decodeHex,
} from "../../../protocol/mod.ts";
import {
  isSendable,
  replayAsClient,
  replayAsServer,
} from "../../support/ajp_replay.ts";
import { ajpVectors, decodeVectorPacket } from "../../support/ajp_vectors.ts";
import { assertDecodeError, assertEncodeError } from "../../support/outcome.ts";
import { type AjpVector, loadVector } from "../../support/vectors.ts";

const SIZES = [1, 7, 1000, 100_000];

// What Tomcat closes without a word, and what we say to it.
const WITHOUT_REPLY = "ajp-control/type-99";

// Requests that a container answers and our front end does not send.
const REFUSED = [
  "ajp-header/two-content-length",
  "ajp-header/bad-content-length",
];

const vectors = ajpVectors();

for (const vector of vectors) {
  if (vector.id === WITHOUT_REPLY) continue;
  test(`AjpServerConnection replays ${vector.id} however it is cut`, () => {
    const [first, ...others] = SIZES.map((size) =>
      replayAsServer(vector, size)
    );
    for (const other of others) assert.deepEqual(other, first);
    assert.equal(first?.state, endState(vector));
  });
}

for (const vector of vectors) {
  if (!isSendable(vector) || REFUSED.includes(vector.id)) continue;
  test(`AjpClientConnection replays ${vector.id} however it is cut`, () => {
    const [first, ...others] = SIZES.map((size) =>
      replayAsClient(vector, size)
    );
    for (const other of others) assert.deepEqual(other, first);
    assert.equal(first?.state, endState(vector));
  });
}

for (const id of REFUSED) {
  test(`AjpClientConnection does not send ${id}`, () => {
    const { exchange } = loadVector(
      "ajp-header",
      id.slice("ajp-header/".length),
    );
    const request = decodeVectorPacket(exchange[0]!); // an exchange has a packet
    assert(request.type === "forwardRequest");
    const connection = new AjpClientConnection();
    assertEncodeError(
      () => connection.sendRequest(request),
      "malformed",
      "forwardRequest.headers",
    );
    assert.equal(connection.state, "idle");
  });
}

test(`AjpServerConnection ends ${WITHOUT_REPLY} without a reply, as Tomcat`, () => {
  const { exchange } = loadVector("ajp-control", "type-99");
  assert.equal(exchange.length, 1);
  const connection = new AjpServerConnection();
  connection.feed(decodeHex(exchange[0]!.hex)); // it has one packet
  assertDecodeError(() => connection.next(), "unsupported", "packet.type", 4);
  assert.equal(connection.state, "closed");
});

test("AjpServerConnection rejects with the status that Tomcat answers with", () => {
  const rejected = vectors.filter((vector) =>
    vector.id !== WITHOUT_REPLY &&
    replayAsServer(vector, 100_000).events.includes("rejected")
  );
  assert.deepEqual(rejected.map(({ id }) => id), [
    "ajp-control/zero-length",
    "ajp-control/no-terminator",
    "ajp-control/string-overrun",
    "ajp-header/code-15",
    "ajp-header/two-content-length",
    "ajp-header/bad-content-length",
    "ajp-method/code-28",
    "ajp-method/code-0",
  ]);
});

function endState({ exchange }: AjpVector): "idle" | "closed" {
  const last = exchange.at(-1)!.decoded; // an exchange has a packet
  const closed = last.type === "SHUTDOWN" || last.type === "PING" ||
    last.reuse === 0;
  return closed ? "closed" : "idle";
}
