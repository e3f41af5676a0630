/** A client and a container of a test's making on a simulated network. */

import type { AjpServerConnectionOptions } from "../../protocol/mod.ts";
import {
  MemoryNetwork,
  type MemoryNetworkOptions,
} from "../../transport/mod.ts";
import {
  AjpClient,
  type AjpClientOptions,
  AjpError,
} from "../../gateway/mod.ts";
import { type ContainerScript, FakeContainer } from "./ajp_client_container.ts";

/** What a test has in its hands. */
export interface AjpSetting {
  readonly network: MemoryNetwork;
  readonly client: AjpClient;
  readonly container: FakeContainer;
}

/** Options of {@linkcode withContainer}. */
export interface AjpSettingOptions {
  readonly client?: AjpClientOptions;
  readonly network?: MemoryNetworkOptions;
  readonly container?: AjpServerConnectionOptions;
}

/** The container's host. */
export const CONTAINER_HOST = "tomcat";

/** Runs a test with a container that does as the script says, in virtual time. */
export async function withContainer(
  script: ContainerScript,
  test: (setting: AjpSetting) => Promise<void>,
  options: AjpSettingOptions = {},
): Promise<void> {
  const network = new MemoryNetwork(options.network);
  await network.run(async () => {
    await using container = await FakeContainer.start(
      network.transport(CONTAINER_HOST),
      script,
      options.container,
    );
    await using client = new AjpClient(
      network.transport("front"),
      `ajp://${CONTAINER_HOST}:8009`,
      options.client,
    );
    await test({ network, client, container });
  });
}

/** Matches an `AjpError` in `assert.rejects`. */
export function ajpError(
  code: AjpError["code"],
  requestSent?: boolean,
  message?: RegExp,
): (error: unknown) => true {
  return (error) => {
    if (!(error instanceof AjpError)) throw error;
    const fits = error.code === code &&
      (requestSent === undefined || error.requestSent === requestSent) &&
      (message === undefined || message.test(error.message));
    if (!fits) {
      throw new Error(
        `Not ${code}, sent ${requestSent}, ${message}: ${error.code}, ` +
          `sent ${error.requestSent}, ${error.message}`,
        { cause: error },
      );
    }
    return true;
  };
}

/** A stream of chunks, one a pull. */
export function chunks(
  ...parts: readonly (Uint8Array | string)[]
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const rest = [...parts];
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      const part = rest.shift();
      if (part === undefined) controller.close();
      else {
        controller.enqueue(
          typeof part === "string" ? encoder.encode(part) : part,
        );
      }
    },
  }, { highWaterMark: 0 });
}

/** Byte i is `i & 255`. */
export function countingBytes(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => i & 255);
}
