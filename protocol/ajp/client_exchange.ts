// One request on the front end's side: what is left to send of it.
import { EncodeError } from "../errors.ts";
import { encodeBodyPacket } from "./body_packet.ts";

/**
 * The sending half of one request. Its methods give the bytes to write, and throw a `TypeError` when
 * nothing is wanted: always when the response is over, so that no body lands in another request.
 */
export interface AjpClientExchange {
  /** Most bytes that the next packet may have; `undefined` while the container wants none. */
  readonly wanted: number | undefined;
  /** Whether the response is over. */
  readonly ended: boolean;

  /**
   * Answers `bodyWanted` with bytes of the body.
   *
   * @param data One byte at least and {@linkcode AjpClientExchange.wanted} at most.
   * @throws {EncodeError} `out-of-range` for another number of bytes.
   */
  sendBody(data: Uint8Array): Uint8Array<ArrayBuffer>;

  /** Answers `bodyWanted` with the end of the body. */
  endBody(): Uint8Array<ArrayBuffer>;
}

/** The sending half of one request. */
export class ClientExchange implements AjpClientExchange {
  readonly #bareEnd: boolean;
  #wanted: number | undefined;
  #left: number; // bytes of the content-length still to send; -1 without one
  #ended = false;

  /**
   * Starts a request.
   *
   * @param bareEnd How its body is ended.
   * @param length Its content-length; -1 without one.
   */
  constructor(bareEnd: boolean, length: number) {
    this.#bareEnd = bareEnd;
    this.#left = length;
  }

  get wanted(): number | undefined {
    return this.#wanted;
  }

  get ended(): boolean {
    return this.#ended;
  }

  sendBody(data: Uint8Array): Uint8Array<ArrayBuffer> {
    const wanted = this.#checkWanted();
    if (data.length === 0 || data.length > wanted) {
      throw new EncodeError(
        "out-of-range",
        "body.data",
        `${data.length} bytes are not from 1 to ${wanted}`,
      );
    }
    if (this.#left >= 0) this.#left -= data.length;
    return this.#answer(data, false);
  }

  endBody(): Uint8Array<ArrayBuffer> {
    this.#checkWanted();
    this.#left = 0;
    return this.#answer(NOTHING, this.#bareEnd);
  }

  /** Notes that the container wants bytes; gives how many it may get. */
  want(most: number): number {
    this.#wanted = this.#left < 0 ? most : Math.min(most, this.#left);
    return this.#wanted;
  }

  /** Notes that the response is over. */
  finish(): void {
    this.#ended = true;
  }

  #checkWanted(): number {
    if (this.#ended || this.#wanted === undefined) {
      const why = this.#ended ? "the response is over" : "none is wanted";
      throw new TypeError(`Cannot send a body: ${why}`);
    }
    return this.#wanted;
  }

  #answer(data: Uint8Array, bare: boolean): Uint8Array<ArrayBuffer> {
    this.#wanted = undefined;
    return encodeBodyPacket({ type: "body", data, bare });
  }
}

const NOTHING = new Uint8Array();
