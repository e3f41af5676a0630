// The handshake of a simulated TCP connection.
//
// Plan: a request goes out through one new pipe, its answer comes back through the other, and if the
// answer is yes both pipes become the connection's two directions. So an answer and the first bytes keep
// their order, and a partition in between stalls the handshake as it stalls a stream.
//
// Invariant: the far kernel answers, even while its process is paused; only the accepted connection waits
// for the process. Whether a host or listener is there is asked when the request arrives.
import { type SocketAddress, TransportError } from "../types.ts";
import { isLoopback } from "./addresses.ts";
import { MemoryConnection } from "./connection.ts";
import type { Host } from "./host.ts";
import { Pipe } from "./pipe.ts";

/** A connect that has no answer yet. */
export interface Opening {
  /** What is being done, for the text of an error. */
  readonly action: string;
  /** False once it has settled. */
  waiting: boolean;
  /** Settles the connect; a connection that comes too late is refused. */
  finish(connection: MemoryConnection | undefined, error?: unknown): void;
}

/** The handshake: asks the far host's kernel, whose answer comes back through the other pipe. */
export function open(
  host: Host,
  { hostname, port }: SocketAddress,
  opening: Opening,
): void {
  const { simulation } = host;
  const fail = (code: "unreachable" | "connection-refused", state: string) =>
    opening.finish(
      undefined,
      new TransportError(code, `${opening.action}: ${state}`),
    );
  const farHost = simulation.resolve(host, hostname);
  if (farHost === undefined) {
    simulation.time.transmit(
      simulation.time.now,
      () => fail("unreachable", "no such host"),
    );
    return;
  }
  const loopback = hostname === "::1" ? "::1" : "127.0.0.1";
  const inside = isLoopback(hostname);
  const remote = { hostname: inside ? loopback : farHost.address, port };
  const local = {
    hostname: inside ? loopback : host.address,
    port: host.ephemeralPort(),
  };
  const out = new Pipe(simulation, host.name, farHost.name);
  const back = new Pipe(simulation, farHost.name, host.name);
  const client = new MemoryConnection(host, local, remote, out);
  out.send(() => {
    const acceptor = simulation.host(farHost.name); // it may have restarted
    const listener = acceptor.findListener(remote.hostname, port);
    if (listener === undefined || listener.full) {
      back.send(() => fail("connection-refused", "connection refused"));
      return;
    }
    const server = new MemoryConnection(acceptor, remote, local, back);
    client.join(server);
    server.join(client);
    back.send(() => client.arrive(() => opening.finish(client)));
    acceptor.deliver(() => listener.accept(server));
  });
}
