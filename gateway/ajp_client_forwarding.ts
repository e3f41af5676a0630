// What a front end tells a container besides the request itself.
import {
  type AjpAttribute,
  ajpAttribute,
  ajpRequestAttribute,
  SC_A_AUTH_TYPE,
  SC_A_JVM_ROUTE,
  SC_A_QUERY_STRING,
  SC_A_REMOTE_USER,
  SC_A_SECRET,
  SC_A_SSL_CERT,
  SC_A_SSL_CIPHER,
  SC_A_SSL_KEY_SIZE,
  SC_A_SSL_SESSION,
  SC_A_STORED_METHOD,
} from "../protocol/mod.ts";

/**
 * What the container is told besides the request: of the client that it came from, as a web server
 * in front would tell it. Texts are ISO-8859-1. The container believes it as far as it is configured
 * to; Tomcat's attribute for that is named where there is one.
 */
export interface AjpForwarding {
  /** The client's address; address and port of our own end of the connection without it. */
  readonly remoteAddr?: string;
  /** The client's host name, usually unknown. */
  readonly remoteHost?: string;
  /** The client's port: `AJP_REMOTE_PORT`. */
  readonly remotePort?: number;
  /** The address at which the client was served: `AJP_LOCAL_ADDR`. */
  readonly localAddr?: string;
  /** Name of the server, where the request has no `host` header; that of the URL without it. */
  readonly serverName?: string;
  /** Port of the server, likewise. */
  readonly serverPort?: number;
  /** Whether the client came over TLS; for an `https:` URL it is true without it. */
  readonly isSsl?: boolean;
  /** User that the front end authenticated; Tomcat wants `tomcatAuthentication="false"`. */
  readonly remoteUser?: string;
  /** How it authenticated the user. */
  readonly authType?: string;
  /** Route of the balancer's member. */
  readonly jvmRoute?: string;
  /** The client's certificate chain, PEM. */
  readonly sslCert?: string;
  /** Cipher suite of the client's TLS connection. */
  readonly sslCipher?: string;
  /** Session id of the client's TLS connection. */
  readonly sslSession?: string;
  /** Key size of the client's TLS connection, in bits. */
  readonly sslKeySize?: number;
  /** Protocol of the client's TLS connection: `AJP_SSL_PROTOCOL`. */
  readonly sslProtocol?: string;
  /** State of the balancer's member, `ACT`, `DIS` or `STP`: `JK_LB_ACTIVATION`. */
  readonly lbActivation?: string;
  /**
   * Further request attributes by name. Tomcat refuses the request with 403 unless its
   * `allowedRequestAttributesPattern` matches each name.
   */
  readonly attributes?: Readonly<Record<string, string>>;
}

/** Makes the attributes of a request, in mod_jk's order. */
export function makeAttributes(
  ajp: AjpForwarding,
  query: string | null,
  storedMethod: string | undefined,
  secret: string | null,
): AjpAttribute[] {
  const attributes: AjpAttribute[] = [];
  const add = (code: number, value: string | null | undefined) => {
    if (value !== undefined && value !== null) {
      attributes.push(ajpAttribute(code, value));
    }
  };
  const addNamed = (name: string, value: string | number | undefined) => {
    if (value !== undefined) {
      attributes.push(ajpRequestAttribute(name, String(value)));
    }
  };
  add(SC_A_SECRET, secret);
  add(SC_A_REMOTE_USER, ajp.remoteUser);
  add(SC_A_AUTH_TYPE, ajp.authType);
  add(SC_A_QUERY_STRING, query);
  add(SC_A_JVM_ROUTE, ajp.jvmRoute);
  add(SC_A_SSL_CERT, ajp.sslCert);
  add(SC_A_SSL_CIPHER, ajp.sslCipher);
  add(SC_A_SSL_SESSION, ajp.sslSession);
  if (ajp.sslKeySize !== undefined) {
    const value = ajp.sslKeySize;
    attributes.push({ code: SC_A_SSL_KEY_SIZE, name: null, value });
  }
  add(SC_A_STORED_METHOD, storedMethod);
  addNamed("AJP_SSL_PROTOCOL", ajp.sslProtocol);
  addNamed("AJP_REMOTE_PORT", ajp.remotePort);
  addNamed("AJP_LOCAL_ADDR", ajp.localAddr);
  addNamed("JK_LB_ACTIVATION", ajp.lbActivation);
  for (const [name, value] of Object.entries(ajp.attributes ?? {})) {
    addNamed(name, value);
  }
  return attributes;
}
