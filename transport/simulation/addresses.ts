// Addresses of the simulated network: what kind an address is, and which socket hears it.
//
// All functions are pure and go by the text: nothing is resolved, nor written in another form.
import type { SocketAddress } from "../types.ts";

/**
 * Checks a port.
 *
 * @throws {RangeError} With the action that needs it.
 */
export function checkPort(port: number, action: string): void {
  if (!(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
    throw new RangeError(`${action}: port is not from 0 to 65535`);
  }
}

/** Whether a socket bound to one address gets what is sent to another. */
export function accepts(bound: string, hostname: string): boolean {
  return bound === hostname || bound === "::" ||
    bound === "0.0.0.0" && !hostname.includes(":");
}

/** Whether two sockets cannot have these addresses on one port. */
export function conflict(first: string, second: string): boolean {
  return accepts(first, second) || accepts(second, first);
}

/** Whether an address stands for all addresses of its host. */
export function isWildcard(hostname: string): boolean {
  return hostname === "0.0.0.0" || hostname === "::";
}

/** Whether an address leads back to the host that uses it. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "::1" ||
    /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

/** Whether a host name is an address already. */
export function isNumeric(hostname: string): boolean {
  return hostname.includes(":") || /^\d+\.\d+\.\d+\.\d+$/.test(hostname);
}

/** Whether an address is that of a group. */
export function isMulticast(hostname: string): boolean {
  const first = Number(/^(\d+)\.\d+\.\d+\.\d+$/.exec(hostname)?.[1] ?? 0);
  return first >= 224 && first <= 239 || /^ff[\da-f]{2}:/i.test(hostname);
}

/** An address and port for people. */
export function formatAddress({ hostname, port }: SocketAddress): string {
  return hostname.includes(":")
    ? `[${hostname}]:${port}`
    : `${hostname}:${port}`;
}
