import {
  DEFAULT_GENERATION,
  type Generation,
  isAtLeast,
} from "../../protocol/generation.ts";
import type { RandomBytes } from "../../protocol/tribes/unique_id.ts";
import { checkInteger } from "../../transport/options.ts";
import {
  type CipherAlgorithm,
  parseCipherAlgorithm,
  parseEncryptionKey,
} from "./message_cipher.ts";

/**
 * What is encrypted: `timestamp` is eight bytes of time in front of the body, which protects from
 * replays; `plain` is the body alone, as older releases have it.
 */
export type EncryptionFormat = "timestamp" | "plain";

/** Options of `EncryptInterceptor`. Durations are milliseconds. */
export interface EncryptOptions {
  /** The key in hexadecimal: 16, 24 or 32 bytes, equal at all members. Attribute `encryptionKey`. */
  readonly encryptionKey: string;
  /**
   * The algorithm as Java names it, equal at all members: `AES/GCM/NoPadding`, or CBC, CFB or OFB with
   * PKCS5Padding, which do not notice changed messages. Attribute `encryptionAlgorithm`.
   * @default {"AES/GCM/NoPadding"} From 9.0.121, 10.1.58 and 11.0.25 on; before, AES/CBC/PKCS5Padding.
   */
  readonly encryptionAlgorithm?: string;
  /**
   * How far the time in a message may lie from now; the clocks of all members must agree within it.
   * Attribute `replayWindowTime`.
   * @default {10000}
   */
  readonly replayWindowTime?: number;
  /**
   * Number of messages that are remembered to refuse their replay; with more in the window, those
   * that come late are refused too. Attribute `replayWindowMessageCount`.
   * @default {8192}
   */
  readonly replayWindowMessageCount?: number;
  /**
   * Has no effect on encryption, as in Tomcat: every message is encrypted, and none is accepted that
   * is not. Attribute `optionFlag`.
   * @default {0}
   */
  readonly optionFlag?: number;
  /** The release whose algorithm and format are the defaults; members of others are not understood. */
  readonly generation?: Generation;
  /**
   * What is encrypted.
   * @default {"timestamp"} From 9.0.119, 10.1.56 and 11.0.23 on; before, `plain`.
   */
  readonly format?: EncryptionFormat;
  /**
   * Where initialization vectors come from; must never give the same bytes twice.
   * @default {crypto.getRandomValues}
   */
  readonly random?: RandomBytes;
}

/** The options, checked and complete. */
export interface ResolvedEncryptOptions {
  /** The key. */
  readonly key: Uint8Array<ArrayBuffer>;
  /** The algorithm. */
  readonly algorithm: CipherAlgorithm;
  /** How far the time in a message may lie from now. */
  readonly replayWindowTime: number;
  /** Number of messages that are remembered. */
  readonly replayWindowMessageCount: number;
  /** Has no effect on encryption. */
  readonly optionFlag: number;
  /** What is encrypted. */
  readonly format: EncryptionFormat;
  /** Where initialization vectors come from. */
  readonly random: RandomBytes;
}

/**
 * Checks options and fills in the defaults.
 *
 * @throws {RangeError} For a value that is out of its range, or an algorithm that the release refuses.
 */
export function resolveEncryptOptions(
  options: EncryptOptions,
): ResolvedEncryptOptions {
  const { generation = DEFAULT_GENERATION } = options;
  if (!isAtLeast(generation, "8.5.38", "9.0.13")) {
    throw new RangeError(
      `Cannot use Encrypt in generation ${generation.major}.${generation.minor}.${generation.patch}: it came with 8.5.38 and 9.0.13`,
    );
  }
  // Configurations made of text have no types.
  if (typeof options.encryptionKey !== "string") {
    throw new RangeError("Cannot use Encrypt: encryptionKey is missing");
  }
  const { algorithm, format } = encryptionDefaults(generation);
  const resolved: ResolvedEncryptOptions = {
    key: parseEncryptionKey(options.encryptionKey),
    algorithm: parseCipherAlgorithm(options.encryptionAlgorithm ?? algorithm),
    replayWindowTime: options.replayWindowTime ?? 10_000,
    replayWindowMessageCount: options.replayWindowMessageCount ?? 8192,
    optionFlag: options.optionFlag ?? 0,
    format: options.format ?? format,
    random: options.random ?? ((bytes) => void crypto.getRandomValues(bytes)),
  };
  const { mode, padding } = resolved.algorithm;
  if (
    mode !== "GCM" && padding === "NoPadding" &&
    isAtLeast(generation, "9.0.116", "10.1.53", "11.0.19")
  ) {
    throw new RangeError(
      `Cannot use encryptionAlgorithm ${options.encryptionAlgorithm}: ${mode} needs PKCS5Padding from 9.0.116, 10.1.53 and 11.0.19 on`,
    );
  }
  checkInteger(resolved.replayWindowTime, "replayWindowTime", 1, 0x7fff_ffff);
  checkInteger(
    resolved.replayWindowMessageCount,
    "replayWindowMessageCount",
    1,
    10_000_000,
  );
  return resolved;
}

/** What a release encrypts with unless it is told otherwise. */
export function encryptionDefaults(
  generation: Generation,
): { readonly algorithm: string; readonly format: EncryptionFormat } {
  const isNewest = isAtLeast(generation, "9.0.121", "10.1.58", "11.0.25");
  const hasTimestamp = isAtLeast(generation, "9.0.119", "10.1.56", "11.0.23");
  return {
    algorithm: isNewest ? "AES/GCM/NoPadding" : "AES/CBC/PKCS5Padding",
    format: hasTimestamp ? "timestamp" : "plain",
  };
}
