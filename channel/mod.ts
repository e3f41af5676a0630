/**
 * The group channel: members, messages, and the interceptors between application and network.
 *
 * @module
 */
export * from "./group_channel.ts";
export * from "./interceptor.ts";
export * from "./interceptor_registry.ts";
export { checkOptionFlags, checkStack } from "./interceptor_stack.ts";
export * from "./interceptors/domain_filter.ts";
export { DroppedMessageError } from "./interceptors/dropped_messages.ts";
export * from "./interceptors/encrypt.ts";
export {
  type EncryptionFormat,
  type EncryptOptions,
} from "./interceptors/encrypt_options.ts";
export * from "./interceptors/fragmentation.ts";
export * from "./interceptors/gzip.ts";
export * from "./interceptors/message_cipher.ts";
export * from "./interceptors/message_dispatch.ts";
export * from "./interceptors/non_blocking_coordinator.ts";
export * from "./interceptors/non_blocking_coordinator_options.ts";
export * from "./interceptors/order.ts";
export * from "./interceptors/simple_coordinator.ts";
export * from "./interceptors/static_membership.ts";
export * from "./interceptors/tcp_failure_detector.ts";
export * from "./interceptors/tcp_ping.ts";
export * from "./interceptors/throughput.ts";
export * from "./interceptors/two_phase_commit.ts";
export * from "./object_message.ts";
export * from "./rpc_channel.ts";
export * from "./static_membership_service.ts";
export * from "./static_membership_service_options.ts";
