// Runs the steps in the file of the second argument with the driver of the first: mariadb-jdbc or pgjdbc. Prints one
// line of JSON per step: its name, and the results of its actions. main.rs describes both, and the variables.

import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.postgresql.PGConnection;

final class Client {
    private static final Map<String, String> ENV = System.getenv();
    private static final boolean VERIFIES = !ENV.get("SERVER_NAME").isEmpty();

    /** The fields of an action beside its verb. */
    private static final Set<String> OPTIONS = Set.of("params", "file", "running", "stop");

    private final boolean mysql;
    private Connection main;

    private Client(boolean mysql) throws Exception {
        this.mysql = mysql;
        main = connect();
    }

    public static void main(String[] arguments) throws Exception {
        if (VERIFIES) {
            // Java's own hosts file: the endpoint's name is in no DNS.
            var hosts = Files.createTempFile("hosts", null);
            hosts.toFile().deleteOnExit();
            Files.writeString(hosts, ENV.get("HOST") + " " + ENV.get("SERVER_NAME") + "\n");
            System.setProperty("jdk.net.hosts.file", hosts.toString());
        }
        var client = new Client(arguments[0].equals("mariadb-jdbc"));
        for (Object step : (List<?>) Json.parse(Files.readString(Path.of(arguments[1])))) {
            var results = new ArrayList<>();
            for (Object action : (List<?>) ((Map<?, ?>) step).get("do")) {
                results.add(client.act((Map<?, ?>) action));
            }
            var name = ((Map<?, ?>) step).get("step");
            System.out.println(Json.text(Map.of("step", name, "results", results)));
        }
    }

    private Connection connect() throws Exception {
        var host = VERIFIES ? ENV.get("SERVER_NAME") : ENV.get("HOST");
        var driver = mysql ? "mariadb" : "postgresql";
        var url = "jdbc:%s://%s:%s/%s".formatted(driver, host, ENV.get("PORT"), ENV.get("DATABASE"));
        var login = new Properties();
        login.setProperty("user", ENV.get("USER"));
        if (!ENV.get("TOKEN_FILE").isEmpty()) {
            login.setProperty("password", Files.readString(Path.of(ENV.get("TOKEN_FILE"))));
        }
        login.setProperty(mysql ? "sslMode" : "sslmode", VERIFIES ? "verify-full" : "disable");
        if (VERIFIES) {
            login.setProperty(mysql ? "serverSslCert" : "sslrootcert", ENV.get("CA_FILE"));
        }
        if (mysql) {
            login.setProperty("useServerPrepStmts", "true");
            login.setProperty("allowLocalInfile", "true");
        } else {
            // The first execution is prepared on the server too, in place of the fifth.
            login.setProperty("prepareThreshold", "1");
        }
        return DriverManager.getConnection(url, login);
    }

    private Object act(Map<?, ?> action) throws Exception {
        var verb = (String) action.keySet().stream().filter(key -> !OPTIONS.contains(key)).findFirst().orElseThrow();
        var sql = String.valueOf(action.get(verb));
        try {
            switch (verb) {
                case "query" -> { return query(main, sql, action); }
                case "execute", "load" -> { return execute(sql, action); }
                case "run" -> execute(sql, action);
                case "elsewhere" -> {
                    try (var other = connect()) {
                        return query(other, sql, action);
                    }
                }
                case "sleep" -> { return sleep(sql, action); }
                case "copy_in" -> {
                    try (var file = Files.newInputStream(Path.of((String) action.get("file")))) {
                        return main.unwrap(PGConnection.class).getCopyAPI().copyIn(sql, file);
                    }
                }
                case "copy_out" -> {
                    var copied = new StringWriter();
                    main.unwrap(PGConnection.class).getCopyAPI().copyOut(sql, copied);
                    return List.of(List.of(value(copied.toString())));
                }
                case "autocommit" -> main.setAutoCommit((Boolean) action.get(verb));
                case "begin" -> main.setAutoCommit(false);
                case "commit", "rollback" -> {
                    if (verb.equals("commit")) {
                        main.commit();
                    } else {
                        main.rollback();
                    }
                    main.setAutoCommit(true);
                }
                case "reconnect" -> {
                    main.close();
                    main = connect();
                }
                case "close" -> main.close();
                default -> throw new IllegalArgumentException(verb);
            }
            return null;
        } catch (SQLException error) {
            return Map.of("error", mysql ? String.valueOf(error.getErrorCode()) : error.getSQLState());
        }
    }

    /** Runs a long statement, and ends it once another connection finds it running. */
    private Object sleep(String sql, Map<?, ?> action) throws Exception {
        try (var statement = main.createStatement(); var other = connect(); var watching = other.createStatement()) {
            var ending = CompletableFuture.runAsync(() -> {
                try {
                    while (true) {
                        try (var rows = watching.executeQuery((String) action.get("running"))) {
                            if (rows.next()) {
                                if (action.get("stop") instanceof String stop) {
                                    watching.execute(stop.replace("{id}", rows.getString(1)));
                                } else {
                                    statement.cancel();
                                }
                                return;
                            }
                        }
                    }
                } catch (SQLException error) {
                    throw new IllegalStateException(error);
                }
            });
            try {
                return rows(statement.executeQuery(sql), new ArrayList<>());
            } finally {
                ending.get();
            }
        }
    }

    private static Object query(Connection connection, String sql, Map<?, ?> action) throws Exception {
        var rows = new ArrayList<List<String>>();
        if (!action.containsKey("params")) {
            try (Statement statement = connection.createStatement(); var found = statement.executeQuery(sql)) {
                rows(found, rows);
            }
            return report(rows);
        }
        try (var statement = connection.prepareStatement(sql)) {
            for (Object values : (List<?>) action.get("params")) {
                set(statement, (List<?>) values);
                try (var found = statement.executeQuery()) {
                    rows(found, rows);
                }
            }
        }
        return report(rows);
    }

    private Object execute(String sql, Map<?, ?> action) throws Exception {
        if (!action.containsKey("params")) {
            try (var statement = main.createStatement()) {
                return statement.executeUpdate(sql);
            }
        }
        int count = 0;
        try (var statement = main.prepareStatement(sql)) {
            for (Object values : (List<?>) action.get("params")) {
                set(statement, (List<?>) values);
                count += statement.executeUpdate();
            }
        }
        return count;
    }

    /** Sets parameters. Bytes and long texts have a form in the file. */
    private static void set(PreparedStatement statement, List<?> values) throws SQLException {
        for (int i = 0; i < values.size(); i++) {
            Object value = values.get(i);
            if (value instanceof Map<?, ?> form && form.get("hex") instanceof String digits) {
                value = HexFormat.of().parseHex(digits);
            } else if (value instanceof Map<?, ?> form && form.get("repeat") instanceof List<?> repeated) {
                value = ((String) repeated.get(0)).repeat((Integer) repeated.get(1));
            }
            statement.setObject(i + 1, value);
        }
    }

    private static List<List<String>> rows(ResultSet found, List<List<String>> rows) throws SQLException {
        while (found.next()) {
            var row = new ArrayList<String>();
            for (int i = 1; i <= found.getMetaData().getColumnCount(); i++) {
                Object value = found.getObject(i);
                boolean isText = !(value instanceof byte[]);
                row.add(isText ? value(found.getString(i)) : "hex:" + HexFormat.of().formatHex((byte[]) value));
            }
            rows.add(row);
        }
        return rows;
    }

    /** Returns a text as the runner compares it: with a digest for what is long. */
    private static String value(String text) {
        boolean isShort = text == null || text.length() <= 100;
        return isShort ? text : "sha256 %s of %d characters".formatted(digest(text), text.length());
    }

    private static Object report(List<List<String>> rows) {
        if (rows.size() <= 100) {
            return rows;
        }
        var text = String.join("\n", rows.stream().map(row -> String.join("\t", row)).toList());
        return List.of(List.of("sha256 %s of %d rows".formatted(digest(text), rows.size())));
    }

    private static String digest(String text) {
        try {
            var digest = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest);
        } catch (java.security.NoSuchAlgorithmException error) {
            throw new IllegalStateException(error);
        }
    }
}
