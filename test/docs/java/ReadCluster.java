import java.io.File;
import java.util.List;
import java.util.Map;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.apache.catalina.ha.ClusterRuleSet;
import org.apache.catalina.ha.tcp.SimpleTcpCluster;
import org.apache.catalina.tribes.ChannelInterceptor;
import org.apache.catalina.tribes.group.GroupChannel;
import org.apache.catalina.tribes.transport.AbstractSender;
import org.apache.catalina.tribes.transport.MultiPointSender;
import org.apache.catalina.tribes.transport.ReceiverBase;
import org.apache.catalina.tribes.transport.ReplicationTransmitter;
import org.apache.tomcat.util.digester.Digester;

/** Reads files whose root is a Cluster as Tomcat does, and prints what it logs and what it has read; starts nothing. */
public final class ReadCluster {
    public static void main(String[] files) throws Exception {
        Logger root = Logger.getLogger("");
        for (Handler handler : root.getHandlers()) {
            root.removeHandler(handler);
        }
        root.addHandler(new Handler() {
            @Override
            public void publish(LogRecord record) {
                if (record.getLevel().intValue() >= Level.WARNING.intValue()) {
                    System.out.println("logged=" + record.getMessage().replace('\n', ' '));
                }
            }

            @Override
            public void flush() {
            }

            @Override
            public void close() {
            }
        });
        for (String file : files) {
            System.out.println("file=" + new File(file).getName());
            try {
                print(read(new File(file)));
            } catch (Exception e) {
                System.out.println("failed=" + String.valueOf(e.getMessage()).replace('\n', ' '));
            }
        }
    }

    private static SimpleTcpCluster read(File file) throws Exception {
        Digester digester = new Digester();
        digester.setValidating(false);
        digester.setRulesValidation(true); // as Catalina does: what is not known is logged
        digester.setFakeAttributes(Map.of(Object.class, List.of("className")));
        digester.setUseContextClassLoader(true);
        digester.addObjectCreate("Cluster", null, "className");
        digester.addSetProperties("Cluster");
        digester.addRuleSet(new ClusterRuleSet("Cluster/"));
        return (SimpleTcpCluster) digester.parse(file);
    }

    private static void print(SimpleTcpCluster cluster) {
        System.out.println("channelSendOptions=" + cluster.getChannelSendOptions());
        System.out.println("channelStartOptions=" + cluster.getChannelStartOptions());
        if (!(cluster.getChannel() instanceof GroupChannel)) {
            return;
        }
        GroupChannel channel = (GroupChannel) cluster.getChannel();
        ReceiverBase receiver = (ReceiverBase) channel.getChannelReceiver();
        System.out.println("port=" + receiver.getPort());
        System.out.println("maxThreads=" + receiver.getMaxThreads());
        MultiPointSender sender = ((ReplicationTransmitter) channel.getChannelSender()).getTransport();
        System.out.println("throwOnFailedAck=" + ((AbstractSender) sender).getThrowOnFailedAck());
        channel.getInterceptors().forEachRemaining(interceptor -> {
            if (interceptor instanceof ChannelInterceptor) {
                System.out.println("interceptor=" + interceptor.getClass().getSimpleName());
            }
        });
    }
}
