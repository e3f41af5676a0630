/**
 * An HTTPS server that plays the API server of Kubernetes: it answers with what a test says, and keeps what it
 * was asked.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What the server was asked. */
export interface KubernetesRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly authorization: string | undefined;
}

/** A pod as the API server lists it. */
export interface PodForm {
  readonly name: string;
  readonly uid?: string;
  readonly ip?: string;
  readonly created?: string;
  readonly phase?: string;
}

/** Options of {@linkcode KubernetesPeer.start}. */
export interface KubernetesPeerOptions {
  /** @default {"https"} */
  readonly protocol?: "https" | "http";
  /** @default {"127.0.0.1"} */
  readonly host?: string;
}

/** The running server, its certificate and the files of a service account. */
export class KubernetesPeer implements AsyncDisposable {
  /** Folder with `ca.crt`, `token`, `client.crt`, `client.key` and `client.encrypted.key` (password `secret`). */
  readonly folder: string;
  /** What it was asked, in order. */
  readonly requests: KubernetesRequest[] = [];
  /** How it answers; by default with the pods of {@linkcode pods}. */
  answer: (request: IncomingMessage, response: ServerResponse) => void;
  /** What it lists. */
  pods: readonly PodForm[] = [];
  readonly #server: Server;
  readonly #protocol: string;
  readonly #host: string;

  private constructor(
    folder: string,
    { protocol, host }: Required<KubernetesPeerOptions>,
  ) {
    this.folder = folder;
    this.#protocol = protocol;
    this.#host = host;
    this.answer = (_, response) => response.end(podList(this.pods));
    const listener = (request: IncomingMessage, response: ServerResponse) => {
      this.requests.push({
        method: request.method ?? "",
        url: request.url ?? "",
        authorization: request.headers.authorization,
      });
      this.answer(request, response);
    };
    this.#server = protocol === "http"
      ? createHttpServer(listener)
      : createHttpsServer({
        cert: readFileSync(join(folder, "ca.crt")),
        key: readFileSync(join(folder, "ca.key")),
      }, listener);
  }

  /** Starts a server with a new certificate for its address, which signs itself. */
  static async start(
    options: KubernetesPeerOptions = {},
  ): Promise<KubernetesPeer> {
    const { protocol = "https", host = "127.0.0.1" } = options;
    const folder = mkdtempSync(join(tmpdir(), "kubernetes-peer-"));
    makeCertificate(folder, "ca", `IP:${host}`);
    makeCertificate(folder, "client", "DNS:client");
    execFileSync("openssl", [
      "pkcs8",
      "-topk8",
      "-in",
      join(folder, "client.key"),
      "-out",
      join(folder, "client.encrypted.key"),
      "-passout",
      "pass:secret",
    ], { stdio: "ignore" });
    writeFileSync(join(folder, "token"), "a-token.of-a_service");
    const peer = new KubernetesPeer(folder, { protocol, host });
    await new Promise<void>((resolve, reject) => {
      peer.#server.once("error", reject);
      peer.#server.listen(0, host, resolve);
    });
    return peer;
  }

  /** The port. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port; // it listens on TCP
  }

  /** The environment of a node in a pod of its. */
  get environment(): Record<string, string> {
    return {
      KUBERNETES_NAMESPACE: "test",
      KUBERNETES_MASTER_PROTOCOL: this.#protocol,
      KUBERNETES_SERVICE_HOST: this.#host,
      KUBERNETES_SERVICE_PORT: String(this.port),
      KUBERNETES_CA_CERTIFICATE_FILE: join(this.folder, "ca.crt"),
      SA_TOKEN_FILE: join(this.folder, "token"),
    };
  }

  /** Closes all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A list of pods in the form of the API server, with fields that nobody here reads. */
export function podList(pods: readonly PodForm[]): string {
  return JSON.stringify({
    kind: "PodList",
    apiVersion: "v1",
    metadata: { resourceVersion: "12345" },
    items: pods.map((pod) => ({
      metadata: {
        name: pod.name,
        generateName: "tomcat-",
        namespace: "test",
        uid: pod.uid,
        creationTimestamp: pod.created ?? "2026-01-01T00:00:00Z",
        labels: { app: "tomcat" },
      },
      spec: { containers: [{ name: "tomcat", image: "tomcat:10.1" }] },
      status: {
        phase: pod.phase ?? "Running",
        hostIP: "192.168.0.1",
        podIP: pod.ip,
        podIPs: [{ ip: pod.ip }],
      },
    })),
  });
}

function makeCertificate(folder: string, name: string, subject: string): void {
  execFileSync("openssl", [
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-days",
    "2",
    "-subj",
    `/CN=${name}`,
    "-addext",
    `subjectAltName=${subject}`,
    "-keyout",
    join(folder, `${name}.key`),
    "-out",
    join(folder, `${name}.crt`),
  ], { stdio: "ignore" });
}
