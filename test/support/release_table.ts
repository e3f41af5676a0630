/**
 * What runs with which Tomcat release, and with which setting: the one place that the tests, which run every cell, and
 * the table of `docs/interop.md` are made of.
 *
 * @module
 */

import { type Generation, parseGeneration } from "../../protocol/generation.ts";

/** The releases of the columns, oldest first. */
export const TABLE_RELEASES = [
  "9.0.70",
  "9.0.113",
  "10.1.56",
  "10.1.60",
  "11.0.21",
] as const;

/** A release of a column. */
export type TableRelease = typeof TABLE_RELEASES[number];

/** The features of the rows. */
export const FEATURES = [
  "Messages with the options 0, 2 and 6",
  "Java objects",
  "RpcChannel, all four reply options",
  "MessageDispatchInterceptor",
  "GzipInterceptor",
  "FragmentationInterceptor",
  "OrderInterceptor",
  "EncryptInterceptor",
  "Order, Gzip, Fragmentation, Encrypt",
  "DomainFilterInterceptor",
  "ThroughputInterceptor",
  "TwoPhaseCommitInterceptor, options 6",
  "NonBlockingCoordinator, hosts with bytes above 127",
  "SimpleCoordinator, all on one host",
  "McastService",
  "StaticMembershipService",
  "StaticMembershipInterceptor",
  "TcpFailureDetector",
  "TcpPingInterceptor",
] as const;

/** The feature of a row. */
export type Feature = typeof FEATURES[number];

/** What a node of ours needs to run a feature with a release: nothing, or the option `generation`. */
export type Cell = "yes" | "with `generation`";

const OTHER_ENCRYPTION: readonly TableRelease[] = [
  "9.0.70",
  "9.0.113",
  "10.1.56",
  "11.0.21",
];
const SIGNED_ORDER: readonly TableRelease[] = ["9.0.70", "9.0.113", "11.0.21"];

/** The releases that need the option; every other cell is a yes without any. */
const WITH_GENERATION: Partial<Record<Feature, readonly TableRelease[]>> = {
  "EncryptInterceptor": OTHER_ENCRYPTION,
  "Order, Gzip, Fragmentation, Encrypt": OTHER_ENCRYPTION,
  "NonBlockingCoordinator, hosts with bytes above 127": SIGNED_ORDER,
};

/** What a cell says. */
export function cellOf(feature: Feature, release: TableRelease): Cell {
  return WITH_GENERATION[feature]?.includes(release)
    ? "with `generation`"
    : "yes";
}

/** The options that a node of ours has for a cell, and no more. */
export function settingsOf(
  feature: Feature,
  release: TableRelease,
): { readonly generation?: Generation } {
  return cellOf(feature, release) === "yes"
    ? {}
    : { generation: parseGeneration(release) };
}

/** The table as a page has it: rows of cells, the head first. */
export function tableRows(): string[][] {
  return [
    ["feature", ...TABLE_RELEASES],
    ...FEATURES.map((feature) => [
      feature,
      ...TABLE_RELEASES.map((release) => cellOf(feature, release)),
    ]),
  ];
}
