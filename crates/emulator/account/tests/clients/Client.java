// pgjdbc: runs the statement of its argument and prints the first column. libpq's variables name the server; TLS verifies
// the name in PGHOST, and the address in PGHOSTADDR is dialled.

import java.nio.file.Files;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.Map;
import java.util.Properties;

final class Client {
    public static void main(String[] arguments) throws Exception {
        Map<String, String> env = System.getenv();
        // Java's own hosts file: the endpoint's name is in no DNS.
        var hosts = Files.createTempFile("hosts", null);
        hosts.toFile().deleteOnExit();
        Files.writeString(hosts, env.get("PGHOSTADDR") + " " + env.get("PGHOST") + "\n");
        System.setProperty("jdk.net.hosts.file", hosts.toString());

        var url = "jdbc:postgresql://%s:%s/%s".formatted(env.get("PGHOST"), env.get("PGPORT"), env.get("PGDATABASE"));
        var properties = new Properties();
        properties.setProperty("user", env.get("PGUSER"));
        properties.setProperty("password", env.get("PGPASSWORD"));
        properties.setProperty("sslmode", "verify-full");
        properties.setProperty("sslrootcert", env.get("PGSSLROOTCERT"));
        try (var connection = DriverManager.getConnection(url, properties);
                var statement = connection.createStatement()) {
            if (statement.execute(arguments[0])) {
                try (var rows = statement.getResultSet()) {
                    while (rows.next()) {
                        System.out.println(rows.getString(1));
                    }
                }
            }
        } catch (SQLException error) {
            System.err.println(error.getSQLState() + ": " + error.getMessage());
            System.exit(1);
        }
    }
}
