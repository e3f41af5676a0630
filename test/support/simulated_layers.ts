// Layers that stand in simulated stacks: one that looks, and some that make trouble as real peers do.
import type {
  ChannelInterceptor,
  InterceptorContext,
} from "../../channel/interceptor.ts";
import { copyBytes } from "../../protocol/bytes/bytes.ts";
import type { ChannelData } from "../../protocol/tribes/channel_data.ts";
import type { Member } from "../../protocol/tribes/member.ts";

/** What a {@linkcode tap} calls. */
export interface TapCallbacks {
  /** A message goes down. */
  readonly sending?: (to: readonly Member[], message: ChannelData) => void;
  /** A message that went down was sent. */
  readonly sent?: (to: readonly Member[], message: ChannelData) => void;
  /** A message comes up. */
  readonly arriving?: (message: ChannelData) => void;
  /** The layers above have taken a message that came up; those that wait for their listeners too. */
  readonly taken?: (message: ChannelData) => void;
}

/** A layer that passes everything on and tells of it. */
export function tap(
  name: string,
  { sending, sent, arriving, taken }: TapCallbacks,
): ChannelInterceptor {
  return {
    name,
    async sendMessage(to, message, next) {
      sending?.(to, message);
      await next(to, message);
      sent?.(to, message);
    },
    messageReceived(message, next) {
      arriving?.(message);
      try {
        return next(message);
      } finally {
        taken?.(message);
      }
    },
  };
}

/**
 * Holds each message back for a while, so that they overtake each other: as Tomcat's 25 connections and
 * several threads do.
 *
 * @param random Draws from 0 up to but not 1.
 * @param delay Greatest time, in milliseconds.
 */
export function shuffle(
  random: () => number,
  delay: number,
): ChannelInterceptor {
  let context: InterceptorContext | undefined;
  return {
    name: "Shuffle",
    start(started) {
      context = started;
    },
    async sendMessage(to, message, next) {
      const { promise, resolve } = Promise.withResolvers<void>();
      context?.transport.clock.startTimer(random() * delay, resolve);
      await promise;
      await next(to, message);
    },
  };
}

/** A message that outlives the call that brought it. */
export function copyOf(message: ChannelData): ChannelData {
  return {
    ...message,
    uniqueId: copyBytes(message.uniqueId),
    message: copyBytes(message.message),
  };
}
