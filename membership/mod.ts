/**
 * Who is in the group: a pure table of members, and the services that fill it, from multicast
 * beacons or from what a cloud platform knows.
 *
 * @module
 */
export * from "./cloud_environment.ts";
export * from "./cloud_identity.ts";
export * from "./cloud_membership.ts";
export * from "./dns_membership_provider.ts";
export * from "./kubernetes_membership_provider.ts";
export * from "./kubernetes_request.ts";
export * from "./local_member.ts";
export * from "./mcast_membership.ts";
export * from "./member_table.ts";
export * from "./types.ts";
