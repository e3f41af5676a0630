// Which releases a message that cannot be decrypted may come from: that with the right key, of
// another generation. Costs up to three decryptions, and so is for reports only.
import type { ChannelData } from "../../protocol/tribes/channel_data.ts";
import { readInt32 } from "../../protocol/bytes/byte_reader.ts";
import type {
  EncryptionFormat,
  ResolvedEncryptOptions,
} from "./encrypt_options.ts";
import {
  type CipherAlgorithm,
  type CipherMode,
  MessageCipher,
} from "./message_cipher.ts";

const DEFAULT_ALGORITHMS: readonly CipherAlgorithm[] = [
  { mode: "GCM", padding: "NoPadding" },
  { mode: "CBC", padding: "PKCS5Padding" },
];

/**
 * Tries the algorithms that releases have by default.
 *
 * @returns What the peer seems to be; `undefined` when none of them fits.
 */
export function guessPeer(
  message: ChannelData,
  { key, algorithm }: ResolvedEncryptOptions,
): string | undefined {
  for (const candidate of DEFAULT_ALGORITHMS) {
    if (candidate.mode === algorithm.mode) continue;
    const plain = tryDecrypt(new MessageCipher(candidate, key), message);
    if (plain === undefined) continue;
    const isTimed = plain.length >= 8 &&
      timestampOf(plain) === message.timestamp;
    return releasesText(candidate.mode, isTimed ? "timestamp" : "plain");
  }
  return undefined;
}

/** The time that a plain text of at least eight bytes begins with; not exact beyond 53 bits. */
export function timestampOf(plain: Uint8Array): number {
  return readInt32(plain, 0) * 0x1_0000_0000 + (readInt32(plain, 4) >>> 0);
}

/** Names the releases that write a mode and format by default. */
export function releasesText(
  mode: CipherMode,
  format: EncryptionFormat,
): string {
  const releases = mode === "CBC"
    ? format === "plain"
      ? "8.5.38 to 9.0.118, 10.1.55 or 11.0.22"
      : "9.0.119, 9.0.120, 10.1.56, 10.1.57, 11.0.23 or 11.0.24"
    : format === "plain"
    ? "9.0.118, 10.1.55, 11.0.22 or older, with another algorithm than its default"
    : mode === "GCM"
    ? "9.0.121, 10.1.58, 11.0.25 or newer"
    : "9.0.119, 10.1.56, 11.0.23 or newer, with another algorithm than its default";
  return `the peer seems to be of ${releases} (AES/${mode}, ${
    format === "plain" ? "without" : "with"
  } a timestamp): set generation, or algorithm and format, to the same at all members`;
}

function tryDecrypt(
  cipher: MessageCipher,
  { message }: ChannelData,
): Uint8Array | undefined {
  try {
    return cipher.decrypt(message);
  } catch {
    return undefined;
  }
}
