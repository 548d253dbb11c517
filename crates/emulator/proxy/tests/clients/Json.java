// JSON, which Java's library lacks: as much as a scenario has.

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

final class Json {
    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    /** Returns maps, lists, texts, numbers, booleans and null. */
    static Object parse(String text) {
        return new Json(text).value();
    }

    static String text(Object value) {
        if (value instanceof Map<?, ?> map) {
            var fields = map.entrySet().stream().map(field -> text(field.getKey()) + ":" + text(field.getValue()));
            return fields.collect(Collectors.joining(",", "{", "}"));
        }
        if (value instanceof List<?> list) {
            return list.stream().map(Json::text).collect(Collectors.joining(",", "[", "]"));
        }
        if (!(value instanceof String string)) {
            return String.valueOf(value);
        }
        var quoted = new StringBuilder("\"");
        for (char c : string.toCharArray()) {
            boolean isPlain = c >= ' ' && c <= '~' && c != '"' && c != '\\';
            quoted.append(isPlain ? String.valueOf(c) : "\\u%04x".formatted((int) c));
        }
        return quoted.append('"').toString();
    }

    private Object value() {
        char first = peek();
        switch (first) {
            case '{' -> {
                var map = new LinkedHashMap<String, Object>();
                for (at++; peek() != '}'; skip(',')) {
                    var name = string();
                    skip(':');
                    map.put(name, value());
                }
                at++;
                return map;
            }
            case '[' -> {
                var list = new ArrayList<>();
                for (at++; peek() != ']'; skip(',')) {
                    list.add(value());
                }
                at++;
                return list;
            }
            case '"' -> {
                return string();
            }
            default -> {
                int from = at;
                while (Character.isLetterOrDigit(text.charAt(at)) || text.charAt(at) == '-') {
                    at++;
                }
                var word = text.substring(from, at);
                return switch (word) {
                    case "null" -> null;
                    case "true", "false" -> Boolean.valueOf(word);
                    default -> Integer.valueOf(word);
                };
            }
        }
    }

    private String string() {
        var string = new StringBuilder();
        peek();
        for (at++; text.charAt(at) != '"'; at++) {
            char c = text.charAt(at);
            if (c == '\\') {
                c = text.charAt(++at);
                if (c == 'u') {
                    c = (char) Integer.parseInt(text.substring(at + 1, at + 5), 16);
                    at += 4;
                } else {
                    int escape = "ntrbf".indexOf(c);
                    c = escape < 0 ? c : "\n\t\r\b\f".charAt(escape);
                }
            }
            string.append(c);
        }
        at++;
        return string.toString();
    }

    /** Returns the next character that is not white space. */
    private char peek() {
        while (Character.isWhitespace(text.charAt(at))) {
            at++;
        }
        return text.charAt(at);
    }

    private void skip(char separator) {
        if (peek() == separator) {
            at++;
        }
    }
}
