// The golden vectors: what real Tomcat wrote and did, one file a category.
import { readFileSync } from "node:fs";
import {
  type ChannelData,
  decodeHex,
  type Generation,
  type Member,
  parseGeneration,
} from "../../protocol/mod.ts";

/** What every vector has. */
export interface Vector {
  /** Unique name: `CATEGORY/NAME`, with `@RELEASE` behind it where a release is meant. */
  readonly id: string;
  /** What it shows. */
  readonly description: string;
  /** Implementation and release that made it, such as `tomcat-10.1.60`. */
  readonly source: string;
}

/** A member in the form of the vectors. */
export interface MemberForm {
  /** Address bytes, hexadecimal. */
  readonly host: string;
  /** TCP port. */
  readonly port: number;
  /** Secure port. */
  readonly securePort: number;
  /** UDP port. */
  readonly udpPort: number;
  /** Milliseconds. */
  readonly aliveTime: string;
  /** 16 bytes, hexadecimal. */
  readonly uniqueId: string;
  /** Hexadecimal. */
  readonly domain: string;
  /** Hexadecimal. */
  readonly command: string;
  /** Hexadecimal. */
  readonly payload: string;
}

/** One frame. */
export interface FrameVector extends Vector {
  /** The frame. */
  readonly hex: string;
  /** Its body, and what the body means as a reply. */
  readonly decoded: { readonly body: string; readonly meaning?: string };
}

/** Reads of a stream and what Tomcat made of each. */
export interface FrameStreamVector extends Vector {
  /** The reads, in order. */
  readonly steps: readonly {
    readonly in: string;
    readonly kept: boolean;
    readonly frames: readonly string[];
    readonly bufferedAfter: number;
    readonly error: string | null;
  }[];
}

/** One beacon. */
export interface MemberVector extends Vector {
  /** The beacon. */
  readonly hex: string;
  /** Its fields. */
  readonly decoded: MemberForm;
}

/** One datagram that is no good beacon, and what Tomcat says to it. */
export interface MemberRejectVector extends Vector {
  /** The datagram. */
  readonly hex: string;
  /** A Java exception, or `accepted`. */
  readonly error: string;
}

/** One whole frame with a message. */
export interface ChannelDataVector extends Vector {
  /** The frame. */
  readonly hex: string;
  /** The message's fields. */
  readonly decoded: {
    readonly options: number;
    readonly timestamp: string;
    readonly uniqueId: string;
    readonly address: MemberForm;
    readonly message: string;
    readonly flags?: readonly string[];
    readonly receiverAcksBeforeProcessing?: boolean;
    readonly receiverAcksAfterProcessing?: boolean;
  };
}

/** What a live receiver answered. */
export interface AckVector extends Vector {
  /** What was written to it, in one write. */
  readonly request: string;
  /** What came back. */
  readonly reply: string;
  /** What the reply means: `ACK`, `FAIL_ACK` or `nothing`. */
  readonly meaning?: string;
  /** The message's send options. */
  readonly options?: number;
  /** What the listener did. */
  readonly listener?: string;
  /** Texts of the messages that the listener got. */
  readonly delivered?: readonly string[];
  /** Whether the receiver closed the connection. */
  readonly connectionClosedByReceiver: boolean;
  /** Whether the reply came after the listener returned, where that was measured. */
  readonly replyAfterListener?: boolean | null;
}

/** Members in absolute order, or the comparison of two. */
export interface AbsoluteOrderVector extends Vector {
  /** Members before ordering. */
  readonly in?: readonly MemberForm[];
  /** The same members after it. */
  readonly out?: readonly MemberForm[];
  /** The first of two members. */
  readonly a?: MemberForm;
  /** The second of two members. */
  readonly b?: MemberForm;
  /** Sign of comparing the two. */
  readonly compare?: number;
}

/** A body that an interceptor recognizes. */
export interface ControlBodyVector extends Vector {
  /** The body. */
  readonly hex: string;
  /** Its text, where it is one. */
  readonly decoded: { readonly text?: string };
}

/** What a front end and a live container said to each other. */
export interface AjpVector extends Vector {
  /** Packets in the order in which they were sent. */
  readonly exchange: readonly AjpVectorPacket[];
}

/** One packet of an exchange. */
export interface AjpVectorPacket {
  /** Which way it went. */
  readonly direction: "to-container" | "from-container";
  /** The packet, head included. */
  readonly hex: string;
  /** Its fields; `malformed` and `unknown` packets have a type only. */
  readonly decoded: {
    readonly type: string;
    readonly [field: string]: unknown;
  };
}

/** Categories and the vectors in them. */
export interface VectorCategories {
  /** Frames. */
  readonly "frame": FrameVector;
  /** Streams of frames. */
  readonly "frame-stream": FrameStreamVector;
  /** Beacons. */
  readonly "member-beacon": MemberVector;
  /** Datagrams that are no good beacons. */
  readonly "member-reject": MemberRejectVector;
  /** Messages. */
  readonly "channel-data": ChannelDataVector;
  /** Answers of a live receiver. */
  readonly "ack": AckVector;
  /** The order of members. */
  readonly "absolute-order": AbsoluteOrderVector;
  /** Bodies of interceptors. */
  readonly "control-bodies": ControlBodyVector;
  /** Attributes of AJP requests. */
  readonly "ajp-attribute": AjpVector;
  /** Bodies of AJP requests. */
  readonly "ajp-body": AjpVector;
  /** AJP packets that are no requests, and wrong ones. */
  readonly "ajp-control": AjpVector;
  /** Headers of AJP requests. */
  readonly "ajp-header": AjpVector;
  /** Methods of AJP requests. */
  readonly "ajp-method": AjpVector;
  /** AJP responses. */
  readonly "ajp-response": AjpVector;
  /** The secret of AJP requests. */
  readonly "ajp-secret": AjpVector;
  /** What mod_jk sends. */
  readonly "mod-jk": AjpVector;
  /** What mod_proxy_ajp sends. */
  readonly "mod-proxy-ajp": AjpVector;
}

/**
 * Loads the vectors of a category.
 *
 * @throws {Error} When the file is missing or empty, so that no test passes for want of vectors.
 */
export function loadVectors<Category extends keyof VectorCategories>(
  category: Category,
): readonly VectorCategories[Category][] {
  const url = new URL(`../vectors/${category}.json`, import.meta.url);
  // The files are our own, and their forms are those declared above.
  const file = JSON.parse(readFileSync(url, "utf8")) as {
    category: string;
    vectors: VectorCategories[Category][];
  };
  if (file.category !== category || file.vectors.length === 0) {
    throw new Error(`Cannot use vectors ${category}: wrong or empty file`);
  }
  return file.vectors;
}

/**
 * Finds one vector by its id.
 *
 * @throws {Error} When there is none.
 */
export function loadVector<Category extends keyof VectorCategories>(
  category: Category,
  name: string,
): VectorCategories[Category] {
  const id = `${category}/${name}`;
  const vector = loadVectors(category).find((vector) => vector.id === id);
  if (vector === undefined) throw new Error(`Cannot find vector ${id}`);
  return vector;
}

/** The release that a vector comes from. */
export function vectorGeneration(vector: Vector): Generation {
  return parseGeneration(vector.source.replace(/^tomcat-/, ""));
}

/** Makes a member from its form in the vectors. */
export function memberFromForm(form: MemberForm): Member {
  return {
    host: decodeHex(form.host),
    port: form.port,
    securePort: form.securePort,
    udpPort: form.udpPort,
    aliveTime: Number(form.aliveTime),
    uniqueId: decodeHex(form.uniqueId),
    domain: decodeHex(form.domain),
    command: decodeHex(form.command),
    payload: decodeHex(form.payload),
  };
}

/** Makes a message from its form in the vectors. */
export function channelDataFromForm(
  form: ChannelDataVector["decoded"],
): ChannelData {
  return {
    options: form.options,
    timestamp: Number(form.timestamp),
    uniqueId: decodeHex(form.uniqueId),
    address: memberFromForm(form.address),
    message: decodeHex(form.message),
  };
}
