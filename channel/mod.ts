/**
 * The group channel: members, messages, and the interceptors between application and network.
 *
 * @module
 */
export * from "./group_channel.ts";
export * from "./interceptor.ts";
export * from "./interceptor_registry.ts";
export * from "./interceptors/message_dispatch.ts";
export * from "./interceptors/static_membership.ts";
export * from "./interceptors/tcp_failure_detector.ts";
