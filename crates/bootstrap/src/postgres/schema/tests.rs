//! Tests of the checks on schema statements.

use super::*;

fn refused(sql: &str) -> String {
    CreateTable::parse(sql).unwrap_err().to_string()
}

#[test]
fn statements_are_split_and_name_the_schema() {
    let sql = "-- first; not a statement\n create table if not exists A (x varchar(9) default ';' -- ;\n);;\n\
               CREATE /* /* ; */ */ TABLE IF NOT EXISTS \"b\"\";\" (y text DEFAULT 'it''s; \"') ; /* end; */";
    let tables = CreateTable::parse(sql).unwrap();
    let statements: Vec<_> = tables.iter().map(|table| table.sql("s\"x")).collect();
    assert_eq!(
        statements,
        [
            "CREATE TABLE IF NOT EXISTS \"s\"\"x\".\"a\" (x varchar(9) default ';' -- ;\n)",
            "CREATE TABLE IF NOT EXISTS \"s\"\"x\".\"b\"\";\" (y text DEFAULT 'it''s; \"')",
        ]
    );
    assert_eq!(CreateTable::parse("  -- nothing\n"), Ok(Vec::new()));
}

#[test]
fn columns_pass() {
    for definition in [
        "(id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, message text NOT NULL)",
        "(a text CHECK (a LIKE 'x%'), \"select\" int, \"like\" int, \"table\" int)",
        "(a int, b int GENERATED ALWAYS AS (a + 1) STORED, c text DEFAULT 'select * from pg_roles')",
        "(a int REFERENCES other (id), FOREIGN KEY (a) REFERENCES b (c) ON DELETE CASCADE)",
        "(at timestamptz NOT NULL DEFAULT now(), values int, partition int)",
        "(a int, EXCLUDE USING gist (a WITH =))",
        "(a int) PARTITION BY RANGE (a)",
        "(a int) WITH (fillfactor = 70)",
    ] {
        let parsed = CreateTable::parse(&format!("CREATE TABLE IF NOT EXISTS t {definition}"));
        assert!(parsed.is_ok(), "{definition}: {parsed:?}");
    }
}

#[test]
fn all_else_is_refused() {
    for definition in [
        "AS SELECT * FROM pg_roles",
        "AS TABLE other",
        "(a) AS SELECT 1",
        "(LIKE other INCLUDING ALL)",
        "(a int, LIKE other)",
        "(a int DEFAULT (SELECT 1))",
        "(a int CHECK (a IN (VALUES (1))))",
        "(a int CHECK ((TABLE other) = 1))",
        "PARTITION OF other FOR VALUES IN (1)",
        "OF a_type",
        "(a int) INHERITS (other)",
        "(a int) TABLESPACE elsewhere",
        "(a int) WITH (autovacuum_enabled = false)",
        "(a int) USING other",
        "(a int) PARTITION BY RANGE ((SELECT 1))",
        "(a int) PARTITION BY RANGE (a) TABLESPACE x",
        "(a int) ON COMMIT DROP",
        "(a int",
        "",
        ".t (a int)",
    ] {
        let sql = format!("CREATE TABLE IF NOT EXISTS t {definition}");
        assert!(CreateTable::parse(&sql).is_err(), "{definition}");
    }
    for sql in [
        "CREATE TABLE t (a int)",
        "CREATE TEMPORARY TABLE IF NOT EXISTS t (a int)",
        "DROP TABLE t",
        "CREATE TABLE IF NOT EXISTS t (a int); DROP TABLE t",
        "CREATE TABLE IF NOT EXISTS (a int)",
    ] {
        assert!(CreateTable::parse(sql).is_err(), "{sql}");
    }
}

#[test]
fn each_refusal_says_what_to_write() {
    let create = |rest: &str| refused(&format!("\nCREATE TABLE IF NOT EXISTS {rest}"));
    insta::assert_snapshot!(refused("DROP TABLE t"), @"line 1: the statement `DROP TABLE t …` is refused: only CREATE TABLE IF NOT EXISTS is allowed, because it runs each time; change tables by migrations");
    insta::assert_snapshot!(create("t (LIKE o)"), @"line 2: table t is made from a query or another table (LIKE), which could hold what its users may not read: write its columns between brackets");
    insta::assert_snapshot!(create("s.t (a int)"), @r#"line 2: the table's name begins with the schema "s": leave it out, tables are created in the schema of the key `schema.name`"#);
    insta::assert_snapshot!(create("t (a int) TABLESPACE x"), @"line 2: table t has the option TABLESPACE after its columns: only PARTITION BY and WITH (fillfactor = …) are allowed");
    insta::assert_snapshot!(create("t (a text DEFAULT E'\\n')"), @r#"line 2: "E" stands directly before a quote or a name, which gives that another meaning: put a space there, or write a plain text"#);
    insta::assert_snapshot!(create("t (a text DEFAULT '\\n')"), @"line 2: a text has a backslash, which escapes the next character on some servers: leave it out");
    insta::assert_snapshot!(create(&format!("{} (a int)", "x".repeat(64))), @r#"line 2: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" is not a name for a table: PostgreSQL allows 63 bytes"#);
}
