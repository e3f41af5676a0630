// Bodies by which interceptors know each other's messages. All are compared whole.
import { decodeHex } from "../bytes/hex.ts";

/** Test message of TcpFailureDetector; a stack without one delivers it to the application. */
export const TCP_FAILURE_DETECTOR_DATA: Uint8Array<ArrayBuffer> = decodeHex(
  "4fa77348798243c99f6f8980a15b07147dd9525bebf1439ab77ebe8f81671eb6" +
    "3715be87457e4ca8bf0a4d135338153255f694b73afa407891047dd77284c0d5",
);
/** Ping of TcpPingInterceptor. */
export const TCP_PING_DATA: Uint8Array<ArrayBuffer> = decodeHex(
  "4fa7734879df43c99f6f8980a15b07147dd9525bebdf439ab77ebe8f81671eb6" +
    "3715be8745214ca8bf0a4d135338153255f694b73adf217891047dd77284c0d5",
);
/** Notice of a StaticMembershipInterceptor that starts. */
export const STATIC_MEMBER_START_DATA: Uint8Array<ArrayBuffer> =
  new TextEncoder().encode("Local StaticMember Notification Data");
/** Notice of a StaticMembershipInterceptor that stops. */
export const STATIC_MEMBER_STOP_DATA: Uint8Array<ArrayBuffer> =
  new TextEncoder().encode("Local StaticMember Shutdown Data");
/** First 16 bytes of every message of NonBlockingCoordinator. */
export const COORDINATION_HEADER: Uint8Array<ArrayBuffer> = decodeHex(
  "aa26dee39e5a413faf86fa9263ca0d3f",
);
/** Type of a coordination message that passes a view on. */
export const COORDINATION_REQUEST: Uint8Array<ArrayBuffer> = decodeHex(
  "68a1a4d672dc47edb1147a65ffd0cf1e",
);
/** Type of a coordination message that installs a view. */
export const COORDINATION_CONFIRMATION: Uint8Array<ArrayBuffer> = decodeHex(
  "43586baa45174cbaa5e9a9e783564b14",
);
