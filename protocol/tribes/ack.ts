import { equalBytes } from "../bytes/bytes.ts";
import { encodeFrame } from "./frame.ts";
import {
  SEND_OPTIONS_SYNCHRONIZED_ACK,
  SEND_OPTIONS_USE_ACK,
} from "./send_options.ts";

/** Body of an acknowledgement. */
export const ACK_DATA: Uint8Array<ArrayBuffer> = new Uint8Array([6, 2, 3]);
/** Body of a negative acknowledgement: processing failed. */
export const FAIL_ACK_DATA: Uint8Array<ArrayBuffer> = new Uint8Array([
  11,
  0,
  5,
]);
/** Complete frame of an acknowledgement. */
export const ACK_COMMAND: Uint8Array<ArrayBuffer> = encodeFrame(ACK_DATA);
/** Complete frame of a negative acknowledgement. */
export const FAIL_ACK_COMMAND: Uint8Array<ArrayBuffer> = encodeFrame(
  FAIL_ACK_DATA,
);

/** What a reply means. */
export type Ack = "ACK" | "FAIL_ACK";

/**
 * Tells what a reply's body means.
 *
 * @param body The body of a frame that a receiver wrote.
 * @returns `undefined` for a frame that is no acknowledgement; Tomcat skips those.
 */
export function decodeAck(body: Uint8Array): Ack | undefined {
  if (body.length !== 3) return undefined;
  if (equalBytes(body, ACK_DATA)) return "ACK";
  return equalBytes(body, FAIL_ACK_DATA) ? "FAIL_ACK" : undefined;
}

/** When a receiver acknowledges a message. */
export type AckMoment = "before" | "after" | "never";

/**
 * Tells when a receiver acknowledges a message with these options: before it is processed with
 * `use_ack`, after it with `use_ack` and `sync`, and never without `use_ack`.
 *
 * @param options The message's send options.
 */
export function ackMoment(options: number): AckMoment {
  if ((options & SEND_OPTIONS_USE_ACK) === 0) return "never";
  return (options & SEND_OPTIONS_SYNCHRONIZED_ACK) === 0 ? "before" : "after";
}
