import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { inspect } from "node:util";
import type { CloudFetchOptions } from "../../membership/cloud_membership.ts";
import {
  kubernetesAccess,
  KubernetesMembershipProvider,
  parsePods,
} from "../../membership/kubernetes_membership_provider.ts";
import { decodeHost, encodeHex } from "../../protocol/mod.ts";
import { ChannelError } from "../../transport/errors.ts";
import { shared } from "../support/interop_channel.ts";
import { KubernetesPeer, podList } from "../support/kubernetes_peer.ts";

const START = Date.parse("2026-01-01T00:01:00Z");
const OPTIONS: CloudFetchOptions = {
  signal: new AbortController().signal,
  connectTimeout: 1000,
  readTimeout: 1000,
  startTime: START,
};
const BASE = {
  KUBERNETES_NAMESPACE: "ns",
  KUBERNETES_SERVICE_HOST: "10.96.0.1",
  KUBERNETES_SERVICE_PORT: "443",
};
const CUSTOM = {
  OPENSHIFT_KUBE_PING_NAMESPACE: "my ns",
  OPENSHIFT_KUBE_PING_MASTER_PROTOCOL: "http",
  OPENSHIFT_KUBE_PING_MASTER_HOST: "fd00::1",
  OPENSHIFT_KUBE_PING_MASTER_PORT: "8443",
  OPENSHIFT_KUBE_PING_API_VERSION: "v2",
  OPENSHIFT_KUBE_PING_LABELS: "app=tomcat, tier in (a~b*)",
  OPENSHIFT_KUBE_PING_CA_CERT_FILE: "/c",
  OPENSHIFT_KUBE_PING_SA_TOKEN_FILE: "/t",
};
const PLAIN = {
  ...BASE,
  KUBERNETES_MASTER_PROTOCOL: "https",
  KUBERNETES_API_VERSION: "v3",
  KUBERNETES_LABELS: "a=b",
  KUBERNETES_CA_CERTIFICATE_FILE: "/d",
  SA_TOKEN_FILE: "/u",
};

test("kubernetesAccess() has Tomcat's defaults", () => {
  assert.deepEqual(kubernetesAccess(BASE), {
    url: "https://10.96.0.1:443/api/v1/namespaces/ns/pods",
    caFile: "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
    credentials: {
      type: "token",
      file: "/var/run/secrets/kubernetes.io/serviceaccount/token",
    },
  });
});

test("kubernetesAccess() reads the variables of Kubernetes", () => {
  assert.deepEqual(kubernetesAccess(PLAIN), {
    url: "https://10.96.0.1:443/api/v3/namespaces/ns/pods?labelSelector=a%3Db",
    caFile: "/d",
    credentials: { type: "token", file: "/u" },
  });
});

test("kubernetesAccess() prefers the variables with Tomcat's prefix", () => {
  assert.deepEqual(kubernetesAccess({ ...PLAIN, ...CUSTOM }), {
    // An IPv6 host in brackets; what java.net.URLEncoder leaves and writes.
    url: "http://[fd00::1]:8443/api/v2/namespaces/my+ns/pods" +
      "?labelSelector=app%3Dtomcat%2C+tier+in+%28a%7Eb*%29",
    caFile: "/c",
    credentials: { type: "token", file: "/t" },
  });
});

test("kubernetesAccess() takes a client certificate by either name, its key by one", () => {
  const key = {
    KUBERNETES_CLIENT_KEY_FILE: "/k",
    KUBERNETES_CLIENT_KEY_PASSWORD: "p",
  };
  const names = [
    "OPENSHIFT_KUBE_PING_CLIENT_CERT_FILE",
    "KUBERNETES_CLIENT_CERTIFICATE_FILE",
  ];
  for (const name of names) {
    assert.deepEqual(
      kubernetesAccess({ ...BASE, ...key, [name]: "/x" }).credentials,
      { type: "certificate", file: "/x", keyFile: "/k", keyPassword: "p" },
    );
    assert.throws(
      () => kubernetesAccess({ ...BASE, [name]: "/x" }),
      /KUBERNETES_CLIENT_KEY_FILE is not set/,
    );
  }
});

for (const missing of ["HOST", "PORT"]) {
  test(`kubernetesAccess() says that the ${missing.toLowerCase()} is missing`, () => {
    assert.throws(
      () =>
        kubernetesAccess({ ...BASE, [`KUBERNETES_SERVICE_${missing}`]: "" }),
      new RegExp(
        `OPENSHIFT_KUBE_PING_MASTER_${missing} nor KUBERNETES_SERVICE_${missing}`,
      ),
    );
  });
}

test("kubernetesAccess() refuses an address that is none", () => {
  for (const [name, value] of [["PROTOCOL", "ftp"], ["PORT", "x"]]) {
    assert.throws(
      () =>
        kubernetesAccess({
          ...BASE,
          [`OPENSHIFT_KUBE_PING_MASTER_${name}`]: value,
        }),
      RangeError,
    );
  }
});

function parse(body: unknown, warnings: string[] = []): unknown[] {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return parsePods(
    new TextEncoder().encode(text),
    START,
    (warning) => void warnings.push(warning),
  ).map(({ host, uniqueId, aliveTime }) => [
    decodeHost(host),
    encodeHex(uniqueId),
    aliveTime,
  ]);
}

function md5(text: string): string {
  return createHash("md5").update(text).digest("hex");
}

test("parsePods() gives the pods that run", () => {
  const warnings: string[] = [];
  const list = podList([
    { name: "a", uid: "u-1", ip: "10.0.0.1" },
    { name: "b", ip: "10.0.0.2", created: "2026-01-01T00:02:00.250Z" },
    { name: "c", uid: "u-3", phase: "Pending" },
    { name: "d", uid: "u-4", ip: "fd00::4", phase: "Succeeded" },
    { name: "e", uid: "u-5", ip: "fd00::5" },
  ]);
  assert.deepEqual(parse(list, warnings), [
    ["10.0.0.1", md5("u-1"), 60_000],
    ["10.0.0.2", md5("10.0.0.2"), -60_250],
    ["fd00::5", md5("u-5"), 60_000],
  ]);
  assert.deepEqual(warnings, []);
});

const POD = {
  metadata: { name: "a", creationTimestamp: "2026-01-01T00:00:00Z" },
  status: { phase: "Running", podIP: "10.0.0.1" },
};

for (
  const [pod, warning] of [
    [POD, undefined],
    [{ ...POD, kind: "Pod" }, undefined],
    [{ ...POD, kind: null }, undefined],
    [{ ...POD, kind: "Node" }, ""],
    [7, "it is not an object"],
    [null, "it is not an object"],
    [[POD], "it is not an object"],
    [{ ...POD, metadata: 1 }, "it has no metadata"],
    [{ ...POD, metadata: { ...POD.metadata, name: null } }, "it has no name"],
    [
      { ...POD, metadata: { name: "a" } },
      "it has no creationTimestamp",
    ],
    [
      { ...POD, metadata: { name: "a", creationTimestamp: "yesterday" } },
      "it has no creationTimestamp",
    ],
    [
      {
        ...POD,
        metadata: { name: "a", creationTimestamp: "2026-99-01T00:00:00Z" },
      },
      "it has no creationTimestamp",
    ],
    [{ ...POD, status: [] }, "it has no status"],
    [{ ...POD, status: { phase: "Running" } }, "it has no podIP"],
    [
      { ...POD, status: { phase: "Running", podIP: "a.b" } },
      "its podIP is no address",
    ],
  ] as const
) {
  test(`parsePods() with ${JSON.stringify(pod)}`, () => {
    const warnings: string[] = [];
    const found = parse({ items: [pod] }, warnings);
    assert.equal(found.length, warning === undefined ? 1 : 0);
    assert.deepEqual(
      warnings,
      warning ? [`Pod 0 is left out: ${warning}`] : [],
    );
  });
}

for (
  const body of [
    "",
    "{",
    "[]",
    "null",
    "{}",
    '{"items":{}}',
    "[".repeat(200_000),
    '{"items":' + "[".repeat(200_000) + "]".repeat(200_000) + "x}",
    "\ud800",
  ]
) {
  test(`parsePods() refuses ${JSON.stringify(body.slice(0, 20))}`, () => {
    assert.throws(
      () => parse(body),
      (error) => error instanceof ChannelError && error.code === "bad-message",
    );
  });
}

const secure = shared((keep) => KubernetesPeer.start().then(keep));

async function peerOf(): Promise<KubernetesPeer> {
  const peer = await secure();
  peer.requests.length = 0;
  peer.pods = [{ name: "a", uid: "u-1", ip: "10.0.0.1" }];
  peer.answer = (_, response) => response.end(podList(peer.pods));
  return peer;
}

test("KubernetesMembershipProvider asks over HTTPS, with its token", async () => {
  const peer = await peerOf();
  const provider = new KubernetesMembershipProvider({
    environment: { ...peer.environment, KUBERNETES_LABELS: "app=tomcat" },
  });
  const members = await provider.fetchMembers(OPTIONS);
  assert.deepEqual(members.map(({ host }) => decodeHost(host)), ["10.0.0.1"]);
  assert.deepEqual(peer.requests, [{
    method: "GET",
    url: "/api/v1/namespaces/test/pods?labelSelector=app%3Dtomcat",
    authorization: "Bearer a-token.of-a_service",
  }]);
});

test("KubernetesMembershipProvider reads its token again when the file's time changes", async () => {
  const peer = await peerOf();
  const { environment, folder } = peer;
  const file = join(folder, "rotated");
  const provider = new KubernetesMembershipProvider({
    environment: { ...environment, SA_TOKEN_FILE: file },
  });
  for (const [token, time] of [["one", 1000], ["two", 1000], ["two", 1001]]) {
    writeFileSync(file, `${token}\n`); // Tomcat refuses a line end
    utimesSync(file, Number(time), Number(time));
    await provider.fetchMembers(OPTIONS);
  }
  assert.deepEqual(
    peer.requests.map(({ authorization }) => authorization),
    ["Bearer one", "Bearer one", "Bearer two"],
  );
});

test("KubernetesMembershipProvider asks over HTTP where it is told to, IPv6 too", async () => {
  await using peer = await KubernetesPeer.start({
    protocol: "http",
    host: "::1",
  });
  peer.pods = [{ name: "a", ip: "10.0.0.1" }];
  const provider = new KubernetesMembershipProvider({
    environment: peer.environment,
  });
  assert.equal(
    provider.url,
    `http://[::1]:${peer.port}/api/v1/namespaces/test/pods`,
  );
  assert.equal((await provider.fetchMembers(OPTIONS)).length, 1);
});

for (const encrypted of [false, true]) {
  test(`KubernetesMembershipProvider takes a client certificate${encrypted ? ", its key encrypted" : ""}`, async () => {
    const { environment, folder, requests } = await peerOf();
    const { SA_TOKEN_FILE: _, ...rest } = environment;
    const provider = new KubernetesMembershipProvider({
      environment: {
        ...rest,
        KUBERNETES_CLIENT_CERTIFICATE_FILE: join(folder, "client.crt"),
        KUBERNETES_CLIENT_KEY_FILE: join(
          folder,
          encrypted ? "client.encrypted.key" : "client.key",
        ),
        ...encrypted ? { KUBERNETES_CLIENT_KEY_PASSWORD: "secret" } : {},
      },
    });
    assert.equal((await provider.fetchMembers(OPTIONS)).length, 1);
    assert.equal(requests[0]?.authorization, undefined);
  });
}

/** Requires a failure that tells nothing secret. */
async function failsWith(
  provider: KubernetesMembershipProvider,
  code: string,
  text: RegExp,
  options = OPTIONS,
): Promise<void> {
  const error = await provider.fetchMembers(options).then(
    () => undefined,
    (error: unknown) => error,
  );
  assert(error instanceof ChannelError, inspect(error));
  assert.equal(error.code, code, inspect(error));
  assert.match(error.message, text);
  const shown = inspect(error, { depth: 20, showHidden: true });
  assert(!/a-token|Bearer|secret|BEGIN/.test(shown), shown);
}

for (
  const [what, answer, code, text] of [
    [
      "a refusal",
      (peer) => {
        peer.answer = (request, response) => {
          response.statusCode = 403;
          response.end(`no, ${request.headers.authorization}`);
        };
      },
      "bad-message",
      /status 403$/,
    ],
    [
      "a redirection",
      (peer) => {
        peer.answer = (_, response) => {
          response.writeHead(302, { location: "http://127.0.0.1:1/" });
          response.end();
        };
      },
      "bad-message",
      /status 302$/,
    ],
    [
      "what is not JSON",
      (peer) => {
        peer.answer = (_, response) => response.end("<html>");
      },
      "bad-message",
      /not JSON/,
    ],
    [
      "a body that is too long",
      (peer) => {
        peer.answer = (_, response) => response.end(" ".repeat(2000) + "{}");
      },
      "bad-message",
      /above 1000 bytes$/,
    ],
    [
      "a body that never ends",
      (peer) => {
        peer.answer = (_, response) => void response.write("{");
      },
      "timeout",
      /no whole answer within 200 ms$/,
    ],
    [
      "no answer at all",
      (peer) => {
        peer.answer = () => {};
      },
      "timeout",
      /no whole answer within 200 ms$/,
    ],
    [
      "a connection that is cut",
      (peer) => {
        peer.answer = (_, response) => {
          response.writeHead(200, { "content-length": "100" });
          response.write("{");
          setTimeout(() => response.destroy(), 20);
        };
      },
      "connection-closed",
      /./,
    ],
  ] as [string, (peer: KubernetesPeer) => void, string, RegExp][]
) {
  test(`KubernetesMembershipProvider fails with ${what}`, async () => {
    const peer = await peerOf();
    answer(peer);
    const provider = new KubernetesMembershipProvider({
      environment: peer.environment,
      maxReplyLength: 1000,
    });
    await failsWith(provider, code, text, { ...OPTIONS, readTimeout: 200 });
  });
}

test("KubernetesMembershipProvider fails where nobody listens, or the certificate is another's", async () => {
  const peer = await peerOf();
  const of = (environment: Record<string, string>) =>
    new KubernetesMembershipProvider({
      environment: { ...peer.environment, ...environment },
    });
  await failsWith(
    of({ KUBERNETES_SERVICE_PORT: "1" }),
    "connection-refused",
    /./,
  );
  await failsWith(
    of({ KUBERNETES_CA_CERTIFICATE_FILE: join(peer.folder, "client.crt") }),
    "connection-closed",
    /./,
  );
  assert.deepEqual(peer.requests, []); // the token did not leave
});

test("KubernetesMembershipProvider fails with files that it cannot use", async () => {
  const peer = await peerOf();
  const bad = join(peer.folder, "bad");
  writeFileSync(bad, "a-token\nof two lines");
  for (
    const environment of [
      { SA_TOKEN_FILE: bad },
      { SA_TOKEN_FILE: join(peer.folder, "none") },
      { KUBERNETES_CA_CERTIFICATE_FILE: join(peer.folder, "none") },
      {
        KUBERNETES_CLIENT_CERTIFICATE_FILE: join(peer.folder, "client.crt"),
        KUBERNETES_CLIENT_KEY_FILE: join(peer.folder, "client.encrypted.key"),
        KUBERNETES_CLIENT_KEY_PASSWORD: "wrong",
      },
    ]
  ) {
    const provider = new KubernetesMembershipProvider({
      environment: { ...peer.environment, ...environment },
    });
    await failsWith(provider, "unsupported", /^Cannot read /);
  }
});

test("KubernetesMembershipProvider gives up when it is told to", async () => {
  const peer = await peerOf();
  const abort = new AbortController();
  peer.answer = () => abort.abort(new Error("enough"));
  const provider = new KubernetesMembershipProvider({
    environment: peer.environment,
  });
  await assert.rejects(
    provider.fetchMembers({ ...OPTIONS, signal: abort.signal }),
    /enough/,
  );
});
