/**
 * What Tribes puts on the wire: frames, member blocks, messages, acknowledgements.
 *
 * @module
 */
export * from "./absolute_order.ts";
export * from "./ack.ts";
export * from "./byte_message.ts";
export * from "./channel_data.ts";
export * from "./control_bodies.ts";
export * from "./coordination_message.ts";
export {
  byteLengthFrame,
  decodeFrame,
  DEFAULT_MAX_DATA_LENGTH,
  encodeFrame,
  END_DATA,
  FRAME_OVERHEAD,
  MAX_DATA_LENGTH,
  START_DATA,
} from "./frame.ts";
export * from "./fragment.ts";
export * from "./frame_parser.ts";
export * from "./host.ts";
export * from "./member.ts";
export * from "./member_message.ts";
export * from "./member_object.ts";
export * from "./rpc_message.ts";
export * from "./numbered_message.ts";
export * from "./send_options.ts";
export * from "./two_phase_confirmation.ts";
export * from "./unique_id.ts";
