import jakarta.servlet.ServletException;
import jakarta.servlet.ServletInputStream;
import jakarta.servlet.ServletOutputStream;
import jakarta.servlet.http.Cookie;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.catalina.Context;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.connector.Request;
import org.apache.catalina.connector.Response;
import org.apache.catalina.startup.Tomcat;
import org.apache.catalina.valves.ValveBase;
import org.apache.coyote.AbstractProtocol;
import org.apache.tomcat.util.IntrospectionUtils;
import org.apache.tomcat.util.http.MimeHeaders;

/**
 * A real Tomcat with an AJP connector, and an HTTP connector when asked, serving a few pages that show what
 * arrived: the peer of tomcat_peer.ts.
 *
 * <p>Arguments are KEY=VALUE: {@code base} (an empty folder, required), {@code http=true}, and
 * {@code ajp.NAME} and {@code http.NAME} for any attribute that a Connector of server.xml takes. Events go to
 * stdout, a JSON object a line: {@code ready}, {@code aborted} (a page could not read or write on),
 * {@code done}, {@code connections}, {@code error}, {@code stopped}. Commands come from stdin, a word a line:
 * {@code pause} and {@code resume} the AJP connector, {@code connections}. The end of stdin stops it.
 */
public final class TomcatPeer {
  private static final String HEADERS = "TomcatPeer.headers";
  private static final AtomicLong requests = new AtomicLong();

  private TomcatPeer() {}

  public static void main(String[] args) throws Exception {
    Tomcat tomcat = new Tomcat();
    Connector ajp;
    Connector http = null;
    try {
      Map<String, String> options = options(args);
      String base = options.remove("base");
      if (base == null) {
        throw new IllegalArgumentException("The argument base is missing");
      }
      tomcat.setBaseDir(base);
      tomcat.setSilent(true);
      ajp = connector("AJP/1.3", "ajp.", options);
      tomcat.getService().addConnector(ajp);
      if (Boolean.parseBoolean(options.remove("http"))) {
        http = connector("HTTP/1.1", "http.", options);
        tomcat.getService().addConnector(http);
      }
      if (!options.isEmpty()) {
        throw new IllegalArgumentException("Unknown arguments " + options.keySet());
      }
      Context context = tomcat.addContext("", new File(base).getAbsolutePath());
      context.getPipeline().addValve(new HeaderRecorder());
      Tomcat.addServlet(context, "pages", new Pages()).addMapping("/");
      tomcat.start();
    } catch (Exception problem) {
      problem.printStackTrace();
      emit("error", "message", rootCause(problem).toString());
      System.exit(1);
      return;
    }
    emit(
        "ready",
        "pid", ProcessHandle.current().pid(),
        "release", Tomcat.class.getPackage().getImplementationVersion(),
        "java", System.getProperty("java.version"),
        "ajpPort", ajp.getLocalPort(),
        "httpPort", http == null ? null : http.getLocalPort());
    obey(ajp);
    tomcat.stop();
    emit("stopped");
    // A page that still sleeps must not hold the process.
    System.exit(0);
  }

  private static void obey(Connector ajp) throws IOException {
    BufferedReader commands =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line; (line = commands.readLine()) != null; ) {
      switch (line) {
        case "pause":
          ajp.pause();
          emit("done", "command", line);
          break;
        case "resume":
          ajp.resume();
          emit("done", "command", line);
          break;
        case "connections":
          emit(
              "connections",
              "open", ((AbstractProtocol<?>) ajp.getProtocolHandler()).getConnectionCount(),
              "requests", requests.get());
          break;
        default:
          emit("error", "message", "Unknown command " + line);
      }
    }
  }

  private static Map<String, String> options(String[] args) {
    Map<String, String> options = new LinkedHashMap<>();
    for (String arg : args) {
      int equals = arg.indexOf('=');
      if (equals < 0) {
        throw new IllegalArgumentException("Not KEY=VALUE: " + arg);
      }
      options.put(arg.substring(0, equals), arg.substring(equals + 1));
    }
    return options;
  }

  /** Takes what begins with the prefix out of the options; attributes mean what they mean in server.xml. */
  private static Connector connector(String protocol, String prefix, Map<String, String> options) {
    Connector connector = new Connector(protocol);
    connector.setThrowOnFailure(true);
    connector.setPort(0);
    IntrospectionUtils.setProperty(connector, "address", "127.0.0.1");
    for (String key : new ArrayList<>(options.keySet())) {
      if (!key.startsWith(prefix)) {
        continue;
      }
      String name = key.substring(prefix.length());
      if (!IntrospectionUtils.setProperty(connector, name, options.remove(key))) {
        throw new IllegalArgumentException("A " + protocol + " connector has no attribute " + name);
      }
    }
    return connector;
  }

  private static Throwable rootCause(Throwable problem) {
    Throwable cause = problem;
    while (cause.getCause() != null) {
      cause = cause.getCause();
    }
    return cause;
  }

  /** Prints an event; keys and values take turns. */
  private static void emit(String event, Object... fields) {
    Map<String, Object> object = new LinkedHashMap<>();
    object.put("event", event);
    for (int i = 0; i < fields.length; i += 2) {
      object.put((String) fields[i], fields[i + 1]);
    }
    String line = Json.write(object);
    synchronized (System.out) {
      System.out.println(line);
      System.out.flush();
    }
  }

  /** Keeps the request headers in their order on the wire, which the servlet API does not tell. */
  private static final class HeaderRecorder extends ValveBase {
    @Override
    public void invoke(Request request, Response response) throws IOException, ServletException {
      MimeHeaders headers = request.getCoyoteRequest().getMimeHeaders();
      List<List<String>> list = new ArrayList<>();
      for (int i = 0; i < headers.size(); i++) {
        list.add(Arrays.asList(headers.getName(i).toString(), headers.getValue(i).toString()));
      }
      request.setAttribute(HEADERS, list);
      getNext().invoke(request, response);
    }
  }

  /** The pages; tomcat_peer.ts says what they do. */
  private static final class Pages extends HttpServlet {
    private static final long serialVersionUID = 1;
    private static final int BLOCK = 65536;
    /** Byte i is i &amp; 255, with room to begin at any of the first 256. */
    private static final byte[] PATTERN = new byte[BLOCK + 256];

    static {
      for (int i = 0; i < PATTERN.length; i++) {
        PATTERN[i] = (byte) i;
      }
    }

    @Override
    protected void service(HttpServletRequest request, HttpServletResponse response)
        throws ServletException, IOException {
      requests.incrementAndGet();
      // Not getParameter(), which would read the body of a form.
      Query query = new Query(request.getQueryString());
      try {
        answer(request, response, query);
      } catch (IOException problem) {
        emit("aborted", "path", request.getServletPath(), "message", String.valueOf(problem));
        throw problem;
      }
    }

    private static void answer(
        HttpServletRequest request, HttpServletResponse response, Query query)
        throws ServletException, IOException {
      switch (request.getServletPath()) {
        case "/echo":
          echo(request, response, query);
          break;
        case "/bytes":
          bytes(response, query);
          break;
        case "/upload":
          upload(request, response, query);
          break;
        case "/copy":
          copy(request, response);
          break;
        case "/ignore":
          text(response, "ignored");
          break;
        case "/slow":
          sleep(query.number("ms", 1000));
          text(response, "slow");
          break;
        case "/error":
          if (query.has("after")) {
            write(response.getOutputStream(), query.number("after", 0), BLOCK, false);
            response.flushBuffer();
          }
          throw new ServletException("Thrown by the page /error");
        case "/cookies":
          for (String name : new String[] {"first", "second", "third"}) {
            Cookie cookie = new Cookie(name, name + "-value");
            cookie.setPath("/");
            response.addCookie(cookie);
          }
          text(response, "cookies");
          break;
        case "/status":
          status(response, query);
          break;
        case "/header":
          response.setHeader("X-Large", "x".repeat((int) query.number("size", 0)));
          text(response, "header");
          break;
        default:
          response.sendError(404);
      }
    }

    private static void echo(
        HttpServletRequest request, HttpServletResponse response, Query query)
        throws IOException {
      Body body = new Body();
      if (!"false".equals(query.text("read"))) {
        body.read(request.getInputStream(), BLOCK, 0, Long.MAX_VALUE);
      }
      Map<String, Object> echo = new LinkedHashMap<>();
      echo.put("method", request.getMethod());
      echo.put("uri", request.getRequestURI());
      echo.put("query", request.getQueryString());
      echo.put("protocol", request.getProtocol());
      echo.put("scheme", request.getScheme());
      echo.put("secure", request.isSecure());
      echo.put("serverName", request.getServerName());
      echo.put("serverPort", request.getServerPort());
      echo.put("remoteAddr", request.getRemoteAddr());
      echo.put("remoteHost", request.getRemoteHost());
      echo.put("remotePort", request.getRemotePort());
      echo.put("localAddr", request.getLocalAddr());
      echo.put("localPort", request.getLocalPort());
      echo.put("remoteUser", request.getRemoteUser());
      echo.put("authType", request.getAuthType());
      echo.put("contentType", request.getContentType());
      echo.put("contentLength", request.getContentLengthLong());
      echo.put("headers", request.getAttribute(HEADERS));
      echo.put("ssl", ssl(request));
      List<String> names = Collections.list(request.getAttributeNames());
      names.remove(HEADERS);
      echo.put("attributeNames", names);
      Map<String, Object> attributes = new LinkedHashMap<>();
      for (String name : query.all("attribute")) {
        Object value = request.getAttribute(name);
        attributes.put(name, value == null ? null : value.toString());
      }
      echo.put("attributes", attributes);
      body.tell(echo);
      json(response, echo);
    }

    private static Map<String, Object> ssl(HttpServletRequest request) {
      Map<String, Object> ssl = new LinkedHashMap<>();
      ssl.put("cipher", request.getAttribute("jakarta.servlet.request.cipher_suite"));
      ssl.put("keySize", request.getAttribute("jakarta.servlet.request.key_size"));
      ssl.put("session", request.getAttribute("jakarta.servlet.request.ssl_session_id"));
      Object protocol = request.getAttribute("jakarta.servlet.request.secure_protocol");
      ssl.put(
          "protocol",
          protocol != null
              ? protocol
              : request.getAttribute("org.apache.tomcat.util.net.secure_protocol_version"));
      List<String> subjects = new ArrayList<>();
      Object chain = request.getAttribute("jakarta.servlet.request.X509Certificate");
      if (chain instanceof X509Certificate[]) {
        for (X509Certificate certificate : (X509Certificate[]) chain) {
          subjects.add(certificate.getSubjectX500Principal().getName());
        }
      }
      ssl.put("subjects", subjects);
      return ssl;
    }

    private static void bytes(HttpServletResponse response, Query query) throws IOException {
      long size = query.number("size", 0);
      response.setContentType("application/octet-stream");
      if (!"false".equals(query.text("length"))) {
        response.setContentLengthLong(size);
      }
      int chunk = (int) Math.min(BLOCK, query.number("chunk", BLOCK));
      write(response.getOutputStream(), size, chunk, "true".equals(query.text("flush")));
    }

    private static void write(ServletOutputStream out, long size, int chunk, boolean flush)
        throws IOException {
      for (long at = 0; at < size; ) {
        int length = (int) Math.min(chunk, size - at);
        out.write(PATTERN, (int) (at & 255), length);
        at += length;
        if (flush) {
          out.flush();
        }
      }
    }

    private static void upload(
        HttpServletRequest request, HttpServletResponse response, Query query)
        throws IOException {
      Body body = new Body();
      body.read(
          request.getInputStream(),
          (int) Math.min(BLOCK, query.number("chunk", BLOCK)),
          query.number("delay", 0),
          query.number("stop", Long.MAX_VALUE));
      Map<String, Object> answer = new LinkedHashMap<>();
      answer.put("contentLength", request.getContentLengthLong());
      body.tell(answer);
      json(response, answer);
    }

    private static void copy(HttpServletRequest request, HttpServletResponse response)
        throws IOException {
      response.setContentType("application/octet-stream");
      ServletInputStream in = request.getInputStream();
      ServletOutputStream out = response.getOutputStream();
      byte[] buffer = new byte[BLOCK];
      for (int n; (n = in.read(buffer)) >= 0; ) {
        out.write(buffer, 0, n);
        out.flush();
      }
    }

    private static void status(HttpServletResponse response, Query query) throws IOException {
      int code = (int) query.number("code", 200);
      if ("true".equals(query.text("error"))) {
        response.sendError(code);
        return;
      }
      response.setStatus(code);
      if (code != 204 && code != 205 && code != 304) {
        text(response, "status " + code);
      }
    }

    private static void text(HttpServletResponse response, String text) throws IOException {
      send(response, "text/plain", text);
    }

    private static void json(HttpServletResponse response, Object value) throws IOException {
      send(response, "application/json", Json.write(value));
    }

    private static void send(HttpServletResponse response, String type, String text)
        throws IOException {
      byte[] body = text.getBytes(StandardCharsets.UTF_8);
      response.setContentType(type);
      response.setContentLength(body.length);
      response.getOutputStream().write(body);
    }

    private static void sleep(long milliseconds) throws IOException {
      try {
        Thread.sleep(milliseconds);
      } catch (InterruptedException problem) {
        throw new IOException(problem);
      }
    }

    /** Counts and digests what was read. */
    private static final class Body {
      private final MessageDigest digest;
      private long count;

      Body() {
        try {
          digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException problem) {
          throw new IllegalStateException(problem);
        }
      }

      void read(ServletInputStream in, int chunk, long delay, long stop) throws IOException {
        byte[] buffer = new byte[chunk];
        while (count < stop) {
          int n = in.read(buffer, 0, (int) Math.min(chunk, stop - count));
          if (n < 0) {
            return;
          }
          digest.update(buffer, 0, n);
          count += n;
          if (delay > 0) {
            sleep(delay);
          }
        }
      }

      void tell(Map<String, Object> object) {
        StringBuilder hex = new StringBuilder();
        for (byte b : digest.digest()) {
          hex.append(String.format("%02x", b & 255));
        }
        object.put("bytes", count);
        object.put("sha256", hex.toString());
      }
    }
  }

  /** The query string's pairs. */
  private static final class Query {
    private final List<String[]> pairs = new ArrayList<>();

    Query(String query) {
      if (query == null) {
        return;
      }
      for (String pair : query.split("&")) {
        int equals = pair.indexOf('=');
        if (equals > 0) {
          pairs.add(new String[] {decode(pair.substring(0, equals)), decode(pair.substring(equals + 1))});
        }
      }
    }

    List<String> all(String name) {
      List<String> values = new ArrayList<>();
      for (String[] pair : pairs) {
        if (pair[0].equals(name)) {
          values.add(pair[1]);
        }
      }
      return values;
    }

    boolean has(String name) {
      return text(name) != null;
    }

    String text(String name) {
      List<String> values = all(name);
      return values.isEmpty() ? null : values.get(0);
    }

    long number(String name, long fallback) {
      String text = text(name);
      return text == null ? fallback : Long.parseLong(text);
    }

    /** Queries that only /echo looks at need not be well-formed. */
    private static String decode(String text) {
      try {
        return URLDecoder.decode(text, StandardCharsets.UTF_8);
      } catch (IllegalArgumentException problem) {
        return text;
      }
    }
  }

  /** Writes maps, lists, strings, numbers and booleans, in ASCII. */
  private static final class Json {
    static String write(Object value) {
      StringBuilder out = new StringBuilder();
      write(value, out);
      return out.toString();
    }

    private static void write(Object value, StringBuilder out) {
      if (value == null || value instanceof Number || value instanceof Boolean) {
        out.append(value);
      } else if (value instanceof Map) {
        String separator = "{";
        for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
          out.append(separator);
          text(String.valueOf(entry.getKey()), out);
          out.append(':');
          write(entry.getValue(), out);
          separator = ",";
        }
        out.append(separator.equals("{") ? "{}" : "}");
      } else if (value instanceof List) {
        String separator = "[";
        for (Object item : (List<?>) value) {
          out.append(separator);
          write(item, out);
          separator = ",";
        }
        out.append(separator.equals("[") ? "[]" : "]");
      } else {
        text(value.toString(), out);
      }
    }

    private static void text(String text, StringBuilder out) {
      out.append('"');
      for (int i = 0; i < text.length(); i++) {
        char c = text.charAt(i);
        if (c == '"' || c == '\\') {
          out.append('\\').append(c);
        } else if (c < ' ' || c > '~') {
          out.append(String.format("\\u%04x", (int) c));
        } else {
          out.append(c);
        }
      }
      out.append('"');
    }
  }
}
