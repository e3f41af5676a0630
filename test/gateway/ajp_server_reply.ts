// One request to a server, and bodies of responses.
import assert from "node:assert/strict";
import type { AjpHandler } from "../../gateway/mod.ts";
import { ajpMethodCode } from "../../protocol/mod.ts";
import { type Reply, withAjpServer } from "../support/ajp_server_front_end.ts";

/** Sends one request and gives the reply and the faults, as texts. */
export async function replyOf(
  handler: AjpHandler,
  method = "GET",
): Promise<{ reply: Reply; faults: string[] }> {
  let reply: Reply | undefined;
  const texts: string[] = [];
  await withAjpServer({}, handler, async ({ connect, faults }) => {
    const peer = await connect();
    reply = await peer.send({ methodCode: ajpMethodCode(method) });
    texts.push(...faults.map(({ type, error }) => `${type}: ${error.message}`));
    if (reply.reuse) {
      // Whatever it was, nothing of it is left for the next one.
      const next = await peer.send({ methodCode: ajpMethodCode(method) });
      assert.equal(next.status, reply.status);
      assert.deepEqual(next.body, reply.body);
    } else await peer.closed();
  });
  assert(reply !== undefined);
  return { reply, faults: texts };
}

/** A body of parts that come at once, and ends. */
export function streamOf(
  ...parts: readonly unknown[]
): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(part as Uint8Array);
      controller.close();
    },
  });
}

/** A text in UTF-8. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
