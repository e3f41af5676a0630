import {
  type RandomBytes,
  setUniqueIdVersion,
  UNIQUE_ID_LENGTH,
} from "../protocol/tribes/unique_id.ts";

const BLOCK_LENGTH = 4096;

/**
 * Gives message ids. Random bytes are drawn for 256 of them at a time: a call for 16 bytes costs
 * more than all else that a small message needs.
 */
export class UniqueIdSource {
  readonly #random: RandomBytes;
  #block: Uint8Array<ArrayBuffer> = new Uint8Array();
  #at = 0;

  /**
   * Makes a source.
   *
   * @param random Where the random bytes come from.
   */
  constructor(random: RandomBytes) {
    this.#random = random;
  }

  /** The next id; a view of a block of 4096 bytes that holds nothing but ids and never changes. */
  next(): Uint8Array<ArrayBuffer> {
    if (this.#at === this.#block.length) {
      this.#block = new Uint8Array(BLOCK_LENGTH);
      this.#random(this.#block);
      this.#at = 0;
    }
    const at = this.#at;
    setUniqueIdVersion(this.#block, at);
    this.#at = at + UNIQUE_ID_LENGTH;
    return this.#block.subarray(at, this.#at);
  }
}
