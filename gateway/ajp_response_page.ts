import { type AjpHeader, ajpResponseHeader } from "../protocol/mod.ts";

/** A page that is the same whatever happened. */
export interface ErrorPage {
  /** Its headers. */
  readonly headers: readonly AjpHeader[];
  /** Its body. */
  readonly body: Uint8Array;
}

const REASONS: Readonly<Record<number, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  500: "Internal Server Error",
  501: "Not Implemented",
};

/**
 * Makes the page for a status. It says nothing of what went wrong, to whom it does not concern.
 *
 * @param status 400, 403, 500 or 501.
 */
export function errorPage(status: number): ErrorPage {
  const title = `HTTP Status ${status} - ${REASONS[status] ?? "Error"}`;
  const body = new TextEncoder().encode(
    `<!doctype html><html lang="en"><head><title>${title}</title></head>` +
      `<body><h1>${title}</h1></body></html>\n`,
  );
  return {
    headers: [
      ajpResponseHeader("content-type", "text/html;charset=utf-8"),
      ajpResponseHeader("content-language", "en"),
      ajpResponseHeader("content-length", String(body.length)),
    ],
    body,
  };
}
