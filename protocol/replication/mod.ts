/**
 * The messages of session replication, and of what stands beside it: replicated maps, farm deployment and
 * single sign-on. Each is a Java object, or a stream of Java's, and differs between releases; all forms are
 * read, and each is written for the release that is asked for.
 *
 * | message | carries | codec |
 * |---|---|---|
 * | `SessionMessage` | one event of DeltaManager | {@linkcode encodeSessionMessage} |
 * | | changes of a session | {@linkcode encodeDeltaRequest} |
 * | | whole sessions | {@linkcode encodeSessionBlock} |
 * | | a new session id | {@linkcode encodeNewSessionId} |
 * | `MapMessage` | an entry of a map: BackupManager, single sign-on | {@linkcode encodeMapMessage} |
 * | | a session as its value | {@linkcode encodeDeltaSession} |
 * | `FileMessage`, `UndeployMessage` | an application | {@linkcode encodeFileMessage} |
 *
 * @example What Tomcat sends when a session's attribute was set
 * ```ts
 * import {
 *   createSessionMessage,
 *   encodeDeltaRequest,
 *   encodeSessionMessage,
 *   EVT_SESSION_DELTA,
 *   javaFromPlain,
 *   parseGeneration,
 *   setAttributeAction,
 * } from "@tribes/toolkit/protocol";
 *
 * const generation = parseGeneration("9.0");
 * const sessionId = "0123456789ABCDEF.node1";
 * const session = encodeDeltaRequest({
 *   sessionId,
 *   recordAllActions: false,
 *   actions: [setAttributeAction("cart", javaFromPlain(["tea", "cups"]))],
 * }, generation);
 * const message = createSessionMessage(EVT_SESSION_DELTA, {
 *   contextName: "/app",
 *   sessionId,
 *   session,
 *   now: Date.now(),
 * });
 * encodeSessionMessage(message, generation); // the body of a channel's message
 * ```
 *
 * @module
 */
export * from "./delta_request.ts";
export {
  type AuthenticationNotes,
  createDeltaSession,
  decodeDeltaSession,
  type DeltaSession,
  type DeltaSessionReadOptions,
  encodeDeltaSession,
  isJavaDeltaSession,
  javaDeltaSession,
  readJavaDeltaSession,
  type SessionAttribute,
} from "./delta_session.ts";
export * from "./file_message.ts";
export * from "./map_message.ts";
export {
  createPrincipal,
  isJavaPrincipal,
  javaPrincipal,
  readJavaPrincipal,
  type SessionPrincipal,
} from "./principal.ts";
export {
  CLUSTER_MESSAGE_BASE_CLASS,
  DELTA_SESSION_CLASS,
  deltaSessionSerialVersionUid,
  FILE_MESSAGE_CLASS,
  MAP_MESSAGE_CLASS,
  MAP_STATE_CLASS,
  OLD_PRINCIPAL_CLASS,
  PRINCIPAL_CLASS,
  replicationClass,
  SESSION_ID_MESSAGE_CLASS,
  SESSION_MESSAGE_CLASS,
  SSO_ENTRY_CLASS,
  SSO_LISTENER_CLASS,
  SSO_MESSAGE_CLASS,
  SSO_SESSION_KEY_CLASS,
  UNDEPLOY_MESSAGE_CLASS,
} from "./replication_classes.ts";
export * from "./session_block.ts";
export * from "./session_id.ts";
export * from "./session_message.ts";
export { SharedBoxes } from "./shared_boxes.ts";
export * from "./single_sign_on.ts";
