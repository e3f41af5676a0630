// From a response as AJP has it to Fetch's.
import type { AjpHeader } from "../protocol/mod.ts";
import { AjpError } from "./ajp_client_error.ts";

/** Status and headers of a response. */
export interface ResponseHead {
  /** Status. */
  readonly status: number;
  /** Reason phrase; Tomcat writes the status as text. */
  readonly message: string | null;
  /** Headers in their order. */
  readonly headers: readonly AjpHeader[];
}

/** Tells whether a response has a body. */
export function hasBody(method: string, status: number): boolean {
  return method !== "HEAD" && status >= 200 && status !== 204 &&
    status !== 205 && status !== 304;
}

/**
 * Makes a response.
 *
 * @throws {AjpError} `protocol`: a status or a header that Fetch's `Response` cannot have.
 */
export function makeResponse(
  { status, message, headers }: ResponseHead,
  body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null,
): Response {
  try {
    if (status < 200) throw new RangeError(`status ${status} is no response`);
    const fields = new Headers();
    for (const { name, value } of headers) fields.append(name, value ?? "");
    return new Response(body, {
      status,
      statusText: reasonPhrase(status, message),
      headers: fields,
    });
  } catch (cause) {
    const state = cause instanceof Error ? cause.message : String(cause);
    throw new AjpError(
      "protocol",
      `Cannot make a response of status ${status}: ${state}`,
      { cause, requestSent: true },
    );
  }
}

/** The number is none, and what HTTP does not allow there is none either. */
function reasonPhrase(status: number, message: string | null): string {
  if (message === null || message === String(status)) return "";
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(message) ? message : "";
}
