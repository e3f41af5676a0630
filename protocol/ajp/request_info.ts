// What the attributes of a request say, by name.
import {
  type AjpAttribute,
  SC_A_AUTH_TYPE,
  SC_A_JVM_ROUTE,
  SC_A_QUERY_STRING,
  SC_A_REMOTE_USER,
  SC_A_REQ_ATTRIBUTE,
  SC_A_SSL_CERT,
  SC_A_SSL_CIPHER,
  SC_A_SSL_KEY_SIZE,
  SC_A_SSL_SESSION,
} from "./attribute.ts";
import type { ForwardRequest } from "./forward_request.ts";

/** What the attributes of a request say. The front end says it: what is believed is another matter. */
export interface AjpRequestInfo {
  /** User that the front end authenticated. */
  readonly remoteUser: string | null;
  /** How it authenticated the user. */
  readonly authType: string | null;
  /** Query string, without the question mark; `null` when there is none, which is not an empty one. */
  readonly query: string | null;
  /** Route of the balancer's member, or of the session. */
  readonly jvmRoute: string | null;
  /** The client's certificate chain, PEM. */
  readonly sslCert: string | null;
  /** Cipher suite of the client's TLS connection. */
  readonly sslCipher: string | null;
  /** Session id of the client's TLS connection. */
  readonly sslSession: string | null;
  /** Key size of the client's TLS connection, in bits. */
  readonly sslKeySize: number | null;
  /** Protocol of the client's TLS connection: `AJP_SSL_PROTOCOL`. */
  readonly sslProtocol: string | null;
  /** The client's port: `AJP_REMOTE_PORT`; a bad one is ignored. */
  readonly remotePort: number | null;
  /** The front end's address: `AJP_LOCAL_ADDR`. */
  readonly localAddr: string | null;
  /** State of the balancer's member, `ACT`, `DIS` or `STP`: `JK_LB_ACTIVATION`. */
  readonly lbActivation: string | null;
  /** Every other named attribute; see {@linkcode isKnownAjpRequestAttribute}. */
  readonly requestAttributes: ReadonlyMap<string, string | null>;
}

/**
 * Collects what the attributes of a request say. Where one is repeated the last counts, as in Tomcat.
 *
 * @param request The request.
 */
export function collectAjpAttributes(request: ForwardRequest): AjpRequestInfo {
  const info: Collected = {
    remoteUser: null,
    authType: null,
    query: null,
    jvmRoute: null,
    sslCert: null,
    sslCipher: null,
    sslSession: null,
    sslKeySize: null,
    sslProtocol: null,
    remotePort: null,
    localAddr: null,
    lbActivation: null,
    requestAttributes: new Map(),
  };
  for (const attribute of request.attributes) collect(info, attribute);
  return info;
}

/**
 * Tells whether Tomcat accepts a named attribute without `allowedRequestAttributesPattern`: what a
 * front end says about the client's TLS connection, in the names of the Servlet API and of IIS.
 *
 * @param name The attribute's name.
 */
export function isKnownAjpRequestAttribute(name: string): boolean {
  return KNOWN.has(name);
}

type Collected =
  & { -readonly [Key in keyof AjpRequestInfo]: AjpRequestInfo[Key] }
  & { requestAttributes: Map<string, string | null> };

const KNOWN: ReadonlySet<string> = new Set([
  "AJP_REMOTE_PORT",
  "AJP_LOCAL_ADDR",
  "AJP_SSL_PROTOCOL",
  "JK_LB_ACTIVATION",
  ...["javax", "jakarta"].flatMap((root) =>
    ["cipher_suite", "key_size", "ssl_session", "X509Certificate"].map((name) =>
      `${root}.servlet.request.${name}`
    )
  ),
  "CERT_ISSUER",
  "CERT_SUBJECT",
  "CERT_COOKIE",
  "HTTPS_SERVER_SUBJECT",
  "CERT_FLAGS",
  "HTTPS_SECRETKEYSIZE",
  "CERT_SERIALNUMBER",
  "HTTPS_SERVER_ISSUER",
  "HTTPS_KEYSIZE",
]);

function collect(info: Collected, attribute: AjpAttribute): void {
  const { code, name } = attribute;
  if (code === SC_A_SSL_KEY_SIZE) {
    info.sslKeySize = Number(attribute.value);
    return;
  }
  const value = attribute.value === null ? null : String(attribute.value);
  switch (code) {
    case SC_A_REMOTE_USER:
      info.remoteUser = value;
      break;
    case SC_A_AUTH_TYPE:
      info.authType = value;
      break;
    case SC_A_QUERY_STRING:
      info.query = value;
      break;
    case SC_A_JVM_ROUTE:
      info.jvmRoute = value;
      break;
    case SC_A_SSL_CERT:
      info.sslCert = value;
      break;
    case SC_A_SSL_CIPHER:
      info.sslCipher = value;
      break;
    case SC_A_SSL_SESSION:
      info.sslSession = value;
      break;
    case SC_A_REQ_ATTRIBUTE:
      if (name !== null) collectNamed(info, name, value);
      break;
  }
}

function collectNamed(
  info: Collected,
  name: string,
  value: string | null,
): void {
  switch (name) {
    case "AJP_REMOTE_PORT":
      if (value !== null && /^[0-9]{1,5}$/.test(value)) {
        const port = Number(value);
        if (port <= 0xffff) info.remotePort = port;
      }
      break;
    case "AJP_LOCAL_ADDR":
      info.localAddr = value;
      break;
    case "AJP_SSL_PROTOCOL":
      info.sslProtocol = value;
      break;
    case "JK_LB_ACTIVATION":
      info.lbActivation = value;
      break;
    default:
      info.requestAttributes.set(name, value);
  }
}
