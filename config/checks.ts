// Mistakes that are found in practice, and that Tomcat says nothing of, or too late.
import { SEND_OPTIONS_ASYNCHRONOUS } from "../protocol/tribes/send_options.ts";
import { MBR_RX_SEQ, MBR_TX_SEQ } from "../channel/group_channel_options.ts";
import type { ClusterConfig, InterceptorConfig } from "./cluster_config.ts";
import type { ConfigPlaces, ElementPlace } from "./element_reader.ts";
import type { ConfigWarning, ConfigWarningCode, Place } from "./errors.ts";

type Report = (
  code: ConfigWarningCode,
  message: string,
  about: object,
  attribute?: string,
) => void;

/**
 * Looks for mistakes in a configuration.
 *
 * @param places Where its parts stand, of a configuration that was read; what has no place is at
 * line and column 0.
 */
export function checkClusterConfig(
  config: ClusterConfig,
  places: ConfigPlaces = new Map(),
): ConfigWarning[] {
  const warnings: ConfigWarning[] = [];
  const report: Report = (code, message, about, attribute) => {
    const { element, line, column } = placeIn(places, about, attribute);
    warnings.push({ code, message, element, line, column });
  };
  checkSessions(config, report);
  checkDeployer(config, report);
  checkReceiver(config, report);
  checkMembership(config, report);
  checkOrder(config.channel.interceptors, report);
  return warnings;
}

/** Where a part, or an attribute of it, stands; line 0 for what stands nowhere. */
export function placeIn(
  places: ConfigPlaces,
  about: object,
  attribute?: string,
): Place & Pick<ElementPlace, "element"> {
  const found = places.get(about);
  if (found === undefined) return { element: "", line: 0, column: 0 };
  const { line, column } =
    (attribute === undefined ? undefined : found.attributes.get(attribute)) ??
      found;
  return { element: found.element, line, column };
}

function checkSessions(config: ClusterConfig, report: Report): void {
  const { cluster, manager, listeners } = config;
  const listener = listeners.find(({ className }) =>
    className === "ClusterSessionListener"
  );
  if (manager.type === "BackupManager") {
    if (isAsynchronous(manager.attributes.mapSendOptions)) {
      reportStaleReads("mapSendOptions", manager.attributes, report);
    }
    if (listener !== undefined) {
      report(
        "listener-without-effect",
        "ClusterSessionListener is of no use with BackupManager, which has messages of its own: only DeltaManager needs it",
        listener,
      );
    }
    return;
  }
  if (isAsynchronous(cluster.channelSendOptions)) {
    reportStaleReads("channelSendOptions", cluster, report);
  }
  if (listeners.length > 0 && listener === undefined) {
    report(
      "listener-missing",
      "DeltaManager needs a ClusterSessionListener, which Tomcat puts in only where no <ClusterListener> is written: no session would be received",
      listeners[0]!, // length checked
    );
  }
}

function reportStaleReads(
  attribute: string,
  about: object,
  report: Report,
): void {
  report(
    "stale-reads",
    `${attribute} is asynchronous: a request may be answered before the others have its session. If the balancer is not sticky, the next request may then read an old session; 6 (use_ack and sync) waits`,
    about,
    attribute,
  );
}

function checkDeployer(config: ClusterConfig, report: Report): void {
  const { deployer, placement } = config;
  if (deployer === undefined) return;
  if (placement?.level === "Engine") {
    report(
      "deployer-level",
      "FarmWarDeployer works only in a <Cluster> of a <Host>: this one is in the <Engine>",
      deployer,
    );
  }
  const { deployDir, watchDir } = deployer;
  if (watchDir !== undefined && folderOf(watchDir) === folderOf(deployDir)) {
    report(
      "deployer-folders",
      "watchDir must differ from deployDir: what is deployed would be found as new",
      deployer,
      "watchDir",
    );
  }
}

function checkReceiver({ channel }: ClusterConfig, report: Report): void {
  const { receiver } = channel;
  if (receiver.minThreads > receiver.maxThreads) {
    report(
      "threads",
      `minThreads ${receiver.minThreads} is more than maxThreads ${receiver.maxThreads}`,
      receiver,
      "minThreads",
    );
  }
}

function checkMembership(config: ClusterConfig, report: Report): void {
  const { membership, interceptors } = config.channel;
  if (membership.type !== "McastService") return;
  const { frequency, dropTime } = membership.attributes;
  if (dropTime < 2 * frequency) {
    report(
      "drop-time",
      dropTime <= frequency
        ? `dropTime ${dropTime} is not more than frequency ${frequency}: members are gone between two of their beacons`
        : `dropTime ${dropTime} is less than two of frequency ${frequency}: one lost beacon makes a member disappear`,
      membership.attributes,
      "dropTime",
    );
  }
  const levels = config.cluster.channelStartOptions;
  const isStatic = interceptors.find(({ name }) => name === "StaticMembership");
  if (isStatic !== undefined && (levels & (MBR_RX_SEQ | MBR_TX_SEQ)) !== 0) {
    report(
      "static-with-multicast",
      `Static members are configured, and multicast runs as well with channelStartOptions ${levels}; 3 leaves it out`,
      isStatic,
    );
  }
}

function checkOrder(
  interceptors: readonly InterceptorConfig[],
  report: Report,
): void {
  const indexOf = (name: string) =>
    interceptors.findIndex((interceptor) => interceptor.name === name);
  const detector = indexOf("TcpFailureDetector");
  const members = indexOf("StaticMembership");
  if (members >= 0) {
    for (const name of ["TcpFailureDetector", "TcpPing"]) {
      if (indexOf(name) > members) {
        report(
          "interceptor-order",
          `StaticMembershipInterceptor must stand below ${name}, that is after it: ${name} does not see members that a layer above it adds`,
          interceptors[members]!, // found above
        );
      }
    }
    if (detector < 0) {
      report(
        "interceptor-order",
        "StaticMembershipInterceptor needs a TcpFailureDetector above it: without one static members never disappear",
        interceptors[members]!, // found above
      );
    }
  }
  const encrypt = indexOf("Encrypt");
  if (encrypt >= 0 && detector >= 0 && encrypt > detector) {
    report(
      "interceptor-order",
      "EncryptInterceptor must stand above TcpFailureDetector, that is before it: Tomcat does not start otherwise",
      interceptors[encrypt]!, // found above
    );
  }
}

function isAsynchronous(options: number): boolean {
  return (options & SEND_OPTIONS_ASYNCHRONOUS) !== 0;
}

/** A folder's name without slashes at the end. */
function folderOf(path: string): string {
  return path.replace(/[\\/]+$/, "");
}
