// Bodies of encrypted messages: initialization vector, then cipher text (with GCM its tag behind it).
import { concatBytes } from "../../protocol/bytes/bytes.ts";
import { DecodeError, EncodeError } from "../../protocol/errors.ts";
import { Aes, BLOCK_LENGTH, GCM_IV_LENGTH, TAG_LENGTH } from "./aes.ts";

/** Modes of AES that a message can be encrypted in. */
export type CipherMode = "CBC" | "CFB" | "OFB" | "GCM";

/** An algorithm, as Java names it: `AES/MODE/PADDING`. */
export interface CipherAlgorithm {
  /** Its mode. */
  readonly mode: CipherMode;
  /** Whether the plain text is filled up to whole blocks. */
  readonly padding: "PKCS5Padding" | "NoPadding";
}

const MODES: readonly string[] = ["CBC", "CFB", "OFB", "GCM"];

/**
 * Reads an algorithm.
 *
 * @param text `AES/GCM/NoPadding`, or another of AES with the modes CBC, CFB, OFB and PKCS5Padding or
 * NoPadding; in either case, as Java takes it.
 * @throws {RangeError} For any other, and for GCM with padding.
 */
export function parseCipherAlgorithm(text: string): CipherAlgorithm {
  const refuse = (state: string) =>
    new RangeError(
      `Cannot use encryptionAlgorithm ${JSON.stringify(text)}: ${state}`,
    );
  const [name, mode, padding, ...more] = text.toUpperCase().split("/");
  if (padding === undefined || more.length > 0) {
    throw refuse("not NAME/MODE/PADDING");
  }
  if (name !== "AES") throw refuse(`${name} is not AES`);
  if (!MODES.includes(mode!)) { // there is a padding behind it
    throw refuse(`mode ${mode} is not one of ${MODES.join(", ")}`);
  }
  const padded = padding === "PKCS5PADDING";
  if (!padded && padding !== "NOPADDING") {
    throw refuse("the padding is neither PKCS5Padding nor NoPadding");
  }
  if (padded && mode === "GCM") throw refuse("GCM needs NoPadding");
  return {
    mode: mode as CipherMode, // it is one of MODES
    padding: padded ? "PKCS5Padding" : "NoPadding",
  };
}

/**
 * Reads a key.
 *
 * @param hex 32, 48 or 64 hexadecimal digits.
 * @throws {RangeError} For anything else; the text holds nothing of the key.
 */
export function parseEncryptionKey(hex: string): Uint8Array<ArrayBuffer> {
  const digits = hex.trim();
  if (!/^[0-9a-fA-F]*$/.test(digits) || ![32, 48, 64].includes(digits.length)) {
    throw new RangeError(
      "Cannot use encryptionKey: not 32, 48 or 64 hexadecimal digits",
    );
  }
  return Uint8Array.from(
    { length: digits.length / 2 },
    (_, i) => Number.parseInt(digits.slice(i * 2, i * 2 + 2), 16),
  );
}

/**
 * Encrypts and decrypts bodies with one key, as Tomcat's EncryptInterceptor does; what the plain text
 * holds is not its concern.
 *
 * @example There and back
 * ```ts
 * import { MessageCipher, parseCipherAlgorithm } from "@tribes/toolkit/channel";
 * import assert from "node:assert/strict";
 *
 * const cipher = new MessageCipher(parseCipherAlgorithm("AES/GCM/NoPadding"), new Uint8Array(16));
 * const iv = crypto.getRandomValues(new Uint8Array(cipher.ivLength));
 * const body = cipher.encrypt(iv, new Uint8Array([1, 2, 3]));
 * assert.deepEqual(cipher.decrypt(body), new Uint8Array([1, 2, 3]));
 * body[20]! ^= 1;
 * assert.equal(cipher.decrypt(body), undefined);
 * ```
 */
export class MessageCipher {
  /** Number of bytes of the initialization vector, which a body begins with. */
  readonly ivLength: number;
  readonly #algorithm: CipherAlgorithm;
  readonly #aes: Aes;

  /**
   * Takes a key.
   *
   * @param algorithm Mode and padding.
   * @param key 16, 24 or 32 bytes; copied.
   * @throws {RangeError} For a key of another length.
   */
  constructor(algorithm: CipherAlgorithm, key: Uint8Array) {
    if (![16, 24, 32].includes(key.length)) {
      throw new RangeError(
        `Cannot use a key of ${key.length} bytes: AES has 16, 24 or 32`,
      );
    }
    this.#algorithm = algorithm;
    this.#aes = new Aes(key);
    this.ivLength = algorithm.mode === "GCM" ? GCM_IV_LENGTH : BLOCK_LENGTH;
  }

  /**
   * Encrypts.
   *
   * @param iv Initialization vector of {@linkcode ivLength} bytes; one that was never used before
   * with this key.
   * @param plain The plain text.
   * @returns A fresh, exact array: vector, cipher text, tag.
   * @throws {EncodeError} `out-of-range` for a vector of another length, or part of a block in CBC
   * without padding.
   */
  encrypt(iv: Uint8Array, plain: Uint8Array): Uint8Array<ArrayBuffer> {
    const { mode, padding } = this.#algorithm;
    if (iv.length !== this.ivLength) {
      throw new EncodeError(
        "out-of-range",
        "iv",
        `${iv.length} bytes, not ${this.ivLength}`,
      );
    }
    const padded = padding === "PKCS5Padding" ? addPadding(plain) : plain;
    if (mode === "CBC" && padded.length % BLOCK_LENGTH !== 0) {
      throw new EncodeError(
        "out-of-range",
        "plain",
        `${plain.length} bytes are not whole blocks, and there is no padding`,
      );
    }
    return concatBytes([iv, this.#encrypt(iv, padded)]);
  }

  /**
   * Decrypts.
   *
   * @param body Vector, cipher text, tag.
   * @returns A fresh, exact array; `undefined` when tag or padding or the number of blocks is wrong.
   * It does not say which.
   * @throws {DecodeError} `truncated` for a body too short for vector and tag.
   */
  decrypt(body: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
    const { mode, padding } = this.#algorithm;
    const least = this.ivLength + (mode === "GCM" ? TAG_LENGTH : 0);
    if (body.length < least) {
      throw new DecodeError(
        "truncated",
        "encrypted",
        0,
        `need ${least} bytes, have ${body.length}`,
      );
    }
    const iv = body.subarray(0, this.ivLength);
    const text = body.subarray(this.ivLength);
    const needsBlocks = mode === "CBC" || padding === "PKCS5Padding";
    if (needsBlocks && text.length % BLOCK_LENGTH !== 0) return undefined;
    const plain = this.#decrypt(iv, text);
    return padding === "PKCS5Padding" && plain !== undefined
      ? removePadding(plain)
      : plain;
  }

  #encrypt(iv: Uint8Array, plain: Uint8Array): Uint8Array {
    switch (this.#algorithm.mode) {
      case "CBC":
        return this.#aes.encryptCbc(iv, plain);
      case "CFB":
        return this.#aes.encryptCfb(iv, plain);
      case "OFB":
        return this.#aes.applyOfb(iv, plain);
      case "GCM":
        return this.#aes.encryptGcm(iv, plain);
    }
  }

  #decrypt(
    iv: Uint8Array,
    text: Uint8Array,
  ): Uint8Array<ArrayBuffer> | undefined {
    switch (this.#algorithm.mode) {
      case "CBC":
        return this.#aes.decryptCbc(iv, text);
      case "CFB":
        return this.#aes.decryptCfb(iv, text);
      case "OFB":
        return this.#aes.applyOfb(iv, text);
      case "GCM":
        return this.#aes.decryptGcm(iv, text);
    }
  }
}

/** Fills up to whole blocks: n bytes of value n. */
function addPadding(plain: Uint8Array): Uint8Array {
  const fill = BLOCK_LENGTH - plain.length % BLOCK_LENGTH;
  const padded = new Uint8Array(plain.length + fill).fill(fill, plain.length);
  padded.set(plain);
  return padded;
}

/** Removes the padding; looks at the same bytes whatever they are. */
function removePadding(
  padded: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> | undefined {
  const { length } = padded;
  if (length === 0) return undefined;
  const fill = padded[length - 1]!; // it is not empty
  let difference = fill < 1 || fill > BLOCK_LENGTH ? 1 : 0;
  for (let i = 1; i <= BLOCK_LENGTH; i++) {
    const counts = i <= fill ? 0xff : 0;
    difference |= (padded[length - i]! ^ fill) & counts; // whole blocks
  }
  return difference === 0 ? padded.slice(0, length - fill) : undefined;
}
