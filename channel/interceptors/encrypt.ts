// Encrypts bodies: what cannot be decrypted, for whatever reason, is never passed up.
//
// All ways of failing look the same to the sender: the message is dropped, and acknowledged as usual.
// Only a body without room for vector and tag fails, as in Tomcat; its length is no secret.
import { writeSafeInt64 } from "../../protocol/bytes/byte_writer.ts";
import { DecodeError } from "../../protocol/errors.ts";
import type { ChannelData } from "../../protocol/tribes/channel_data.ts";
import type { Member } from "../../protocol/tribes/member.ts";
import { asError } from "../../transport/errors.ts";
import type {
  ChannelInterceptor,
  InterceptorContext,
  ReceiveNext,
  SendNext,
} from "../interceptor.ts";
import { DroppedMessages } from "./dropped_messages.ts";
import {
  type EncryptOptions,
  type ResolvedEncryptOptions,
  resolveEncryptOptions,
} from "./encrypt_options.ts";
import { guessPeer, releasesText, timestampOf } from "./encrypting_peer.ts";
import { MessageCipher } from "./message_cipher.ts";
import { ReplayWindow } from "./replay_window.ts";

const TIMESTAMP_LENGTH = 8;
const DETECTOR = "TcpFailureDetector";
// Whoever changes bodies below sees cipher text, which neither packs nor needs it.
const BODY_CHANGERS = ["Gzip", "Fragmentation", "Order", "TwoPhaseCommit"];

/**
 * Encrypts all messages with one key that all members have; compatible with Tomcat's interceptor.
 *
 * It must stand above TcpFailureDetector, whose test messages are never encrypted. The clocks of all
 * members must agree within the replay window. Encryption keeps messages secret and, with GCM,
 * unchanged; it does not make an untrusted network safe: whoever reaches a receiver can still keep it
 * busy.
 */
export class EncryptInterceptor implements ChannelInterceptor {
  /** Name in configurations. */
  readonly name = "Encrypt";
  /** Has no effect on encryption. */
  readonly optionFlag: number;
  readonly #options: ResolvedEncryptOptions;
  readonly #cipher: MessageCipher;
  readonly #dropped = new DroppedMessages("Encrypt");
  #window: ReplayWindow | undefined;
  #context: InterceptorContext | undefined;
  #encrypted = 0;
  #decrypted = 0;
  #replayed = 0;

  /**
   * Makes a layer.
   *
   * @throws {RangeError} For an option that is out of its range; the text holds nothing of the key.
   */
  constructor(options: EncryptOptions) {
    this.#options = resolveEncryptOptions(options);
    this.optionFlag = this.#options.optionFlag;
    this.#cipher = new MessageCipher(
      this.#options.algorithm,
      this.#options.key,
    );
  }

  /** Messages that were encrypted, decrypted, dropped for whatever reason, dropped as replays. */
  statistics(): {
    readonly encrypted: number;
    readonly decrypted: number;
    readonly dropped: number;
    readonly replayed: number;
  } {
    return {
      encrypted: this.#encrypted,
      decrypted: this.#decrypted,
      dropped: this.#dropped.total,
      replayed: this.#replayed,
    };
  }

  /**
   * Refuses a stack with a TcpFailureDetector above; warns of layers below that change bodies, and of
   * an algorithm that does not notice changes.
   */
  checkStack(above: readonly string[], below: readonly string[]): string[] {
    if (above.includes(DETECTOR)) {
      throw new RangeError(
        `Cannot use Encrypt below ${DETECTOR}: list ${DETECTOR} after it`,
      );
    }
    const warnings = BODY_CHANGERS.filter((name) => below.includes(name))
      .map((name) =>
        `${name} stands below Encrypt and works on cipher text: list it before Encrypt, at all members`
      );
    const { mode } = this.#options.algorithm;
    if (mode !== "GCM") {
      warnings.push(
        `Encrypt with AES/${mode} does not notice messages that were changed on their way: use AES/GCM/NoPadding where all members have it`,
      );
    }
    return warnings;
  }

  /** Starts the layer: nothing was seen yet. */
  start(context: InterceptorContext): void {
    this.#context = context;
    this.#window = new ReplayWindow({
      time: this.#options.replayWindowTime,
      messageCount: this.#options.replayWindowMessageCount,
      now: context.transport.clock.wallTime(),
    });
  }

  /** Stops the layer. */
  stop(): void {
    this.#context = undefined;
    this.#window = undefined;
  }

  /** Encrypts a message, whatever its options are. */
  sendMessage(
    destination: readonly Member[],
    message: ChannelData,
    next: SendNext,
  ): Promise<void> {
    let encrypted: ChannelData;
    try {
      encrypted = this.#encrypt(message);
    } catch (error) {
      return Promise.reject(asError(error));
    }
    this.#encrypted++;
    return next(destination, encrypted);
  }

  /**
   * Passes on what could be decrypted, is of this format, and was not seen before.
   *
   * @throws {DecodeError} `truncated` for a body that is too short for vector and tag.
   */
  messageReceived(
    message: ChannelData,
    next: ReceiveNext,
  ): void | Promise<void> {
    const body = this.#open(message);
    if (body === undefined) return;
    this.#decrypted++;
    return next({ ...message, message: body });
  }

  #encrypt(message: ChannelData): ChannelData {
    const { format, random } = this.#options;
    const iv = new Uint8Array(this.#cipher.ivLength);
    random(iv);
    if (format === "plain") {
      return { ...message, message: this.#cipher.encrypt(iv, message.message) };
    }
    const timestamp = message.timestamp > 0
      ? message.timestamp
      : this.#context?.transport.clock.wallTime() ?? message.timestamp;
    const plain = new Uint8Array(TIMESTAMP_LENGTH + message.message.length);
    writeSafeInt64(plain, 0, timestamp);
    plain.set(message.message, TIMESTAMP_LENGTH);
    return { ...message, timestamp, message: this.#cipher.encrypt(iv, plain) };
  }

  /** Gives the body of a message that may be passed on, and counts any other. */
  #open(message: ChannelData): Uint8Array | undefined {
    const plain = this.#decrypt(message);
    if (plain === undefined) return undefined;
    if (this.#options.format === "plain") {
      // Only by chance do an older peer's bodies begin with the message's own time.
      if (!beginsWithTime(plain, message.timestamp)) return plain;
      this.#drop(message, "other-generation", () => this.#otherFormat());
      return undefined;
    }
    if (plain.length < TIMESTAMP_LENGTH) {
      this.#drop(message, "other-generation", () => this.#otherFormat());
      return undefined;
    }
    return this.#isNew(message, timestampOf(plain))
      ? plain.subarray(TIMESTAMP_LENGTH)
      : undefined;
  }

  #decrypt(message: ChannelData): Uint8Array | undefined {
    let plain: Uint8Array | undefined;
    let cause: unknown;
    try {
      plain = this.#cipher.decrypt(message.message);
    } catch (error) {
      if (error instanceof DecodeError) {
        this.#drop(message, "too-short", () => ({ state: error.message }));
        throw error;
      }
      cause = error;
    }
    if (plain === undefined) {
      this.#drop(message, "not-decryptable", () => ({
        state: this.#whyNot(message),
        cause,
      }));
    }
    return plain;
  }

  #isNew(message: ChannelData, timestamp: number): boolean {
    const context = this.#context;
    if (context === undefined || this.#window === undefined) {
      this.#drop(message, "not-started", () => ({ state: "" })); // nobody is told
      return false;
    }
    const now = context.transport.clock.wallTime();
    const iv = message.message.subarray(0, this.#cipher.ivLength);
    const verdict = this.#window.add(iv, timestamp, now);
    if (verdict === "new") return true;
    if (verdict === "out-of-window" && timestamp !== message.timestamp) {
      // A peer with a timestamp writes the message's own.
      this.#drop(message, "other-generation", () => this.#otherFormat());
      return false;
    }
    this.#replayed++;
    this.#drop(message, verdict, () => ({
      state: verdict === "replayed"
        ? "it was received before, or may have been"
        : `its time is ${
          Math.abs(now - timestamp)
        } ms from ours, and replayWindowTime is ${this.#options.replayWindowTime}: either it is a replay, or the clocks differ`,
    }));
    return false;
  }

  #drop(
    message: ChannelData,
    reason: string,
    describe: () => { readonly state: string; readonly cause?: unknown },
  ): void {
    this.#dropped.add(this.#context, reason, message.address, describe);
  }

  /** The cipher is right, and what was encrypted has the other format. */
  #otherFormat(): { readonly state: string } {
    const { format, algorithm } = this.#options;
    const other = format === "plain" ? "timestamp" : "plain";
    return { state: releasesText(algorithm.mode, other) };
  }

  #whyNot(message: ChannelData): string {
    return guessPeer(message, this.#options) ??
      "it cannot be decrypted: its key or algorithm is another, it was changed on its way, or it is not encrypted";
  }
}

function beginsWithTime(plain: Uint8Array, timestamp: number): boolean {
  return plain.length >= TIMESTAMP_LENGTH && timestampOf(plain) === timestamp;
}
