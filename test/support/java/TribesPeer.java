import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.io.Serializable;
import java.io.Writer;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import org.apache.catalina.tribes.ByteMessage;
import org.apache.catalina.tribes.Channel;
import org.apache.catalina.tribes.ChannelException;
import org.apache.catalina.tribes.ChannelInterceptor;
import org.apache.catalina.tribes.ChannelListener;
import org.apache.catalina.tribes.ChannelMessage;
import org.apache.catalina.tribes.ErrorHandler;
import org.apache.catalina.tribes.Member;
import org.apache.catalina.tribes.MembershipListener;
import org.apache.catalina.tribes.RemoteProcessException;
import org.apache.catalina.tribes.UniqueId;
import org.apache.catalina.tribes.group.ChannelInterceptorBase;
import org.apache.catalina.tribes.group.GroupChannel;
import org.apache.catalina.tribes.group.InterceptorPayload;
import org.apache.catalina.tribes.group.Response;
import org.apache.catalina.tribes.group.RpcCallback;
import org.apache.catalina.tribes.group.RpcChannel;
import org.apache.catalina.tribes.group.interceptors.NonBlockingCoordinator;
import org.apache.catalina.tribes.group.interceptors.SimpleCoordinator;
import org.apache.catalina.tribes.group.interceptors.StaticMembershipInterceptor;
import org.apache.catalina.tribes.io.BufferPool;
import org.apache.catalina.tribes.io.ChannelData;
import org.apache.catalina.tribes.io.ObjectReader;
import org.apache.catalina.tribes.io.XByteBuffer;
import org.apache.catalina.tribes.membership.McastService;
import org.apache.catalina.tribes.membership.MemberImpl;
import org.apache.catalina.tribes.membership.MembershipServiceBase;
import org.apache.catalina.tribes.membership.StaticMember;
import org.apache.catalina.tribes.membership.StaticMembershipService;
import org.apache.catalina.tribes.membership.cloud.CloudMembershipService;
import org.apache.catalina.tribes.transport.MultiPointSender;
import org.apache.catalina.tribes.transport.ReplicationTransmitter;
import org.apache.catalina.tribes.transport.nio.NioReceiver;

/**
 * A real Tribes GroupChannel, driven by JSON lines on stdin and telling what happens as JSON lines on stdout.
 *
 * Plan: arguments (key=value) build one channel; the main thread reads commands; those that may block run one
 * after another on a thread of their own, so that `stop`, `members` and `report` always answer. A recorder on top
 * of the stack keeps the ChannelMessage of the thread's delivery, since a ChannelListener sees only the object.
 *
 * The end of stdin stops the peer: a test runner that dies leaves no peer behind. Commands and events are
 * described in java_peer.ts, the harness that starts this program.
 */
public class TribesPeer {
    private static final int SHOWN_BYTES = 256;
    private static final int SHOWN_TEXT = 65_536;

    private final Output output = new Output();
    private final GroupChannel channel = new GroupChannel();
    private MembershipServiceBase membership;
    private final Recorder recorder = new Recorder();
    private final Listener listener = new Listener();
    private final Map<String, RpcChannel> rpcChannels = new LinkedHashMap<>();
    private final ExecutorService worker = Executors.newSingleThreadExecutor();
    private Supplier<Json.Object> views = () -> {
        throw new IllegalStateException("There is no coordinator");
    };
    private int startOptions;

    public static void main(String[] args) {
        TribesPeer peer = new TribesPeer();
        try {
            peer.start(args);
            peer.serve();
            peer.stop(null);
        } catch (Throwable problem) {
            problem.printStackTrace();
            peer.output.print(error("start", problem, null));
            System.exit(1);
        }
    }

    // ---- Configuration ----

    private void start(String[] args) throws Exception {
        Map<String, String> options = new LinkedHashMap<>();
        List<String> stack = new ArrayList<>();
        for (String arg : args) {
            int equals = arg.indexOf('=');
            if (equals < 0) throw new IllegalArgumentException("Not key=value: " + arg);
            String key = arg.substring(0, equals);
            String value = arg.substring(equals + 1);
            if (key.equals("interceptor")) stack.add(value);
            else if (key.equals("interceptors")) stack.addAll(Arrays.asList(value.split(",")));
            else options.put(key, value);
        }
        if (stack.isEmpty()) stack.addAll(Arrays.asList("MessageDispatch", "TcpFailureDetector"));

        String members = take(options, "members", "");
        membership = membership(take(options, "service", "mcast"), members);
        NioReceiver receiver = new NioReceiver();
        ReplicationTransmitter transmitter = new ReplicationTransmitter();
        MultiPointSender sender = transmitter.getTransport();
        channel.setChannelReceiver(receiver);
        channel.setChannelSender(transmitter);
        channel.setMembershipService(membership);

        String address = take(options, "address", "127.0.0.1");
        receiver.setAddress(address);
        receiver.setPort(freeTcpPort(address, Integer.parseInt(take(options, "port", "0"))));
        receiver.setUdpPort(freeUdpPort(address, Integer.parseInt(take(options, "udpPort", "-1"))));
        startOptions = Integer.parseInt(take(options, "startOptions", Integer.toString(Channel.DEFAULT)));
        boolean record = Boolean.parseBoolean(take(options, "recorder", "true"));
        String uniqueId = take(options, "uniqueId", null);
        String domain = take(options, "domain", null);
        String payload = take(options, "payload", null);
        if (domain != null) membership.setDomain(unhex(domain));
        if (payload != null) membership.setPayload(unhex(payload));
        if (uniqueId != null) {
            membership.setLocalMemberProperties(address, receiver.getPort(), -1, -1);
            ((MemberImpl) membership.getLocalMember(false)).setUniqueId(unhex(uniqueId));
        }
        // More minThreads (6) than maxThreads make the receiver's start fail.
        int maxThreads = Integer.parseInt(options.getOrDefault("maxThreads", "15"));
        if (maxThreads < receiver.getMinThreads()) options.putIfAbsent("minThreads", Integer.toString(maxThreads));
        for (Map.Entry<String, String> option : options.entrySet()) {
            configure(option.getKey(), option.getValue(), receiver, sender);
        }

        if (record) channel.addInterceptor(recorder);
        for (String entry : stack) {
            if (entry.isEmpty() || entry.equals("none")) continue;
            ChannelInterceptor coordinator = coordinator(entry);
            channel.addInterceptor(coordinator == null ? interceptor(entry, members) : coordinator);
        }
        channel.addMembershipListener(listener);
        channel.addChannelListener(listener);
        channel.start(startOptions);

        Package tribes = GroupChannel.class.getPackage();
        output.print(event("ready")
                .put("pid", ProcessHandle.current().pid())
                .put("release", tribes.getImplementationVersion())
                .put("java", System.getProperty("java.version"))
                .put("member", member(channel.getLocalMember(true))));
    }

    /** The service that finds members; a static one has this node among its members. */
    private static MembershipServiceBase membership(String name, String members) throws IOException {
        if (name.equals("mcast")) return new McastService();
        if (name.equals("cloud")) return new CloudMembershipService();
        if (!name.equals("static")) throw new IllegalArgumentException("Unknown service " + name);
        StaticMembershipService service = new StaticMembershipService();
        for (String text : members.split(",")) service.addStaticMember(staticMember(text));
        return service;
    }

    private void configure(String key, String value, NioReceiver receiver, MultiPointSender sender) throws Exception {
        int dot = key.indexOf('.');
        String part = dot < 0 ? owner(key) : key.substring(0, dot);
        String name = dot < 0 ? key : key.substring(dot + 1);
        switch (part) {
            case "membership":
                set(membership, name, value);
                break;
            case "receiver":
                set(receiver, name, value);
                break;
            case "sender":
                set(sender, name, value);
                break;
            case "channel":
                set(channel, name, value);
                break;
            default:
                throw new IllegalArgumentException("Unknown option " + key);
        }
    }

    private static String owner(String key) {
        switch (key) {
            case "mcastAddress":
            case "mcastPort":
            case "mcastBind":
            case "frequency":
            case "dropTime":
                return "membership";
            case "autoBind":
            case "maxThreads":
            case "minThreads":
                return "receiver";
            case "timeout":
            case "maxRetryAttempts":
            case "throwOnFailedAck":
            case "poolSize":
                return "sender";
            case "heartbeat":
            case "heartbeatSleeptime":
                return "channel";
            default:
                return "";
        }
    }

    /** NAME or NAME:key=value[,key=value]..., the names being Tomcat's classes without "Interceptor". */
    private static ChannelInterceptor interceptor(String entry, String members) throws Exception {
        int colon = entry.indexOf(':');
        String name = colon < 0 ? entry : entry.substring(0, colon);
        ChannelInterceptor interceptor = null;
        for (String suffix : new String[] {"Interceptor", ""}) {
            try {
                Class<?> type = Class.forName("org.apache.catalina.tribes.group.interceptors." + name + suffix);
                interceptor = (ChannelInterceptor) type.getConstructor().newInstance();
                break;
            } catch (ClassNotFoundException notThisOne) {
                // The detectors and coordinators have no suffix.
            }
        }
        if (interceptor == null) throw new IllegalArgumentException("Unknown interceptor " + name);
        if (colon >= 0) {
            for (String pair : entry.substring(colon + 1).split(",")) {
                int equals = pair.indexOf('=');
                if (equals < 0) throw new IllegalArgumentException("Not key=value: " + pair);
                set(interceptor, pair.substring(0, equals), pair.substring(equals + 1));
            }
        }
        if (interceptor instanceof StaticMembershipInterceptor && !members.isEmpty()) {
            for (String text : members.split(",")) {
                ((StaticMembershipInterceptor) interceptor).addStaticMember(staticMember(text));
            }
        }
        return interceptor;
    }

    /** HOST:PORT or HOST:PORT:UNIQUEID-HEX; an absent id is 16 zero bytes. */
    private static StaticMember staticMember(String text) throws IOException {
        String[] parts = text.split(":");
        StaticMember member = new StaticMember(parts[0], Integer.parseInt(parts[1]), 0);
        ((MemberImpl) member).setUniqueId(parts.length > 2 ? unhex(parts[2]) : new byte[16]);
        return member;
    }

    private static void set(Object target, String name, String value) throws Exception {
        String property = name.equals("mcastAddress") ? "address"
                : name.equals("mcastPort") ? "port"
                : name.equals("mcastBind") ? "bind"
                : name;
        String setter = "set" + Character.toUpperCase(property.charAt(0)) + property.substring(1);
        for (Method method : target.getClass().getMethods()) {
            if (!method.getName().equals(setter) || method.getParameterCount() != 1) continue;
            Class<?> type = method.getParameterTypes()[0];
            Object converted;
            if (type == String.class) converted = value;
            else if (type == int.class) converted = Integer.valueOf(value);
            else if (type == long.class) converted = Long.valueOf(value);
            else if (type == boolean.class) converted = Boolean.valueOf(value);
            else continue;
            try {
                method.invoke(target, converted);
            } catch (InvocationTargetException thrown) {
                throw new IllegalArgumentException(name + "=" + value, thrown.getCause());
            }
            return;
        }
        throw new IllegalArgumentException(target.getClass().getSimpleName() + " has no attribute " + name);
    }

    private static String take(Map<String, String> options, String key, String otherwise) {
        String value = options.remove(key);
        return value == null ? otherwise : value;
    }

    /** NioReceiver would advertise port 0 as it stands; autoBind covers the moment between close and bind. */
    private static int freeTcpPort(String address, int port) throws IOException {
        if (port != 0) return port;
        try (ServerSocket socket = new ServerSocket()) {
            socket.bind(new InetSocketAddress(address, 0));
            return socket.getLocalPort();
        }
    }

    private static int freeUdpPort(String address, int port) throws IOException {
        if (port != 0) return port;
        try (DatagramSocket socket = new DatagramSocket(new InetSocketAddress(address, 0))) {
            return socket.getLocalPort();
        }
    }

    // ---- Commands ----

    private void serve() throws IOException {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            if (line.trim().isEmpty()) continue;
            Object tag = null;
            try {
                Fields command = new Fields(Json.parse(line));
                tag = command.get("tag");
                dispatch(command, tag);
            } catch (Exception problem) {
                output.print(error("bad-command", problem, tag));
            }
        }
    }

    private void dispatch(Fields command, Object tag) throws Exception {
        String name = command.text("command", "");
        switch (name) {
            case "members":
                List<Object> members = new ArrayList<>();
                for (Member each : channel.getMembers()) members.add(member(each));
                output.print(event("members").put("members", members).put("tag", tag));
                break;
            case "coordinator":
                output.print(views.get().put("tag", tag));
                break;
            case "setListener":
                listener.configure(command);
                output.print(done(name, tag));
                break;
            case "expect":
                listener.expect(new Sequence(command, tag));
                output.print(done(name, tag));
                break;
            case "print":
                listener.expect(null);
                output.print(done(name, tag));
                break;
            case "report":
                Sequence sequence = listener.sequence;
                if (sequence == null) throw new IllegalStateException("No expect command came before report");
                output.print(sequence.report("report", tag));
                break;
            case "memory":
                output.print(memory().put("tag", tag));
                break;
            case "setPayload":
                membership.setPayload(command.bytes("hex"));
                output.print(done(name, tag));
                break;
            case "setDomain":
                membership.setDomain(command.bytes("hex"));
                output.print(done(name, tag));
                break;
            case "stop":
                stop(tag);
                break;
            case "rpcChannel":
                openRpcChannel(command);
                output.print(done(name, tag));
                break;
            case "send":
            case "sendSequence":
            case "rpc":
            case "benchEncode":
            case "benchDecode":
                worker.execute(() -> work(name, command, tag));
                break;
            default:
                throw new IllegalArgumentException("Unknown command " + name);
        }
    }

    private void work(String name, Fields command, Object tag) {
        try {
            switch (name) {
                case "send":
                    send(command, tag);
                    break;
                case "sendSequence":
                    sendSequence(command, tag);
                    break;
                case "rpc":
                    callRpc(command, tag);
                    break;
                case "benchEncode":
                    output.print(Bench.encode(command).put("tag", tag));
                    break;
                default:
                    output.print(Bench.decode(command).put("tag", tag));
            }
        } catch (NoMembers problem) {
            output.print(error(problem.code, problem, tag));
        } catch (ChannelException problem) {
            output.print(failure(problem, tag));
        } catch (Exception problem) {
            output.print(error("bad-command", problem, tag));
        }
    }

    private void stop(Object tag) {
        int status = 0;
        try {
            channel.stop(startOptions);
            output.print(event("stopped").put("tag", tag));
        } catch (ChannelException problem) {
            output.print(error("stop", problem, tag));
            status = 1;
        }
        System.exit(status);
    }

    private void send(Fields command, Object tag) throws Exception {
        byte[] body = null;
        Serializable object = null;
        if (command.has("object")) object = (Serializable) command.get("object");
        else if (command.has("hex")) body = command.bytes("hex");
        else if (command.has("text")) body = command.text("text", "").getBytes(StandardCharsets.UTF_8);
        else if (command.has("size")) body = pattern(command.integer("size", 0));
        else throw new IllegalArgumentException("send needs text, hex, size or object");

        Member[] destination = destination(command);
        int options = command.integer("options", Channel.SEND_OPTIONS_USE_ACK);
        int count = command.integer("count", 1);
        int threads = command.integer("threads", 1);
        boolean completion = command.flag("completion", false);
        byte[] sent = body;
        Serializable value = object;
        Tally tally = new Tally();
        ErrorHandler handler = new AsyncHandler(tag, completion);
        long begin = System.nanoTime();
        parallel(threads, count, index -> {
            Serializable message = sent == null ? value : new ByteMessage(sent);
            try {
                boolean async = (options & Channel.SEND_OPTIONS_ASYNCHRONOUS) != 0;
                UniqueId id = channel.send(destination, message, options, async ? handler : null);
                tally.sent(id.getBytes(), recorder.lastOptions.get());
            } catch (ChannelException problem) {
                tally.failed(problem);
            }
        });
        double milliseconds = (System.nanoTime() - begin) / 1e6;
        Json.Object result = tally.failures == 0 ? event("sent") : failure(tally.problem, tag).put("failed", tally.failures);
        byte[] bytes = body == null ? XByteBuffer.serialize(object) : body;
        output.print(result
                .put("count", tally.successes)
                .put("uniqueId", hex(tally.lastId))
                .put("options", tally.options == null ? options : tally.options)
                .put("destinations", destination.length)
                .put("bytes", bytes.length)
                .put("sha256", hex(sha256().digest(bytes)))
                .put("milliseconds", milliseconds)
                .put("tag", tag));
    }

    private void sendSequence(Fields command, Object tag) throws Exception {
        int count = command.integer("count", 1);
        int start = command.integer("start", 0);
        int size = Math.max(4, command.integer("size", 64));
        int options = command.integer("options", Channel.SEND_OPTIONS_USE_ACK);
        int threads = command.integer("threads", 1);
        boolean latency = command.flag("latency", false);
        Member[] destination = destination(command);
        long[] nanos = new long[latency ? count : 0];
        ThreadLocal<byte[]> bodies = ThreadLocal.withInitial(() -> pattern(size));
        Tally tally = new Tally();
        long begin = System.nanoTime();
        parallel(threads, count, index -> {
            // The channel copies the body before send returns, so one array serves every message of a thread.
            byte[] body = bodies.get();
            XByteBuffer.toBytes(start + index, body, 0);
            long from = latency ? System.nanoTime() : 0;
            try {
                channel.send(destination, new ByteMessage(body), options);
            } catch (ChannelException problem) {
                tally.failed(problem);
            }
            if (latency) nanos[index] = System.nanoTime() - from;
        });
        double milliseconds = (System.nanoTime() - begin) / 1e6;
        Json.Object result = event("sentSequence")
                .put("count", count)
                .put("failed", tally.failures)
                .put("bytes", size)
                .put("options", options)
                .put("milliseconds", milliseconds)
                .put("perSecond", count / (milliseconds / 1e3));
        if (tally.problem != null) result.put("cause", cause(tally.problem));
        if (latency && count > 0) {
            Arrays.sort(nanos);
            result.put("p50Micros", nanos[count / 2] / 1e3).put("p99Micros", nanos[(int) (count * 0.99)] / 1e3);
        }
        output.print(result.put("tag", tag));
    }

    /** All members, or those of `to`; with `direct` members are made up from the addresses. */
    private Member[] destination(Fields command) throws Exception {
        Object to = command.get("to");
        Member[] known = channel.getMembers();
        if (to == null || to.equals("all")) {
            if (known.length == 0) throw new NoMembers("no-members", "There is no other member");
            return known;
        }
        Set<Member> chosen = new LinkedHashSet<>();
        for (Object each : to instanceof List ? (List<?>) to : Arrays.asList(to)) {
            String text = (String) each;
            if (command.flag("direct", false)) {
                chosen.add(staticMember(text));
                continue;
            }
            int colon = text.lastIndexOf(':');
            byte[] host = InetAddress.getByName(text.substring(0, colon)).getAddress();
            int port = Integer.parseInt(text.substring(colon + 1));
            Member newest = null;
            for (Member member : known) {
                if (member.getPort() != port || !Arrays.equals(member.getHost(), host)) continue;
                if (newest == null || member.getMemberAliveTime() < newest.getMemberAliveTime()) newest = member;
            }
            if (newest == null) throw new NoMembers("unknown-member", "No member at " + text);
            chosen.add(newest);
        }
        return chosen.toArray(new Member[0]);
    }

    private interface Step {
        void run(int index) throws Exception;
    }

    /** Runs the indexes 0 to count - 1, in order on one thread or shared out over several. */
    private static void parallel(int threads, int count, Step step) throws Exception {
        if (threads <= 1) {
            for (int index = 0; index < count; index++) step.run(index);
            return;
        }
        AtomicLong next = new AtomicLong();
        List<Thread> running = new ArrayList<>();
        List<Exception> problems = new ArrayList<>();
        for (int n = 0; n < threads; n++) {
            Thread thread = new Thread(() -> {
                try {
                    for (long index = next.getAndIncrement(); index < count; index = next.getAndIncrement()) {
                        step.run((int) index);
                    }
                } catch (Exception problem) {
                    synchronized (problems) {
                        problems.add(problem);
                    }
                }
            });
            running.add(thread);
            thread.start();
        }
        for (Thread thread : running) thread.join();
        if (!problems.isEmpty()) throw problems.get(0);
    }

    private static Json.Object memory() throws IOException {
        Runtime runtime = Runtime.getRuntime();
        for (int n = 0; n < 3; n++) System.gc();
        long rss = -1;
        Path status = Paths.get("/proc/self/status");
        if (Files.isReadable(status)) {
            for (String line : Files.readAllLines(status)) {
                if (line.startsWith("VmRSS:")) rss = Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
            }
        }
        return event("memory")
                .put("usedHeap", runtime.totalMemory() - runtime.freeMemory())
                .put("totalHeap", runtime.totalMemory())
                .put("rss", rss);
    }

    private static final class NoMembers extends Exception {
        private static final long serialVersionUID = 1L;
        final String code;

        NoMembers(String code, String message) {
            super(message);
            this.code = code;
        }
    }

    private static final class Tally {
        int successes;
        int failures;
        byte[] lastId;
        Integer options;
        ChannelException problem;

        synchronized void sent(byte[] id, Integer wireOptions) {
            successes++;
            lastId = id;
            if (wireOptions != null) options = wireOptions;
        }

        synchronized void failed(ChannelException thrown) {
            failures++;
            if (problem == null) problem = thrown;
        }
    }

    private final class AsyncHandler implements ErrorHandler {
        private final Object tag;
        private final boolean completion;

        AsyncHandler(Object tag, boolean completion) {
            this.tag = tag;
            this.completion = completion;
        }

        @Override
        public void handleError(ChannelException problem, UniqueId id) {
            output.print(failure(problem, tag).put("async", true).put("uniqueId", hex(id.getBytes())).put("tag", tag));
        }

        @Override
        public void handleCompletion(UniqueId id) {
            if (completion) output.print(event("completed").put("uniqueId", hex(id.getBytes())).put("tag", tag));
        }
    }

    // ---- What arrives ----

    /** The top of the stack: keeps what the listener is not shown, and reports what no listener took. */
    private final class Recorder extends ChannelInterceptorBase {
        final ThreadLocal<ChannelMessage> current = new ThreadLocal<>();
        final ThreadLocal<Integer> lastOptions = new ThreadLocal<>();

        @Override
        public void sendMessage(Member[] destination, ChannelMessage message, InterceptorPayload payload)
                throws ChannelException {
            lastOptions.set(message.getOptions());
            super.sendMessage(destination, message, payload);
        }

        @Override
        public void messageReceived(ChannelMessage message) {
            current.set(message);
            try {
                super.messageReceived(message);
                // The listener clears the message it takes; left are unreadable and unaccepted ones.
                if (current.get() != null) output.print(received("dropped", message, message.getAddress()));
            } finally {
                current.remove();
            }
        }
    }

    private final class Listener implements ChannelListener, MembershipListener {
        volatile Sequence sequence;
        private volatile String mode = "ok";
        private volatile int every = 1;
        private volatile int milliseconds;
        private volatile boolean accept = true;
        private final AtomicLong seen = new AtomicLong();

        void configure(Fields command) {
            String wanted = command.text("mode", "ok");
            if (!Arrays.asList("ok", "throw", "runtime", "slow").contains(wanted)) {
                throw new IllegalArgumentException("Unknown mode " + wanted);
            }
            seen.set(0);
            every = Math.max(1, command.integer("every", 1));
            milliseconds = command.integer("milliseconds", 0);
            accept = command.flag("accept", true);
            mode = wanted;
        }

        void expect(Sequence wanted) {
            sequence = wanted;
        }

        @Override
        public boolean accept(Serializable message, Member sender) {
            return accept;
        }

        @Override
        public void messageReceived(Serializable message, Member sender) {
            ChannelMessage envelope = recorder.current.get();
            recorder.current.remove();
            Sequence counting = sequence;
            if (counting != null) counting.add(message, sender);
            if (mode.equals("ok")) {
                if (counting == null) show(message, sender, envelope, false);
                return;
            }
            boolean fails = !mode.equals("slow") && seen.incrementAndGet() % every == 0;
            if (counting == null) show(message, sender, envelope, fails);
            if (fails && mode.equals("throw")) throw new RemoteProcessException("The listener was told to throw");
            if (fails) throw new IllegalStateException("The listener was told to throw");
            if (mode.equals("slow")) pause(milliseconds);
        }

        private void show(Serializable message, Member sender, ChannelMessage envelope, boolean fails) {
            Json.Object shown = received("message", envelope, sender);
            if (message instanceof ByteMessage) {
                byte[] body = ((ByteMessage) message).getMessage();
                if (envelope == null) describe(shown, body);
                String text = body.length > SHOWN_TEXT ? null : utf8(body);
                if (text != null) shown.put("text", text);
            } else if (message != null) {
                shown.put("javaClass", message.getClass().getName());
                shown.put("value", Json.isPlain(message) ? message : String.valueOf(message));
            }
            if (fails) shown.put("threw", true);
            output.print(shown);
        }

        @Override
        public void memberAdded(Member member) {
            output.print(event("memberAdded").put("member", member(member)));
        }

        @Override
        public void memberDisappeared(Member member) {
            output.print(event("memberDisappeared").put("member", member(member)));
        }
    }

    private static void pause(int milliseconds) {
        try {
            Thread.sleep(milliseconds);
        } catch (InterruptedException stopping) {
            Thread.currentThread().interrupt();
        }
    }

    private static Json.Object received(String name, ChannelMessage envelope, Member sender) {
        Json.Object shown = event(name).put("from", member(sender));
        if (envelope == null) return shown;
        shown.put("uniqueId", hex(envelope.getUniqueId()))
                .put("options", envelope.getOptions())
                .put("timestamp", Long.toString(envelope.getTimestamp()));
        return describe(shown, envelope.getMessage().getBytes());
    }

    private static Json.Object describe(Json.Object shown, byte[] body) {
        return shown.put("bytes", body.length)
                .put("sha256", hex(sha256().digest(body)))
                .put("hex", hex(body.length > SHOWN_BYTES ? Arrays.copyOf(body, SHOWN_BYTES) : body));
    }

    /** Counts messages instead of printing them; the first four bytes of a body are its sequence number. */
    private final class Sequence {
        private final int expected;
        private final boolean track;
        private final MessageDigest digest;
        private final Object tag;
        private final AtomicLong count = new AtomicLong();
        private final AtomicLong bytes = new AtomicLong();
        private volatile long firstNanos;
        private volatile long lastNanos;
        private final Map<Member, Track> tracks = new LinkedHashMap<>();

        Sequence(Fields command, Object tag) {
            this.expected = command.integer("count", 0);
            this.track = command.flag("track", true);
            this.digest = command.flag("digest", false) ? sha256() : null;
            this.tag = tag;
        }

        void add(Serializable message, Member sender) {
            byte[] body = message instanceof ByteMessage ? ((ByteMessage) message).getMessage() : new byte[0];
            bytes.addAndGet(body.length);
            if (track) {
                synchronized (this) {
                    if (digest != null) digest.update(body);
                    if (body.length >= 4) tracks.computeIfAbsent(sender, ignored -> new Track()).add(XByteBuffer.toInt(body, 0));
                    lastNanos = System.nanoTime();
                }
            }
            long reached = count.incrementAndGet();
            if (reached == 1) firstNanos = System.nanoTime();
            if (reached == expected) {
                lastNanos = System.nanoTime();
                output.print(report("expected", tag));
            }
        }

        synchronized Json.Object report(String name, Object answered) {
            long distinct = 0;
            long inversions = 0;
            long duplicates = 0;
            long missing = 0;
            for (Track each : tracks.values()) {
                distinct += each.seen.cardinality();
                inversions += each.inversions;
                duplicates += each.duplicates;
                missing += each.seen.length() - each.seen.cardinality();
            }
            if (tracks.size() <= 1 && expected > 0) missing = Math.max(missing, expected - distinct);
            Json.Object report = event(name)
                    .put("count", count.get())
                    .put("bytes", bytes.get())
                    .put("firstNanos", Long.toString(firstNanos))
                    .put("lastNanos", Long.toString(lastNanos))
                    .put("milliseconds", (lastNanos - firstNanos) / 1e6);
            if (track) {
                report.put("senders", tracks.size())
                        .put("inversions", inversions)
                        .put("duplicates", duplicates)
                        .put("missing", missing);
            }
            if (digest != null) report.put("sha256", hex(copy(digest).digest()));
            return report.put("tag", answered);
        }
    }

    private static final class Track {
        final BitSet seen = new BitSet();
        long inversions;
        long duplicates;
        private int previous = -1;

        void add(int number) {
            if (number < 0) throw new IllegalStateException("Sequence number " + number);
            if (number < previous) inversions++;
            previous = number;
            if (seen.get(number)) duplicates++;
            seen.set(number);
        }
    }

    // ---- Benches of the codec ----

    private static final class Bench {
        private static final int SLICES = 7;
        private static final int READ = 65_536;

        /** Consumed results, so that the compiler cannot drop the work. */
        static volatile long sink;

        static Json.Object encode(Fields command) throws Exception {
            int size = command.integer("size", 64);
            ChannelData data = sample(size);
            int run = Math.max(1, 1_000_000 / (size + 200));
            return measure("benchEncode", size, command, run, () -> {
                long total = 0;
                for (int n = 0; n < run; n++) {
                    data.setTimestamp(n);
                    byte[] frame = XByteBuffer.createDataPackage(data);
                    total += frame[frame.length / 2];
                }
                sink = total;
            });
        }

        /** What NioReplicationTask and GroupChannel do with what a socket gave. */
        static Json.Object decode(Fields command) throws Exception {
            int size = command.integer("size", 64);
            byte[] frame = XByteBuffer.createDataPackage(sample(size));
            int frames = Math.max(4, 4_194_304 / frame.length);
            List<ByteBuffer> reads = new ArrayList<>();
            long length = (long) frame.length * frames;
            for (long from = 0; from < length; from += READ) {
                int count = (int) Math.min(READ, length - from);
                ByteBuffer read = ByteBuffer.allocateDirect(READ);
                for (int n = 0; n < count; n++) read.put(frame[(int) ((from + n) % frame.length)]);
                read.flip();
                reads.add(read);
            }
            ObjectReader reader = new ObjectReader(READ);
            return measure("benchDecode", size, command, frames, () -> {
                long decoded = 0;
                for (ByteBuffer read : reads) {
                    read.rewind();
                    reader.append(read, read.remaining(), false);
                    if (!reader.hasPackage()) continue;
                    for (ChannelMessage message : reader.execute()) {
                        sink += new ByteMessage(message.getMessage().getBytes()).getMessage().length;
                        BufferPool.getBufferPool().returnBuffer(message.getMessage());
                        message.setMessage(null);
                        decoded++;
                    }
                }
                if (decoded != frames) throw new IllegalStateException(decoded + " frames of " + frames);
            });
        }

        private static ChannelData sample(int size) throws IOException {
            MemberImpl address = new MemberImpl("127.0.0.1", 4000, 1000);
            byte[] uniqueId = pattern(16);
            address.setUniqueId(uniqueId);
            ChannelData data = new ChannelData(true);
            data.setOptions(Channel.SEND_OPTIONS_BYTE_MESSAGE | Channel.SEND_OPTIONS_USE_ACK);
            data.setTimestamp(System.currentTimeMillis());
            data.setAddress(address);
            XByteBuffer message = new XByteBuffer(size, false);
            message.append(pattern(size), 0, size);
            data.setMessage(message);
            return data;
        }

        private static Json.Object measure(String name, int size, Fields command, int perRun, Runnable run) {
            double seconds = Math.max(0.1, command.number("seconds", 2));
            timed(run, perRun, seconds / 2);
            double[] slices = new double[SLICES];
            for (int n = 0; n < SLICES; n++) slices[n] = timed(run, perRun, seconds / SLICES);
            Arrays.sort(slices);
            double median = slices[SLICES / 2];
            return event(name)
                    .put("size", size)
                    .put("nsPerOp", median)
                    .put("minNsPerOp", slices[0])
                    .put("maxNsPerOp", slices[SLICES - 1])
                    .put("perSecond", 1e9 / median)
                    .put("megabytesPerSecond", size * 1e3 / median);
        }

        private static double timed(Runnable run, int perRun, double seconds) {
            long begin = System.nanoTime();
            long end = begin + (long) (seconds * 1e9);
            long operations = 0;
            long now;
            do {
                run.run();
                operations += perRun;
                now = System.nanoTime();
            } while (now < end);
            return (double) (now - begin) / operations;
        }
    }

    // ---- Remote calls ----

    private void openRpcChannel(Fields command) {
        String id = command.text("id", "rpc");
        String mode = command.text("mode", "echo");
        int milliseconds = command.integer("milliseconds", 0);
        RpcCallback callback = new RpcCallback() {
            @Override
            public Serializable replyRequest(Serializable message, Member sender) {
                output.print(told("rpcRequest", id, message, sender));
                pause(milliseconds);
                if (mode.equals("throw")) throw new IllegalStateException("The callback was told to throw");
                return mode.equals("null") ? null : message;
            }

            @Override
            public void leftOver(Serializable message, Member sender) {
                output.print(told("leftOver", id, message, sender));
            }
        };
        RpcChannel before = rpcChannels.remove(id);
        if (before != null) before.breakdown();
        if (mode.equals("closed")) return;
        RpcChannel opened = new RpcChannel(id.getBytes(StandardCharsets.ISO_8859_1), channel, callback);
        opened.setReplyMessageOptions(command.integer("replyOptions", 0));
        rpcChannels.put(id, opened);
    }

    private void callRpc(Fields command, Object tag) throws Exception {
        String id = command.text("id", "rpc");
        Serializable message = command.has("hex") ? new ByteMessage(command.bytes("hex")) : (Serializable) command.get("object");
        long begin = System.nanoTime();
        Response[] responses = rpcChannels.get(id).send(destination(command), message, command.integer("reply", RpcChannel.ALL_REPLY),
                command.integer("options", Channel.SEND_OPTIONS_USE_ACK), command.integer("timeout", 3000));
        double milliseconds = (System.nanoTime() - begin) / 1e6;
        List<Object> replies = new ArrayList<>();
        for (Response each : responses) replies.add(told("reply", id, each.getMessage(), each.getSource()));
        output.print(event("replies").put("replies", replies).put("milliseconds", milliseconds).put("tag", tag));
    }

    private static Json.Object told(String name, String id, Serializable message, Member sender) {
        Json.Object shown = event(name).put("id", id).put("from", member(sender));
        shown.put("javaClass", message == null ? null : message.getClass().getName());
        if (message instanceof ByteMessage) return shown.put("hex", hex(((ByteMessage) message).getMessage()));
        return shown.put("value", Json.isPlain(message) ? message : String.valueOf(message));
    }

    // ---- Coordinators ----

    /** A coordinator that tells of its views, if the entry names one. */
    private ChannelInterceptor coordinator(String entry) {
        if (entry.equals("NonBlockingCoordinator")) {
            NonBlockingCoordinator told = new NonBlockingCoordinator() {
                @Override
                public void fireInterceptorEvent(InterceptorEvent event) {
                    super.fireInterceptorEvent(event);
                    if (event.getEventType() == CoordinationEvent.EVT_CONF_RX) output.print(views.get());
                }
            };
            views = () -> view(told.getCoordinator(), told.getView());
            return told;
        }
        if (entry.equals("SimpleCoordinator")) {
            SimpleCoordinator told = new SimpleCoordinator() {
                @Override
                protected void viewChange(Member[] view) {
                    super.viewChange(view);
                    output.print(view(view.length == 0 ? null : view[0], view));
                }
            };
            views = () -> view(told.getCoordinator(), told.getView());
            return told;
        }
        return null;
    }

    private static Json.Object view(Member coordinator, Member[] view) {
        List<Object> members = new ArrayList<>();
        if (view != null) {
            for (Member each : view) members.add(member(each));
        }
        return event("coordinator")
                .put("coordinator", coordinator == null ? null : member(coordinator))
                .put("view", members);
    }

    // ---- Events ----

    private static Json.Object event(String name) {
        return new Json.Object().put("event", name).put("time", System.currentTimeMillis());
    }

    private static Json.Object done(String command, Object tag) {
        return event("done").put("command", command).put("tag", tag);
    }

    private static Json.Object error(String code, Throwable problem, Object tag) {
        return event("error").put("code", code).put("message", String.valueOf(problem)).put("tag", tag);
    }

    private static Json.Object failure(ChannelException problem, Object tag) {
        List<Object> faulty = new ArrayList<>();
        for (ChannelException.FaultyMember each : problem.getFaultyMembers()) {
            faulty.add(new Json.Object()
                    .put("member", member(each.getMember()))
                    .put("cause", each.getCause() == null ? null : each.getCause().getClass().getName())
                    .put("message", each.getCause() == null ? null : each.getCause().getMessage()));
        }
        return event("sendFailed")
                .put("cause", cause(problem))
                .put("message", String.valueOf(problem.getMessage()))
                .put("faultyMembers", faulty)
                .put("tag", tag);
    }

    /** The class of the first faulty member's cause, else of the exception's own innermost one. */
    private static String cause(ChannelException problem) {
        ChannelException.FaultyMember[] faulty = problem.getFaultyMembers();
        if (faulty.length > 0 && faulty[0].getCause() != null) return faulty[0].getCause().getClass().getName();
        Throwable innermost = problem;
        while (innermost.getCause() != null) innermost = innermost.getCause();
        return innermost.getClass().getName();
    }

    private static Json.Object member(Member member) {
        return new Json.Object()
                .put("host", hex(member.getHost()))
                .put("port", member.getPort())
                .put("securePort", member.getSecurePort())
                .put("udpPort", member.getUdpPort())
                .put("aliveTime", Long.toString(member.getMemberAliveTime()))
                .put("uniqueId", hex(member.getUniqueId()))
                .put("domain", hex(member.getDomain()))
                .put("command", hex(member.getCommand()))
                .put("payload", hex(member.getPayload()));
    }

    private static byte[] pattern(int size) {
        byte[] bytes = new byte[size];
        for (int n = 0; n < size; n++) bytes[n] = (byte) n;
        return bytes;
    }

    private static String hex(byte[] bytes) {
        if (bytes == null) return "";
        StringBuilder text = new StringBuilder(bytes.length * 2);
        for (byte each : bytes) text.append(Character.forDigit(each >> 4 & 15, 16)).append(Character.forDigit(each & 15, 16));
        return text.toString();
    }

    private static byte[] unhex(String text) {
        if (text.length() % 2 != 0) throw new IllegalArgumentException("Odd number of hex digits");
        byte[] bytes = new byte[text.length() / 2];
        for (int n = 0; n < bytes.length; n++) bytes[n] = (byte) Integer.parseInt(text.substring(2 * n, 2 * n + 2), 16);
        return bytes;
    }

    private static String utf8(byte[] bytes) {
        try {
            CharBuffer text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes));
            return text.toString();
        } catch (CharacterCodingException binary) {
            return null;
        }
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    private static MessageDigest copy(MessageDigest digest) {
        try {
            return (MessageDigest) digest.clone();
        } catch (CloneNotSupportedException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    // ---- JSON ----

    /** One line an event, flushed, never mixed with another thread's. */
    private static final class Output {
        private final Writer writer = new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8));

        synchronized void print(Json.Object event) {
            try {
                writer.write(event.toString());
                writer.write('\n');
                writer.flush();
            } catch (IOException readerGone) {
                // Nobody is left to tell: the channel goes on until stdin ends.
            }
        }
    }

    /** The fields of a command, with defaults. */
    private static final class Fields {
        private final Map<?, ?> fields;

        Fields(Object parsed) {
            if (!(parsed instanceof Map)) throw new IllegalArgumentException("A command is a JSON object");
            fields = (Map<?, ?>) parsed;
        }

        boolean has(String name) {
            return fields.containsKey(name);
        }

        Object get(String name) {
            return fields.get(name);
        }

        String text(String name, String otherwise) {
            return has(name) ? (String) get(name) : otherwise;
        }

        byte[] bytes(String name) {
            return unhex(text(name, ""));
        }

        int integer(String name, int otherwise) {
            return has(name) ? ((Number) get(name)).intValue() : otherwise;
        }

        double number(String name, double otherwise) {
            return has(name) ? ((Number) get(name)).doubleValue() : otherwise;
        }

        boolean flag(String name, boolean otherwise) {
            return has(name) ? (Boolean) get(name) : otherwise;
        }
    }

    /** Enough JSON for this program: reads Map, List, String, Integer, Long, Double, Boolean, null; writes the same. */
    private static final class Json {
        private final String text;
        private int at;

        private Json(String text) {
            this.text = text;
        }

        static java.lang.Object parse(String text) {
            Json json = new Json(text);
            java.lang.Object value = json.value();
            json.space();
            if (json.at < text.length()) throw json.unexpected();
            return value;
        }

        static boolean isPlain(java.lang.Object value) {
            if (value instanceof List) return ((List<?>) value).stream().allMatch(Json::isPlain);
            if (value instanceof Map) {
                return ((Map<?, ?>) value).entrySet().stream()
                        .allMatch(entry -> entry.getKey() instanceof String && isPlain(entry.getValue()));
            }
            if (value instanceof Double) return Double.isFinite((Double) value);
            return value == null || value instanceof String || value instanceof Boolean || value instanceof Integer;
        }

        private java.lang.Object value() {
            space();
            if (at >= text.length()) throw unexpected();
            char first = text.charAt(at);
            if (first == '{') return object();
            if (first == '[') return list();
            if (first == '"') return string();
            int begin = at;
            while (at < text.length() && ",]} \t".indexOf(text.charAt(at)) < 0) at++;
            String word = text.substring(begin, at);
            if (word.equals("null")) return null;
            if (word.equals("true") || word.equals("false")) return Boolean.valueOf(word);
            if (!word.matches("-?[0-9]+")) return Double.valueOf(word);
            long number = Long.parseLong(word);
            if (number == (int) number) return (int) number;
            return number;
        }

        private Map<String, java.lang.Object> object() {
            Map<String, java.lang.Object> fields = new LinkedHashMap<>();
            at++;
            space();
            if (skip('}')) return fields;
            do {
                space();
                String key = string();
                space();
                if (!skip(':')) throw unexpected();
                fields.put(key, value());
                space();
            } while (skip(','));
            if (!skip('}')) throw unexpected();
            return fields;
        }

        private List<java.lang.Object> list() {
            List<java.lang.Object> items = new ArrayList<>();
            at++;
            space();
            if (skip(']')) return items;
            do {
                items.add(value());
                space();
            } while (skip(','));
            if (!skip(']')) throw unexpected();
            return items;
        }

        private String string() {
            if (!skip('"')) throw unexpected();
            StringBuilder result = new StringBuilder();
            while (at < text.length() && text.charAt(at) != '"') {
                char each = text.charAt(at++);
                if (each != '\\') {
                    result.append(each);
                    continue;
                }
                if (at >= text.length()) throw unexpected();
                char escape = text.charAt(at++);
                int index = "bfnrt".indexOf(escape);
                if (escape == 'u') {
                    result.append((char) Integer.parseInt(text.substring(at, at + 4), 16));
                    at += 4;
                } else {
                    result.append(index >= 0 ? "\b\f\n\r\t".charAt(index) : escape);
                }
            }
            if (!skip('"')) throw unexpected();
            return result.toString();
        }

        private boolean skip(char wanted) {
            if (at >= text.length() || text.charAt(at) != wanted) return false;
            at++;
            return true;
        }

        private void space() {
            while (at < text.length() && Character.isWhitespace(text.charAt(at))) at++;
        }

        private IllegalArgumentException unexpected() {
            return new IllegalArgumentException("Not JSON at character " + at);
        }

        private static void write(StringBuilder out, java.lang.Object value) {
            if (value instanceof Object) {
                write(out, ((Object) value).fields);
            } else if (value instanceof Map) {
                String separator = "{";
                for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
                    out.append(separator);
                    quote(out, (String) entry.getKey());
                    out.append(':');
                    write(out, entry.getValue());
                    separator = ",";
                }
                out.append(((Map<?, ?>) value).isEmpty() ? "{}" : "}");
            } else if (value instanceof List) {
                String separator = "[";
                for (java.lang.Object item : (List<?>) value) {
                    out.append(separator);
                    write(out, item);
                    separator = ",";
                }
                out.append(((List<?>) value).isEmpty() ? "[]" : "]");
            } else if (value instanceof Number || value instanceof Boolean || value == null) {
                out.append(value);
            } else {
                quote(out, value.toString());
            }
        }

        private static void quote(StringBuilder out, String text) {
            out.append('"');
            for (int n = 0; n < text.length(); n++) {
                char each = text.charAt(n);
                if (each == '"' || each == '\\') out.append('\\').append(each);
                else if (each >= ' ' && each < 127) out.append(each);
                else out.append(String.format("\\u%04x", (int) each));
            }
            out.append('"');
        }

        /** An object under construction; a null tag is left out. */
        static final class Object {
            private final Map<String, java.lang.Object> fields = new LinkedHashMap<>();

            Object put(String name, java.lang.Object value) {
                if (value != null || !name.equals("tag")) fields.put(name, value);
                return this;
            }

            @Override
            public String toString() {
                StringBuilder out = new StringBuilder();
                write(out, fields);
                return out.toString();
            }
        }
    }
}
