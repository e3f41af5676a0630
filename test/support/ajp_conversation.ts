// A front end and a container made of the two state machines, with a wire between them on which
// bytes arrive in pieces and whenever the schedule says: no clock, no randomness of its own.
import assert from "node:assert/strict";
import {
  AjpClientConnection,
  type AjpClientExchange,
  type AjpHeader,
  ajpMethodCode,
  ajpRequestHeader,
  ajpResponseHeader,
  AjpServerConnection,
  type AjpServerExchange,
  type ForwardRequest,
} from "../../protocol/mod.ts";

/** One request and what is answered. */
export interface PlannedRequest {
  /** Whether a CPING goes before it. */
  readonly ping: boolean;
  /** Its method; one without a code is stored. */
  readonly method: string;
  /** Its body. */
  readonly body: Uint8Array;
  /** Whether its content-length is announced. */
  readonly announced: boolean;
  /** Number of body packets that the application reads before it answers. */
  readonly reads: number;
  /** Number that it reads between headers and body of the response. */
  readonly lateReads: number;
  /** Status of the response. */
  readonly status: number;
  /** Parts of the response's body; an empty one is a flush. */
  readonly chunks: readonly Uint8Array[];
  /** Whether the response's content-length is announced. */
  readonly responseAnnounced: boolean;
  /** Whether the container lets the connection be used again. */
  readonly reuse: boolean;
}

/** A whole conversation. */
export interface Conversation {
  /** Packet size of both sides. */
  readonly packetSize: number;
  /** How the front end ends bodies. */
  readonly bodyEnd: "bare" | "counted";
  /** Requests in their order. */
  readonly requests: readonly PlannedRequest[];
  /** Who acts, and with how many bytes. */
  readonly schedule: readonly number[];
}

/**
 * Plays a conversation to its end.
 *
 * @returns Number of connections that it took.
 * @throws {Error} When a side sees anything but what was planned, or nobody can act any more.
 */
export function playConversation(conversation: Conversation): number {
  const { requests, schedule } = conversation;
  let done = 0;
  let connections = 0;
  let step = 0;
  while (done < requests.length) {
    connections++;
    const pair = new Pair(conversation, done);
    let idle = 0;
    while (!pair.closed && pair.done < requests.length) {
      const pick = schedule[step++ % schedule.length]!; // the remainder is an index
      idle = pair.act(pick) ? 0 : idle + 1;
      // Four actors, in whatever order the schedule names them: the rest is round robin.
      if (idle > schedule.length) {
        const acted = [0, 1, 2, 3].filter((actor) => pair.act(actor | 0xff00));
        assert(acted.length > 0, "nobody can act any more");
        idle = 0;
      }
    }
    assert(pair.done > done, "a connection without a response");
    done = pair.done;
  }
  return connections;
}

class Pair {
  done: number;
  closed = false;
  readonly #plan: Conversation;
  readonly #client: AjpClientConnection;
  readonly #server: AjpServerConnection;
  readonly #toServer = new Wire();
  readonly #toClient = new Wire();
  readonly #front: FrontEnd;
  readonly #container: Container;

  constructor(plan: Conversation, first: number) {
    this.#plan = plan;
    this.done = first;
    const { packetSize, bodyEnd } = plan;
    this.#client = new AjpClientConnection({ packetSize, bodyEnd });
    this.#server = new AjpServerConnection({ packetSize });
    this.#front = new FrontEnd(this.#client, this.#toServer);
    this.#container = new Container(this.#server, this.#toClient, plan);
  }

  /** Lets one of four act; false when it has nothing to do. */
  act(pick: number): boolean {
    switch (pick & 3) {
      case 0:
        return this.#toServer.deliver(pick >> 2, this.#server);
      case 1:
        return this.#toClient.deliver(pick >> 2, this.#client);
      case 2:
        return this.#container.act();
      default:
        return this.#actFront(pick >> 2);
    }
  }

  #actFront(amount: number): boolean {
    const plan = this.#plan.requests[this.done];
    if (plan === undefined) return false;
    const result = this.#front.act(plan, this.done, amount);
    if (result === "ended" || result === "closed") {
      this.done++;
      this.closed = result === "closed";
    }
    return result !== "nothing";
  }
}

/** Bytes under way. */
class Wire {
  #bytes: number[] = [];

  write(bytes: Uint8Array): void {
    for (const byte of bytes) this.#bytes.push(byte);
  }

  deliver(amount: number, to: { feed(chunk: Uint8Array): void }): boolean {
    if (this.#bytes.length === 0) return false;
    to.feed(Uint8Array.from(this.#bytes.splice(0, 1 + amount % 3000)));
    return true;
  }
}

/** The application in front of the client connection. */
class FrontEnd {
  readonly #connection: AjpClientConnection;
  readonly #wire: Wire;
  #pinged = false;
  #exchange: AjpClientExchange | undefined;
  #sent = 0;
  #received: number[] = [];
  #hasHeaders = false;
  #flushes = 0;

  constructor(connection: AjpClientConnection, wire: Wire) {
    this.#connection = connection;
    this.#wire = wire;
  }

  act(
    plan: PlannedRequest,
    id: number,
    amount: number,
  ): "nothing" | "acted" | "ended" | "closed" {
    const connection = this.#connection;
    if (connection.state === "idle") {
      if (plan.ping && !this.#pinged) {
        this.#pinged = true;
        this.#wire.write(connection.cping());
      } else this.#begin(plan, id);
      return "acted";
    }
    // Answers what is wanted now or, by the schedule, later.
    if (this.#exchange?.wanted !== undefined && amount % 3 !== 0) {
      this.#answer(plan, this.#exchange, amount);
      return "acted";
    }
    const event = connection.next();
    if (event === undefined) {
      if (this.#exchange?.wanted === undefined) return "nothing";
      this.#answer(plan, this.#exchange, amount);
      return "acted";
    }
    switch (event.type) {
      case "cpong":
        assert(this.#pinged);
        break;
      case "bodyWanted":
        assert(this.#exchange !== undefined);
        break;
      case "headers":
        assert.equal(event.status, plan.status);
        assert.deepEqual(event.headers, responseHeaders(plan, id));
        this.#hasHeaders = true;
        break;
      case "flush":
        assert(this.#hasHeaders);
        this.#flushes++;
        break;
      case "body":
        assert(this.#hasHeaders);
        for (const byte of event.data) this.#received.push(byte);
        break;
      case "end":
        return this.#end(plan, event.reuse, event.missing);
    }
    return "acted";
  }

  #begin(plan: PlannedRequest, id: number): void {
    const { bytes, exchange } = this.#connection.sendRequest(
      plannedRequest(plan, id),
    );
    this.#wire.write(bytes);
    this.#exchange = exchange;
    this.#pinged = false;
    this.#sent = 0;
    this.#received = [];
    this.#hasHeaders = false;
    this.#flushes = 0;
  }

  #answer(
    { body }: PlannedRequest,
    exchange: AjpClientExchange,
    amount: number,
  ): void {
    const left = body.length - this.#sent;
    const most = Math.min(exchange.wanted ?? 0, left);
    if (most === 0) {
      this.#wire.write(exchange.endBody());
      return;
    }
    const size = amount % 5 === 0 ? 1 + amount % most : most;
    const part = body.subarray(this.#sent, this.#sent + size);
    this.#sent += size;
    this.#wire.write(exchange.sendBody(part));
  }

  #end(
    plan: PlannedRequest,
    reuse: boolean,
    missing: number,
  ): "ended" | "closed" {
    assert.equal(missing, 0);
    assert.deepEqual(this.#received, responseBody(plan));
    const flushes = plan.chunks.filter((chunk) => chunk.length === 0).length;
    assert.equal(this.#flushes, flushes);
    const exchange = this.#exchange;
    assert(exchange !== undefined && exchange.ended);
    assert.equal(reuse, plan.reuse && exchange.wanted === undefined);
    assert.throws(() => exchange.sendBody(new Uint8Array(1)), TypeError);
    assert.throws(() => exchange.endBody(), TypeError);
    this.#exchange = undefined;
    return reuse ? "ended" : "closed";
  }
}

/** The application behind the server connection. */
class Container {
  readonly #connection: AjpServerConnection;
  readonly #wire: Wire;
  readonly #conversation: Conversation;
  #plan: PlannedRequest | undefined;
  #id = -1;
  #exchange: AjpServerExchange | undefined;
  #over: AjpServerExchange | undefined;
  #body: number[] = [];
  #packets = 0;
  #chunk = 0;

  constructor(
    connection: AjpServerConnection,
    wire: Wire,
    conversation: Conversation,
  ) {
    this.#connection = connection;
    this.#wire = wire;
    this.#conversation = conversation;
  }

  act(): boolean {
    if (this.#pull()) return true;
    const exchange = this.#exchange;
    const plan = this.#plan;
    if (exchange === undefined || plan === undefined) return false;
    const reads = exchange.headersSent
      ? plan.reads + plan.lateReads
      : plan.reads;
    if (this.#packets < reads && !exchange.bodyEnded) {
      if (exchange.bodyPacketDue) return false;
      this.#wire.write(exchange.getBodyChunk());
    } else if (!exchange.headersSent) {
      const headers = responseHeaders(plan, this.#id);
      this.#wire.write(exchange.sendHeaders(plan.status, headers));
    } else if (this.#chunk < plan.chunks.length) {
      this.#send(plan.chunks[this.#chunk++]!, exchange); // below the length
    } else {
      this.#wire.write(exchange.endResponse(plan.reuse));
      this.#checkBody(plan, false);
      this.#over = exchange;
      this.#exchange = undefined;
    }
    return true;
  }

  #send(chunk: Uint8Array, exchange: AjpServerExchange): void {
    if (chunk.length === 0) this.#wire.write(exchange.flush());
    else if (exchange.hasBody) this.#wire.write(exchange.sendBodyChunk(chunk));
    else assert.throws(() => exchange.sendBodyChunk(chunk), RangeError);
  }

  #pull(): boolean {
    const event = this.#connection.next();
    if (event === undefined) return false;
    const over = this.#over;
    if (over !== undefined) {
      assert(over.ended);
      assert.throws(() => over.flush(), TypeError);
    }
    switch (event.type) {
      case "cping":
        this.#wire.write(this.#connection.cpong());
        break;
      case "request": {
        this.#id++;
        const id = Number(
          event.request.headers.find((header) => header.name === "x-id")?.value,
        );
        const plan = this.#conversation.requests[id];
        assert(plan !== undefined);
        assert.deepEqual(event.request, plannedRequest(plan, id));
        assert.equal(event.method, plan.method);
        assert.equal(
          event.bodyLength,
          plan.announced ? plan.body.length : undefined,
        );
        this.#id = id;
        this.#plan = plan;
        this.#exchange = event.exchange;
        this.#body = [];
        this.#packets = 0;
        this.#chunk = 0;
        break;
      }
      case "body":
        assert(this.#exchange !== undefined && event.data.length > 0);
        this.#packets++;
        for (const byte of event.data) this.#body.push(byte);
        break;
      case "bodyEnd":
        assert(this.#exchange !== undefined && this.#plan !== undefined);
        assert.equal(event.missing, 0);
        this.#checkBody(this.#plan, true);
        break;
      default:
        assert.fail(`event ${event.type}`);
    }
    return true;
  }

  #checkBody({ body }: PlannedRequest, whole: boolean): void {
    const expected = whole ? body : body.subarray(0, this.#body.length);
    assert.deepEqual(this.#body, [...expected]);
  }
}

function plannedRequest(plan: PlannedRequest, id: number): ForwardRequest {
  const methodCode = ajpMethodCode(plan.method);
  const headers: AjpHeader[] = [ajpRequestHeader("x-id", String(id))];
  if (plan.announced) {
    const length = String(plan.body.length);
    headers.push(ajpRequestHeader("content-length", length));
  }
  return {
    type: "forwardRequest",
    methodCode,
    protocol: "HTTP/1.1",
    uri: `/${id}`,
    remoteAddr: "192.0.2.1",
    remoteHost: null,
    serverName: "www.example",
    serverPort: 80,
    isSsl: false,
    headers,
    attributes: methodCode === 255
      ? [{ code: 13, name: null, value: plan.method }]
      : [],
  };
}

function responseHeaders(plan: PlannedRequest, id: number): AjpHeader[] {
  const headers = [ajpResponseHeader("x-id", String(id))];
  if (plan.responseAnnounced) {
    const length = plan.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    headers.push(ajpResponseHeader("content-length", String(length)));
  }
  return headers;
}

function responseBody({ method, status, chunks }: PlannedRequest): number[] {
  const none = method === "HEAD" || [204, 205, 304].includes(status);
  return none ? [] : chunks.flatMap((chunk) => [...chunk]);
}
