// The captured exchanges of AJP13, and the packets in them.
import {
  type AjpFromContainer,
  type AjpToContainer,
  decodeAjpFromContainer,
  decodeAjpToContainer,
  decodeHex,
} from "../../protocol/mod.ts";
import {
  type AjpVector,
  type AjpVectorPacket,
  loadVectors,
} from "./vectors.ts";

const CATEGORIES = [
  "ajp-attribute",
  "ajp-body",
  "ajp-control",
  "ajp-header",
  "ajp-method",
  "ajp-response",
  "ajp-secret",
  "mod-jk",
  "mod-proxy-ajp",
] as const;

// Two packets that break no rule of their form, but have no end of attributes or no type.
const MALFORMED = new Set(["malformed", "unknown"]);
const NO_TERMINATOR = "ajp-control/no-terminator";

/** Every exchange. */
export function ajpVectors(): readonly AjpVector[] {
  return CATEGORIES.flatMap((category) => loadVectors(category));
}

/** Tells whether a packet of an exchange has to be refused. */
export function isMalformed(
  vector: AjpVector,
  { direction, decoded }: AjpVectorPacket,
): boolean {
  return direction === "to-container" &&
    (MALFORMED.has(decoded.type) || vector.id === NO_TERMINATOR);
}

/** What the conversation is at when a packet comes. */
export function expectedPacket(
  { decoded }: AjpVectorPacket,
): "request" | "body" {
  return decoded.type === "request-body" || decoded.type === "empty-body"
    ? "body"
    : "request";
}

/** Decodes a packet of either direction. */
export function decodeVectorPacket(
  packet: AjpVectorPacket,
): AjpToContainer | AjpFromContainer {
  const bytes = decodeHex(packet.hex);
  return packet.direction === "to-container"
    ? decodeAjpToContainer(bytes, expectedPacket(packet))
    : decodeAjpFromContainer(bytes);
}

/** The packet size of the connector that answered: what it asks for, or sends, shows it. */
export function vectorPacketSize({ exchange }: AjpVector): number {
  const large = exchange.some(({ hex, decoded }) =>
    hex.length / 2 > 8192 || Number(decoded.requested) > 8186
  );
  return large ? 16_384 : 8192;
}
