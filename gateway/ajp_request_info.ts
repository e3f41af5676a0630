import {
  type AjpRequestInfo,
  collectAjpAttributes,
  type ForwardRequest,
} from "../protocol/mod.ts";
import type { AjpRequestBody } from "./ajp_request_body.ts";

/**
 * What AJP says about a request besides the request itself. All of it is the front end's word. Texts
 * have a character for each byte: ISO-8859-1.
 */
export interface AjpHandlerInfo extends AjpRequestInfo {
  /** Method as it was sent; `Request` changes the case of some. */
  readonly method: string;
  /** The client's protocol, such as `HTTP/1.1`. */
  readonly protocol: string;
  /** URI as it was sent: encoded, without query, `*` and absolute ones included. */
  readonly uri: string;
  /** The client's address. */
  readonly remoteAddr: string | null;
  /** The client's name; front ends rarely look it up. */
  readonly remoteHost: string | null;
  /** The front end's name, which is not always the host that the client asked for. */
  readonly serverName: string | null;
  /** The front end's port. */
  readonly serverPort: number;
  /** Whether the client came over TLS. */
  readonly isSsl: boolean;
  /** Whether `remoteUser` and `authType` are to be believed: option `tomcatAuthentication` is false. */
  readonly trusted: boolean;
  /** Headers in their order, with the names as they were sent or stand for a code, repeated ones too. */
  readonly rawHeaders: readonly (readonly [name: string, value: string])[];
  /** Body of a GET or HEAD, which a `Request` cannot have; `null` for other methods. */
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>> | null;
}

/** Reads from the packet what is asked for, when it is asked for. */
export class HandlerInfo implements AjpHandlerInfo {
  readonly method: string;
  readonly trusted: boolean;
  readonly #request: ForwardRequest;
  readonly #body: AjpRequestBody | null;
  #attributes: AjpRequestInfo | undefined;
  #rawHeaders: AjpHandlerInfo["rawHeaders"] | undefined;

  constructor(
    request: ForwardRequest,
    method: string,
    trusted: boolean,
    body: AjpRequestBody | null,
  ) {
    this.#request = request;
    this.method = method;
    this.trusted = trusted;
    this.#body = body;
  }

  get protocol(): string {
    return this.#request.protocol;
  }

  get uri(): string {
    return this.#request.uri;
  }

  get remoteAddr(): string | null {
    return this.#request.remoteAddr;
  }

  get remoteHost(): string | null {
    return this.#request.remoteHost;
  }

  get serverName(): string | null {
    return this.#request.serverName;
  }

  get serverPort(): number {
    return this.#request.serverPort;
  }

  get isSsl(): boolean {
    return this.#request.isSsl;
  }

  get rawHeaders(): AjpHandlerInfo["rawHeaders"] {
    this.#rawHeaders ??= this.#request.headers.map(({ name, value }) =>
      [name, value ?? ""] as const
    );
    return this.#rawHeaders;
  }

  get body(): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    return this.#body?.stream ?? null;
  }

  get remoteUser(): string | null {
    return this.#collected().remoteUser;
  }

  get authType(): string | null {
    return this.#collected().authType;
  }

  get query(): string | null {
    return this.#collected().query;
  }

  get jvmRoute(): string | null {
    return this.#collected().jvmRoute;
  }

  get sslCert(): string | null {
    return this.#collected().sslCert;
  }

  get sslCipher(): string | null {
    return this.#collected().sslCipher;
  }

  get sslSession(): string | null {
    return this.#collected().sslSession;
  }

  get sslKeySize(): number | null {
    return this.#collected().sslKeySize;
  }

  get sslProtocol(): string | null {
    return this.#collected().sslProtocol;
  }

  get remotePort(): number | null {
    return this.#collected().remotePort;
  }

  get localAddr(): string | null {
    return this.#collected().localAddr;
  }

  get lbActivation(): string | null {
    return this.#collected().lbActivation;
  }

  get requestAttributes(): ReadonlyMap<string, string | null> {
    return this.#collected().requestAttributes;
  }

  #collected(): AjpRequestInfo {
    this.#attributes ??= collectAjpAttributes(this.#request);
    return this.#attributes;
  }
}
