// AES in the modes that Tomcat's interceptor knows, on whole blocks (CBC, CFB, OFB) or any bytes
// (GCM), without padding.
//
// The runtimes differ in what they have: Deno has CBC and GCM for keys of 16 and 32 bytes only, and
// neither has CFB and OFB for all. What is missing is made of single encrypted blocks (ECB) and
// counter mode, which all have for all keys.
import {
  type CipherGCMTypes,
  createCipheriv,
  createDecipheriv,
  timingSafeEqual,
} from "node:crypto";
import { concatBytes, copyBytes } from "../../protocol/bytes/bytes.ts";
import { ghash } from "./ghash.ts";

/** Bytes of a block. */
export const BLOCK_LENGTH = 16;
/** Bytes of the tag behind what GCM encrypts. */
export const TAG_LENGTH = 16;
/** Bytes of GCM's initialization vector. */
export const GCM_IV_LENGTH = 12;

/** One key. Nothing here checks lengths: {@linkcode MessageCipher} does. */
export class Aes {
  readonly #key: Uint8Array<ArrayBuffer>;
  readonly #bits: number;
  readonly #nativeCbc: boolean;
  readonly #nativeGcm: boolean;

  /**
   * Takes a key.
   *
   * @param key 16, 24 or 32 bytes; copied.
   * @param useNative Whether the runtime's CBC and GCM are used where it has them; `false` for tests.
   */
  constructor(key: Uint8Array, useNative = true) {
    this.#key = copyBytes(key);
    this.#bits = key.length * 8;
    this.#nativeCbc = useNative &&
      exists(() => this.#runCbc(createCipheriv, new Uint8Array(16), ZERO));
    this.#nativeGcm = useNative &&
      exists(() => this.encryptGcm(new Uint8Array(GCM_IV_LENGTH), ZERO, true));
  }

  /** Encrypts whole blocks. */
  encryptCbc(iv: Uint8Array, plain: Uint8Array): Uint8Array<ArrayBuffer> {
    if (this.#nativeCbc) return this.#runCbc(createCipheriv, iv, plain);
    return this.#chain(iv, plain, (last, block) => xor(last, block), true);
  }

  /** Decrypts whole blocks. */
  decryptCbc(iv: Uint8Array, text: Uint8Array): Uint8Array<ArrayBuffer> {
    if (this.#nativeCbc) return this.#runCbc(createDecipheriv, iv, text);
    const cipher = createDecipheriv(`aes-${this.#bits}-ecb`, this.#key, null);
    cipher.setAutoPadding(false);
    const blocks = concatBytes([cipher.update(text), cipher.final()]);
    return xor(blocks, concatBytes([iv, text]));
  }

  /** Encrypts any bytes; the feedback has the width of a block. */
  encryptCfb(iv: Uint8Array, plain: Uint8Array): Uint8Array<ArrayBuffer> {
    return this.#chain(iv, plain, (last) => last, false);
  }

  /** Decrypts any bytes. */
  decryptCfb(iv: Uint8Array, text: Uint8Array): Uint8Array<ArrayBuffer> {
    const blocks = Math.ceil(text.length / BLOCK_LENGTH);
    const feedback = new Uint8Array(blocks * BLOCK_LENGTH);
    const previous = concatBytes([iv, text]);
    feedback.set(previous.subarray(0, feedback.length));
    return xor(text, this.#encryptBlocks(feedback));
  }

  /** Encrypts or decrypts any bytes: the key stream is zeros in CBC. */
  applyOfb(iv: Uint8Array, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    const blocks = Math.ceil(bytes.length / BLOCK_LENGTH);
    const zeros = new Uint8Array(blocks * BLOCK_LENGTH);
    return xor(bytes, this.encryptCbc(iv, zeros));
  }

  /**
   * Encrypts any bytes.
   *
   * @returns The cipher text with the tag behind it.
   */
  encryptGcm(
    iv: Uint8Array,
    plain: Uint8Array,
    native: boolean = this.#nativeGcm,
  ): Uint8Array<ArrayBuffer> {
    if (native) {
      const cipher = createCipheriv(this.#gcm, this.#key, iv);
      const parts = [cipher.update(plain), cipher.final()];
      return concatBytes([...parts, cipher.getAuthTag()]);
    }
    const text = this.#applyCounter(iv, plain);
    return concatBytes([text, this.#tagOf(iv, text)]);
  }

  /**
   * Decrypts what {@linkcode encryptGcm} gave.
   *
   * @returns The plain text; `undefined` when the tag is not that of these bytes.
   */
  decryptGcm(
    iv: Uint8Array,
    sealed: Uint8Array,
  ): Uint8Array<ArrayBuffer> | undefined {
    const text = sealed.subarray(0, sealed.length - TAG_LENGTH);
    const tag = sealed.subarray(text.length);
    if (!this.#nativeGcm) {
      if (!timingSafeEqual(tag, this.#tagOf(iv, text))) return undefined;
      return this.#applyCounter(iv, text);
    }
    const cipher = createDecipheriv(this.#gcm, this.#key, iv);
    cipher.setAuthTag(tag);
    const plain = cipher.update(text);
    try {
      return concatBytes([plain, cipher.final()]);
    } catch {
      return undefined; // the only thing that final() may find
    }
  }

  get #gcm(): CipherGCMTypes {
    return `aes-${this.#bits}-gcm` as CipherGCMTypes; // the key has one of the three lengths
  }

  #runCbc(
    create: typeof createCipheriv | typeof createDecipheriv,
    iv: Uint8Array,
    bytes: Uint8Array,
  ): Uint8Array<ArrayBuffer> {
    const cipher = create(`aes-${this.#bits}-cbc`, this.#key, iv);
    cipher.setAutoPadding(false);
    return concatBytes([cipher.update(bytes), cipher.final()]);
  }

  /**
   * Encrypts block by block, where each needs the one before.
   *
   * @param input What is encrypted, of the last cipher text block and the next plain one.
   * @param isResult Whether that is the cipher text; otherwise it is a key for the plain block.
   */
  #chain(
    iv: Uint8Array,
    plain: Uint8Array,
    input: (last: Uint8Array, block: Uint8Array) => Uint8Array,
    isResult: boolean,
  ): Uint8Array<ArrayBuffer> {
    const text = new Uint8Array(plain.length);
    const cipher = createCipheriv(`aes-${this.#bits}-ecb`, this.#key, null);
    cipher.setAutoPadding(false);
    let last: Uint8Array = iv;
    for (let at = 0; at < plain.length; at += BLOCK_LENGTH) {
      const block = plain.subarray(at, at + BLOCK_LENGTH);
      const encrypted = cipher.update(input(last, block));
      last = isResult ? encrypted : xor(block, encrypted);
      text.set(last, at);
    }
    cipher.final();
    return text;
  }

  #encryptBlocks(blocks: Uint8Array): Uint8Array {
    const cipher = createCipheriv(`aes-${this.#bits}-ecb`, this.#key, null);
    cipher.setAutoPadding(false);
    return concatBytes([cipher.update(blocks), cipher.final()]);
  }

  /** GCM's encryption: counters from 2; 1 is the tag's. */
  #applyCounter(iv: Uint8Array, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    const cipher = createCipheriv(
      `aes-${this.#bits}-ctr`,
      this.#key,
      counterBlock(iv, 2),
    );
    return concatBytes([cipher.update(bytes), cipher.final()]);
  }

  #tagOf(iv: Uint8Array, text: Uint8Array): Uint8Array<ArrayBuffer> {
    const blocks = concatBytes([ZERO, counterBlock(iv, 1)]);
    const encrypted = this.#encryptBlocks(blocks);
    const hash = ghash(encrypted.subarray(0, BLOCK_LENGTH), text);
    return xor(hash, encrypted.subarray(BLOCK_LENGTH));
  }
}

const ZERO = new Uint8Array(BLOCK_LENGTH);

function counterBlock(iv: Uint8Array, counter: number): Uint8Array {
  return concatBytes([iv, new Uint8Array([0, 0, 0, counter])]);
}

/** Combines the bytes of `a` with the first of `b`, which has as many or more. */
function xor(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const result = copyBytes(a);
  for (let i = 0; i < result.length; i++) {
    result[i] = result[i]! ^ b[i]!; // i < length of both
  }
  return result;
}

/** Whether the runtime has an algorithm. */
function exists(use: () => unknown): boolean {
  try {
    use();
    return true;
  } catch {
    return false;
  }
}
