// The hash of AES-GCM (NIST SP 800-38D, 6.4), for key lengths whose GCM a runtime does not have.
//
// A 128-bit value is four 32-bit words, the first bit of the standard being the highest bit of the
// first word. There is no table and no branch on a secret: what time this takes depends on lengths
// only.
const POLYNOMIAL = 0xe100_0000;
const BLOCK_LENGTH = 16;

/**
 * Hashes a cipher text without additional data, with the block of lengths behind it.
 *
 * @param hashKey The encrypted zero block, 16 bytes.
 * @param cipherText Any number of bytes.
 * @returns 16 bytes.
 */
export function ghash(
  hashKey: Uint8Array,
  cipherText: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const whole = Math.ceil(cipherText.length / BLOCK_LENGTH) * BLOCK_LENGTH;
  const input = new Uint8Array(whole + BLOCK_LENGTH);
  input.set(cipherText);
  const lengths = new DataView(input.buffer, whole);
  lengths.setBigUint64(8, BigInt(cipherText.length) * 8n);

  const key = wordsOf(hashKey);
  const view = new DataView(input.buffer);
  const sum = new Uint32Array(4);
  for (let at = 0; at < input.length; at += BLOCK_LENGTH) {
    for (let i = 0; i < 4; i++) {
      sum[i] = sum[i]! ^ view.getUint32(at + i * 4); // i < 4
    }
    multiply(sum, key);
  }
  const hash = new Uint8Array(BLOCK_LENGTH);
  const output = new DataView(hash.buffer);
  for (let i = 0; i < 4; i++) output.setUint32(i * 4, sum[i]!); // i < 4
  return hash;
}

/** Multiplies the first value by the second, bit by bit. */
function multiply(x: Uint32Array, y: Uint32Array): void {
  let z0 = 0, z1 = 0, z2 = 0, z3 = 0;
  // Both have four words.
  let v0 = y[0]!, v1 = y[1]!, v2 = y[2]!, v3 = y[3]!;
  for (let i = 0; i < 128; i++) {
    const bit = -(x[i >> 5]! >>> (31 - (i & 31)) & 1); // all ones or zero; i < 128
    z0 ^= v0 & bit;
    z1 ^= v1 & bit;
    z2 ^= v2 & bit;
    z3 ^= v3 & bit;
    const carry = -(v3 & 1);
    v3 = v3 >>> 1 | v2 << 31;
    v2 = v2 >>> 1 | v1 << 31;
    v1 = v1 >>> 1 | v0 << 31;
    v0 = v0 >>> 1 ^ POLYNOMIAL & carry;
  }
  x[0] = z0;
  x[1] = z1;
  x[2] = z2;
  x[3] = z3;
}

function wordsOf(block: Uint8Array): Uint32Array {
  const view = new DataView(block.buffer, block.byteOffset, BLOCK_LENGTH);
  return Uint32Array.from({ length: 4 }, (_, i) => view.getUint32(i * 4));
}
