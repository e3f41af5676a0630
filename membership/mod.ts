/**
 * Who is in the group: a pure table of members, and the service that fills it from multicast
 * beacons.
 *
 * @module
 */
export * from "./local_member.ts";
export * from "./mcast_membership.ts";
export * from "./member_table.ts";
export * from "./types.ts";
