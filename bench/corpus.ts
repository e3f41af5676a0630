// The cases of the codec and of the layers without a socket: seeded, of realistic shape, each
// checked once before it is timed. A run does many operations, so that the clock does not count.
import assert from "node:assert/strict";
import { UniqueIdSource } from "../channel/unique_id_source.ts";
import { MemberTable } from "../membership/member_table.ts";
import { ACK_COMMAND, decodeAck } from "../protocol/tribes/ack.ts";
import {
  type ChannelData,
  ChannelDataDecoder,
  ChannelDataFrameWriter,
  encodeChannelData,
} from "../protocol/tribes/channel_data.ts";
import { encodeFrame } from "../protocol/tribes/frame.ts";
import { FrameParser } from "../protocol/tribes/frame_parser.ts";
import {
  createMember,
  decodeBeacon,
  encodeMember,
  type Member,
} from "../protocol/tribes/member.ts";
import {
  makeUniqueId,
  type RandomBytes,
} from "../protocol/tribes/unique_id.ts";

/** Message sizes of the codec cases, in bytes. */
export const MESSAGE_SIZES: readonly number[] = [64, 1024, 10_240, 102_400];

/** Something to time. */
export interface BenchCase {
  /** `decode/frames/64`: what, of what, which. */
  readonly name: string;
  /** Operations of one run. */
  readonly operations: number;
  /** Payload bytes of one operation, for MB/s; 0 where that says nothing. */
  readonly bytes: number;
  /** Does the operations, and feeds the sink. */
  run(): void | Promise<void>;
  /** Throws when the result is wrong; called once, before timing. */
  check(): void | Promise<void>;
}

const READ_LENGTH = 65_536;
const RUN_BYTES = 1_000_000; // what one run of an encoder handles, as in the Java peer
const STREAM_BYTES = 4_194_304; // and one of a decoder
const HEARTBEATS = 1000;

let sink = 0;

/** What the cases computed; read once at the end, so that no compiler drops the work. */
export function sinkValue(): number {
  return sink;
}

/** Random bytes that are the same in each process: mulberry32. */
export function seededRandom(seed: number): RandomBytes {
  let state = seed >>> 0;
  return (bytes) => {
    for (let i = 0; i < bytes.length; i++) {
      state = state + 0x6d2b79f5 >>> 0;
      let mixed = Math.imul(state ^ state >>> 15, state | 1);
      mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
      bytes[i] = mixed ^ mixed >>> 14;
    }
  };
}

/** The n-th member of a made-up group, as a Tomcat on IPv4 describes itself. */
export function sampleMember(index: number, random: RandomBytes): Member {
  return createMember({
    host: new Uint8Array([10, 0, index >> 8, index & 0xff]),
    port: 4000 + index % 100,
    aliveTime: 60_000 + index,
    uniqueId: makeUniqueId(random),
    domain: new TextEncoder().encode("catalina"),
  });
}

/** A message of a size, without domain and payload in its address: what the Java peer encodes. */
export function sampleMessage(size: number): ChannelData {
  const random = seededRandom(size);
  const message = new Uint8Array(size);
  random(message);
  return {
    options: 3,
    timestamp: 1_700_000_000_000,
    uniqueId: makeUniqueId(random),
    address: createMember({
      host: new Uint8Array([127, 0, 0, 1]),
      port: 4000,
      aliveTime: 1000,
      uniqueId: makeUniqueId(random),
    }),
    message,
  };
}

/** All cases. */
export function benchCases(): BenchCase[] {
  return [
    ...MESSAGE_SIZES.map(encodePure),
    ...MESSAGE_SIZES.map(encodeWriter),
    ...MESSAGE_SIZES.map(decodeFrames),
    decodeAcks(),
    encodeBeacon(),
    decodeBeacons(),
    ...[10, 100, 1000].map(tableHeartbeat),
    uniqueIds(),
  ];
}

/** As in the Java peer one message serves every operation. */
type Reused = { -readonly [Key in keyof ChannelData]: ChannelData[Key] };

function encodePure(size: number): BenchCase {
  const data: Reused = sampleMessage(size);
  const operations = operationsFor(size);
  return {
    name: `encode/pure/${size}`,
    operations,
    bytes: size,
    run() {
      for (let i = 0; i < operations; i++) {
        data.timestamp = i;
        const frame = encodeFrame(encodeChannelData(data));
        sink += frame[frame.length >> 1]!; // never empty
      }
    },
    check: () =>
      assert.deepEqual(decodeOne(encodeFrame(encodeChannelData(data))), data),
  };
}

/** What the sender does: frames into one buffer until it is full, then from its start again. */
function encodeWriter(size: number): BenchCase {
  const data: Reused = sampleMessage(size);
  const operations = operationsFor(size);
  const writer = new ChannelDataFrameWriter();
  const buffer = new Uint8Array(Math.max(READ_LENGTH, size + 1024));
  return {
    name: `encode/writer/${size}`,
    operations,
    bytes: size,
    run() {
      let at = 0;
      for (let i = 0; i < operations; i++) {
        data.timestamp = i;
        if (writer.byteLength(data) > buffer.length - at) at = 0;
        at = writer.write(buffer, at, data);
        sink += buffer[at >> 1]!; // at is in the buffer
      }
    },
    check() {
      const end = writer.byteLength(data);
      assert.equal(writer.write(buffer, 0, data), end);
      assert.deepEqual(
        buffer.slice(0, end),
        encodeFrame(encodeChannelData(data)),
      );
    },
  };
}

/** What the receiver does with what a socket gave in reads of 64 KiB. */
function decodeFrames(size: number): BenchCase {
  const data = sampleMessage(size);
  const frame = encodeFrame(encodeChannelData(data));
  const operations = Math.max(4, Math.floor(STREAM_BYTES / frame.length));
  const reads = cutStream(frame, operations);
  const parser = new FrameParser({ reuseJoined: true });
  const decoder = new ChannelDataDecoder();
  const decode = (see: (message: ChannelData) => void) => {
    for (let i = 0; i < reads.length; i++) {
      parser.feed(reads[i]!); // i < length
      while (parser.advance()) {
        const { bodyBytes, bodyStart, bodyEnd } = parser;
        see(decoder.decode(bodyBytes, bodyStart, bodyEnd));
      }
    }
  };
  return {
    name: `decode/frames/${size}`,
    operations,
    bytes: size,
    run: () => decode((message) => sink += message.message.length),
    check() {
      let count = 0;
      decode((message) => {
        if (count++ < 1000) assert.deepEqual(message, data);
      });
      assert.equal(count, operations);
    },
  };
}

/** The acknowledgements of a pipelining sender. */
function decodeAcks(): BenchCase {
  const operations = 3000;
  const read = new Uint8Array(ACK_COMMAND.length * operations);
  for (let i = 0; i < operations; i++) {
    read.set(ACK_COMMAND, i * ACK_COMMAND.length);
  }
  const parser = new FrameParser();
  const count = () => {
    let acks = 0;
    parser.feed(read);
    for (
      let body = parser.next();
      body !== undefined;
      body = parser.next()
    ) if (decodeAck(body) === "ACK") acks++;
    return acks;
  };
  return {
    name: "decode/acks",
    operations,
    bytes: 0,
    run: () => void (sink += count()),
    check: () => assert.equal(count(), operations),
  };
}

function encodeBeacon(): BenchCase {
  const member = sampleMember(7, seededRandom(7));
  const operations = 2000;
  return {
    name: "encode/member",
    operations,
    bytes: 0,
    run() {
      for (let i = 0; i < operations; i++) {
        sink += encodeMember(member)[20]!; // a block has 73 bytes and more
      }
    },
    check: () => assert.deepEqual(decodeBeacon(encodeMember(member)), member),
  };
}

function decodeBeacons(): BenchCase {
  const member = sampleMember(7, seededRandom(7));
  const block = encodeMember(member);
  const operations = 2000;
  return {
    name: "decode/beacon",
    operations,
    bytes: 0,
    run() {
      for (let i = 0; i < operations; i++) sink += decodeBeacon(block).port;
    },
    check: () => assert.deepEqual(decodeBeacon(block), member),
  };
}

/** Each beacon decoded and taken, members in turn, the alive time growing as on the wire. */
function tableHeartbeat(size: number): BenchCase {
  const random = seededRandom(size);
  const local = sampleMember(0xffff, random);
  const table = new MemberTable({
    dropTime: 3000,
    maxMembers: 10_000,
    localMember: () => local,
  });
  const members = Array.from(
    { length: size },
    (_, index) => sampleMember(index, random),
  );
  const beacons = members.map((member) => encodeMember(member));
  let now = 0;
  const beat = (index: number) => {
    const member = decodeBeacon(beacons[index % size]!); // 0 to size - 1
    table.heartbeat({ ...member, aliveTime: 60_000 + now }, now);
  };
  return {
    name: `table/heartbeat/${size}`,
    operations: HEARTBEATS,
    bytes: 0,
    run() {
      for (let i = 0; i < HEARTBEATS; i++) {
        if (i % size === 0) now += 500;
        beat(i);
      }
      table.handleTimeout(now);
      sink += table.size;
    },
    check() {
      for (let i = 0; i < size; i++) beat(i);
      assert.equal(table.members().length, size);
      for (let i = 0; i < size; i++) {
        assert.equal(table.nextEvent()?.type, "memberAdded");
      }
      assert.equal(table.nextEvent(), undefined);
    },
  };
}

function uniqueIds(): BenchCase {
  const source = new UniqueIdSource(
    (bytes) => void crypto.getRandomValues(bytes),
  );
  const operations = 4096;
  return {
    name: "unique-id/next",
    operations,
    bytes: 0,
    run() {
      for (let i = 0; i < operations; i++) sink += source.next()[15]!; // 16 bytes
    },
    check() {
      const ids = new Set<string>();
      for (let i = 0; i < 1000; i++) ids.add(source.next().join());
      assert.equal(ids.size, 1000);
    },
  };
}

function operationsFor(size: number): number {
  return Math.max(1, Math.floor(RUN_BYTES / (size + 200)));
}

function cutStream(frame: Uint8Array, frames: number): Uint8Array[] {
  const length = frame.length * frames;
  const reads: Uint8Array[] = [];
  for (let from = 0; from < length; from += READ_LENGTH) {
    const read = new Uint8Array(Math.min(READ_LENGTH, length - from));
    for (let i = 0; i < read.length; i++) {
      read[i] = frame[(from + i) % frame.length]!; // within the frame
    }
    reads.push(read);
  }
  return reads;
}

function decodeOne(frame: Uint8Array): ChannelData {
  const parser = new FrameParser();
  parser.feed(frame);
  const body = parser.next();
  assert(body !== undefined);
  parser.end();
  return new ChannelDataDecoder().decode(body);
}
