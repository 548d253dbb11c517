//! Texts that are meant to harm: they end quickly, and no message repeats a secret.

use std::error::Error as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

#[test]
fn aliases_and_tags_are_refused() {
    let text = for_mysql(AFTER);
    for (from, to, problem) in [
        ("writer:\n", "writer: &a\n", "line 3: database.connections.writer has an anchor (&): remove it"),
        (
            "driver: mysql",
            "driver: !!str mysql",
            "line 4: database.connections.writer.driver has a tag (!): remove it",
        ),
        (
            "region: us-east-1",
            "region: us-east-1\n    reader: *w",
            "line 10: the text is not valid YAML: while parsing node, found unknown anchor",
        ),
        (
            "driver: mysql",
            "driver: mysql\n      driver: mysql",
            "line 5: database.connections.writer.driver is already on line 4: remove one of the two",
        ),
        (
            "driver: mysql",
            "? [a]\n      : b",
            "line 4: the text has a key that is not a name: write one, such as `writer:`",
        ),
        (
            "region: us-east-1\n",
            "region: us-east-1\n---\na: b\n",
            "line 10: the text begins a second document: keep one",
        ),
    ] {
        assert!(text.contains(from), "{from}");
        let found = problems(yaml(&text.replacen(from, to, 1)));
        assert_eq!(found, [problem]);
    }
    let merge = "database: &d\n  connections: *d\n";
    assert_eq!(
        problems(yaml(merge)),
        [
            "line 1: database has an anchor (&): remove it",
            "line 2: database.connections is an alias (*): write the value itself",
        ]
    );
}

#[test]
fn hostile_yaml_ends() {
    let n = 1024 * 1024 - 64;
    let nested: String = (0..400).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    let bomb: String = (1..30).map(|i| format!("a{i}: &a{i} [*a{0}, *a{0}, *a{0}]\n", i - 1)).collect();
    for (name, text) in [
        ("brackets", "[".repeat(n)),
        ("braces", "{a: ".repeat(n / 4)),
        ("nested", nested),
        ("bomb", format!("a0: &a0 x\n{bomb}")),
        ("long plain", format!("a: {}", "x".repeat(n))),
        ("long quoted", format!("a: \"{}\"", "\\x41".repeat(n / 4))),
        ("many keys", (0..n / 10).map(|i| format!("k{i}: 1\n")).collect()),
        ("same keys", "a: 1\n".repeat(n / 5)),
        ("question marks", "? ".repeat(n / 2)),
        ("dashes", "- ".repeat(n / 2)),
        ("anchors", (0..n / 14).map(|i| format!("- &a{i} x\n")).collect()),
        ("unclosed quote", format!("a: \"{}", "x\n".repeat(n / 2))),
        ("commas", format!("[{}", ",".repeat(n))),
        ("colons", format!("a{}", ":".repeat(n))),
        ("comments", format!("a: 1 {}", "#".repeat(n))),
        (
            "unknown keys",
            format!("database:\n{}", (0..n / 12).map(|i| format!("  k{i}: 1\n")).collect::<String>()),
        ),
        ("too long", " ".repeat(2 * n)),
        ("empty lines", "\n".repeat(n)),
        ("zero bytes", "\0".repeat(n)),
    ] {
        let started = Instant::now();
        let found = problems(yaml(&text));
        assert!((1..=100).contains(&found.len()), "{name}: {found:?}");
        assert!(started.elapsed() < Duration::from_secs(20), "{name}: {:?}", started.elapsed());
        assert!(found.iter().all(|problem| problem.len() < 300), "{name}: {found:?}");
    }
}

#[test]
fn hostile_toml_ends() {
    let n = 1024 * 1024 - 64;
    for (name, text) in [
        ("brackets", format!("a = {}", "[".repeat(n))),
        ("braces", format!("a = {}", "{a=".repeat(n / 3))),
        ("dots", format!("a{} = 1", ".a".repeat(n / 2))),
        ("tables", format!("[a{}]", ".a".repeat(n / 2))),
        ("many keys", (0..n / 12).map(|i| format!("k{i} = 1\n")).collect()),
        ("same keys", "a = 1\n".repeat(n / 6)),
        ("equals", "=".repeat(n)),
        ("lines", "a\n".repeat(n / 2)),
        ("quote", format!("a = \"{}", "x".repeat(n))),
        ("deep", "database.connections.a.b.c.d.e.f.g.h.i = 1".into()),
    ] {
        let started = Instant::now();
        let found = problems(toml(&text));
        assert!((1..=100).contains(&found.len()), "{name}: {found:?}");
        assert!(started.elapsed() < Duration::from_secs(20), "{name}: {:?}", started.elapsed());
        assert!(found.iter().all(|problem| problem.len() < 300), "{name}: {found:?}");
    }
}

/// The texts of an error and of its causes.
fn all_texts(error: &ConfigError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(" {error} {error:?}");
        source = error.source();
    }
    text
}

/// It can't be the name of a key, which messages repeat.
const SECRET: &str = "hunter+2";

proptest! {
    /// A password in any key, of any format, with a part of the text removed or replaced.
    #[test]
    fn no_message_repeats_a_dsn(
        before in "[a-z@:/?&= '\"{\\[]{0,6}",
        after in "[a-z@:/?&= '\"}\\]]{0,6}",
        key in 0..16_usize,
        cut in 0..400_usize,
        with in "[\"':{}\\[\\]\n=#&*!, -]{0,3}",
        in_toml in any::<bool>(),
    ) {
        let secret = format!("{before}{SECRET}{after}");
        let source = if in_toml { TOML.to_owned() } else { for_mysql(WRITER) };
        let mut lines: Vec<_> = source.lines().map(str::to_owned).collect();
        let line = key % lines.len();
        let (name, _) = lines[line].split_once([':', '=']).unwrap_or((&lines[line], ""));
        let separator = if in_toml { " = " } else { ": " };
        lines[line] = match key % 3 {
            0 => format!("{name}{separator}{secret}"),
            1 => format!("{name}{separator}\"mysql://app:{secret}@h.b.eu-west-1.rds.amazonaws.com/d\""),
            _ => format!("{name}{separator}'host=h user=u password={secret} dbname=d'"),
        };
        let mut text = lines.join("\n");
        let at = (0..=cut.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.insert_str(at, &with);
        let read = if in_toml { toml(&text) } else { yaml(&text) };
        match read {
            Ok(configuration) => {
                let shown = format!("{configuration:?}");
                // A database or a user may have any name.
                prop_assert!(key % 3 == 0 || before.contains('@') || after.contains('@') || !shown.contains(SECRET), "{}", shown);
            }
            Err(error) => prop_assert!(!all_texts(&error).contains(SECRET), "{}", error),
        }
    }
}

const TOML: &str = r#"[database]
default = "writer"
[database.connections.writer]
driver = "mysql"
dsn = "mysql://myapp_user:$TOKEN@h.b.eu-west-1.rds.amazonaws.com:5432/myappdb?sslmode=require"
max_open_connections = 25
connection_max_lifetime = "1h"
[database.connections.writer.aws_iam_auth]
enabled = true
region = "eu-west-1"
"#;
