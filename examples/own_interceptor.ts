// An interceptor of one's own: messages carry a signature, and those without a good one are dropped.
// Members that do not know the key see the signature as the last 32 bytes of each message.
import { createHmac, timingSafeEqual } from "node:crypto";
import type { ChannelInterceptor } from "@tribes/toolkit/channel";

const LENGTH = 32;

/** Makes a layer that signs what is sent and checks what comes. */
export function signing(key: string): ChannelInterceptor & { dropped: number } {
  const sign = (bytes: Uint8Array) =>
    createHmac("sha256", key).update(bytes).digest();
  return {
    name: "Signing",
    dropped: 0,
    sendMessage(destination, data, next) {
      const signed = [...data.message, ...sign(data.message)];
      return next(destination, { ...data, message: Uint8Array.from(signed) });
    },
    messageReceived(data, next) {
      const end = Math.max(0, data.message.length - LENGTH);
      const message = data.message.subarray(0, end);
      const signature = data.message.subarray(end);
      if (
        signature.length === LENGTH && timingSafeEqual(signature, sign(message))
      ) return next({ ...data, message });
      this.dropped++;
    },
  };
}
