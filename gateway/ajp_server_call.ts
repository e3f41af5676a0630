// One request, from the handler to the end of the response.
import type { AjpServerExchange, ForwardRequest } from "../protocol/mod.ts";
import {
  makeRequest,
  refusesBody,
  type RequestIdentity,
} from "./ajp_request.ts";
import { AjpRequestBody } from "./ajp_request_body.ts";
import { HandlerInfo } from "./ajp_request_info.ts";
import { AjpResponseWriter, type ResponseLink } from "./ajp_response.ts";
import type { AjpHandler, AjpServerFault } from "./ajp_server_options.ts";

/** What a call needs to know of its connection. */
export interface CallLink extends ResponseLink {
  /** Whether a front end's user is to be believed. */
  readonly trusted: boolean;
  /** Reports what went wrong. */
  fault(type: AjpServerFault["type"], thrown: unknown): void;
  /** The response is over, and whatever the handler still does is of no consequence. */
  finished(): void;
}

/** One request in flight. */
export class AjpCall implements RequestIdentity {
  readonly method: string;
  /** The reply. */
  readonly exchange: AjpServerExchange;
  readonly #request: ForwardRequest;
  readonly #link: CallLink;
  readonly #writer: AjpResponseWriter;
  #body: AjpRequestBody | undefined;
  #controller: AbortController | undefined;
  #lost: { readonly reason: unknown } | undefined;

  /** Starts with nothing done. */
  constructor(
    request: ForwardRequest,
    method: string,
    exchange: AjpServerExchange,
    link: CallLink,
  ) {
    this.method = method;
    this.exchange = exchange;
    this.#request = request;
    this.#link = link;
    this.#writer = new AjpResponseWriter(exchange, link);
  }

  /** Aborted when the front end goes away before the response is over. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#lost !== undefined) this.#controller.abort(this.#lost.reason);
    }
    return this.#controller.signal;
  }

  /**
   * Calls the handler and sends what it gives.
   *
   * @param url The request's URL.
   * @param body All of the body; `null` for none, `undefined` when it is to be pulled.
   */
  begin(
    handler: AjpHandler,
    url: string,
    body: Uint8Array | null | undefined,
  ): void {
    const { exchange, method } = this;
    if (body === undefined) {
      this.#body = new AjpRequestBody(
        exchange,
        (bytes) => void this.#link.write(bytes),
      );
    }
    const apart = refusesBody(method);
    let request: Request;
    try {
      const content = apart ? null : body ?? this.#body?.stream ?? null;
      request = makeRequest(url, this.#request.headers, this, content);
    } catch (thrown) {
      return this.refuse(400, thrown);
    }
    const info = new HandlerInfo(
      this.#request,
      method,
      this.#link.trusted,
      apart ? this.#body ?? null : null,
    );
    let response: Response | Promise<Response>;
    try {
      response = handler(request, info);
    } catch (thrown) {
      return this.#failed(thrown);
    }
    if (response instanceof Response) this.#respond(response);
    else {
      Promise.resolve(response).then(
        (response) => this.#respond(response),
        (thrown) => this.#failed(thrown),
      );
    }
  }

  /** Answers in place of the handler, and has the connection closed after it unless it may be used again. */
  refuse(status: number, thrown: unknown, reuse = false): void {
    this.#link.fault("request", thrown);
    this.#writer.sendPage(status, reuse);
    this.#finish();
  }

  /** Takes a part of the body. */
  push(data: Uint8Array): void {
    this.#body?.push(data);
  }

  /** Takes the end of the body. */
  end(): void {
    this.#body?.end();
  }

  /** Ends the body with an error. */
  fail(error: unknown): void {
    this.#body?.fail(error);
  }

  /** The front end is gone: nobody waits for the response any more. */
  lose(reason: unknown): void {
    this.#lost = { reason };
    this.#controller?.abort(reason);
    this.#body?.fail(reason);
    this.#writer.cancel(reason);
  }

  /** Never rejects. */
  async #respond(response: Response): Promise<void> {
    try {
      if (this.#lost === undefined) await this.#writer.send(response);
      else await response.body?.cancel(this.#lost.reason);
    } catch (thrown) {
      if (this.#lost === undefined) this.#link.fault("response", thrown);
    }
    this.#finish();
  }

  #failed(thrown: unknown): void {
    // What a handler throws when its request was aborted is the abort.
    if (this.#lost === undefined) {
      this.#link.fault("handler", thrown);
      this.#writer.sendPage(500, this.#link.reuse);
    }
    this.#finish();
  }

  #finish(): void {
    this.#body?.abandon();
    this.#link.finished();
  }
}
