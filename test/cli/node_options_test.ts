import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type NodeArguments,
  parseInterceptor,
  parseNodeOptions,
  parseStaticMember,
} from "../../cli/node_options.ts";
import { encodeHex } from "../../protocol/mod.ts";

const DEFAULTS: NodeArguments = {
  address: "auto",
  port: "4000",
  autoBind: "100",
  udpPort: "-1",
  mcastAddress: "228.0.0.4",
  mcastPort: "45564",
  frequency: "500",
  dropTime: "3000",
  mcast: true,
  member: [],
  interceptor: [],
  sendOptions: "use_ack",
  stats: "0",
};

test("parseNodeOptions() gives Tomcat's default stack and send options", () => {
  const options = parseNodeOptions(DEFAULTS);
  assert.deepEqual(options.interceptors.map(({ name }) => name), [
    "MessageDispatch",
    "TcpFailureDetector",
  ]);
  assert.equal(options.sendOptions, 2);
  assert.deepEqual(options.membership, ["mcast"]);
  assert.equal(options.mcast?.port, 45564);
  assert.equal(options.channel.receiver?.address, "auto");
});

test("parseNodeOptions() takes the multicast interface for an automatic address", () => {
  const options = parseNodeOptions({ ...DEFAULTS, mcastBind: "127.0.0.1" });
  assert.equal(options.channel.receiver?.address, "127.0.0.1");
  const given = parseNodeOptions({
    ...DEFAULTS,
    mcastBind: "127.0.0.1",
    address: "10.1.2.3",
  });
  assert.equal(given.channel.receiver?.address, "10.1.2.3");
});

test("parseNodeOptions() puts StaticMembership at the bottom for --member", () => {
  const options = parseNodeOptions({
    ...DEFAULTS,
    mcast: false,
    member: ["127.0.0.1:4001", "[::1]:4002/000102030405060708090a0b0c0d0e0f"],
  });
  assert.equal(options.interceptors.at(-1)?.name, "StaticMembership");
  assert.deepEqual(options.membership, ["static"]);
  assert.equal(options.mcast, undefined);
});

test("parseNodeOptions() replaces the default stack by --interceptor, top first", () => {
  const options = parseNodeOptions({
    ...DEFAULTS,
    interceptor: [
      "TcpFailureDetector:connectTimeout=50,performReadTest=true",
      "MessageDispatch15",
    ],
  });
  assert.deepEqual(options.interceptors.map(({ name }) => name), [
    "TcpFailureDetector",
    "MessageDispatch",
  ]);
});

const REFUSED: readonly (readonly [Partial<NodeArguments>, RegExp])[] = [
  [{ port: "x" }, /--port "x"/],
  [{ port: "65536" }, /--port "65536"/],
  [{ port: "" }, /--port ""/],
  [{ autoBind: "1.5" }, /--auto-bind "1.5"/],
  [{ udpPort: "-2" }, /--udp-port "-2"/],
  [{ address: "localhost" }, /--address "localhost"/],
  [{ mcastAddress: "10.0.0.1" }, /--mcast-address "10.0.0.1"/],
  [{ mcastBind: "eth0" }, /--mcast-bind "eth0"/],
  [{ mcastTtl: "256" }, /--mcast-ttl "256"/],
  [{ dropTime: "400" }, /--drop-time "400".*frequency 500/],
  [{ member: ["localhost"] }, /--member "localhost"/],
  [{ member: ["127.0.0.1:0"] }, /--member "127.0.0.1:0"/],
  [{ member: ["127.0.0.1:1/00"] }, /--member "127.0.0.1:1\/00".*1 bytes/],
  [{ uniqueId: "0011" }, /--unique-id "0011"/],
  [{ domain: "{1, 2}" }, /--domain "\{1, 2\}"/],
  [{ generation: "6.0" }, /--generation "6.0"/],
  [{ interceptor: ["Gzipp"] }, /--interceptor "Gzipp".*does not exist/],
  [
    { interceptor: ["TcpFailureDetector:x=1"] },
    /--interceptor "TcpFailureDetector:x=1".*"x"/,
  ],
  [
    { interceptor: ["TcpFailureDetector:connectTimeout=no"] },
    /connectTimeout=no/,
  ],
  [{ sendOptions: "ack" }, /--send-options "ack"/],
  [{ output: "xml" }, /--output "xml"/],
  [{ stats: "-1" }, /--stats "-1"/],
  [
    {
      interceptor: [
        "TcpFailureDetector",
        "Encrypt:encryptionKey=000102030405060708090a0b0c0d0e0f",
      ],
    },
    /--interceptor .*TcpFailureDetector/,
  ],
];

for (const [given, message] of REFUSED) {
  test(`parseNodeOptions() refuses ${JSON.stringify(given)} by name and value`, () => {
    assert.throws(
      () => parseNodeOptions({ ...DEFAULTS, ...given }),
      (error) =>
        error instanceof RangeError && message.test(error.message) &&
        !error.message.includes("\n"),
    );
  });
}

test("parseStaticMember() reads IPv4, IPv6 and a unique id", () => {
  const v6 = parseStaticMember("[::1]:4000/000102030405060708090A0B0C0D0E0F");
  assert.equal(encodeHex(v6.host), `${"00".repeat(15)}01`);
  assert.equal(v6.port, 4000);
  assert.equal(encodeHex(v6.uniqueId!), "000102030405060708090a0b0c0d0e0f"); // given
  assert.equal(parseStaticMember("10.0.0.1:80").uniqueId, undefined);
});

test("parseInterceptor() lets braces protect commas", () => {
  assert.deepEqual(parseInterceptor("Domain:domain={1,2,3},logInterval=5"), {
    name: "Domain",
    attributes: { domain: "{1,2,3}", logInterval: "5" },
  });
  assert.deepEqual(parseInterceptor("Gzip"), { name: "Gzip", attributes: {} });
  assert.throws(() => parseInterceptor("Gzip:optionFlag"), RangeError);
});

test("parseNodeOptions() shows no key of an encryption", () => {
  const key = "000102030405060708090a0b0c0d0e0f";
  for (
    const interceptor of [
      [`Encrypt:encryptionKey=${key}x`],
      [`Encrypt:encryptionKey={${key},${key}}`],
      [`Encrypt:encryptionKey={${key},${key}`],
      [`Encrypt:encrytionKey=${key}`],
      [`Encrypt:encryptionkey=${key}`],
      [`Encrypt:key${key}${key}`],
      ["TcpFailureDetector", `Encrypt:encryptionKey=${key}`],
    ]
  ) {
    assert.throws(
      () => parseNodeOptions({ ...DEFAULTS, interceptor }),
      (error) =>
        error instanceof RangeError && /--interceptor/.test(error.message) &&
        !error.message.includes(key),
      interceptor.join(" "),
    );
  }
});

test("parseNodeOptions() refuses an option flag that is no set of 32 bits", () => {
  for (const name of ["Order", "Throughput", "TcpPing", "SimpleCoordinator"]) {
    for (const flag of ["4294967296", "-2147483649"]) {
      assert.throws(
        () =>
          parseNodeOptions({
            ...DEFAULTS,
            interceptor: [`${name}:optionFlag=${flag}`],
          }),
        new RegExp(`optionFlag of ${name} ${flag}`),
      );
    }
  }
});
