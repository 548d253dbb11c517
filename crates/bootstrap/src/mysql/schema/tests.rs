//! Tests of the checks on schema statements.

use super::*;

fn parsed(sql: &str) -> Vec<(String, String)> {
    CreateTable::parse(sql).unwrap().into_iter().map(|t| (t.table, t.definition)).collect()
}

#[test]
fn statements_are_split() {
    let sql = "-- first; not a statement\n create table if not exists a (x VARCHAR(9) DEFAULT ';' -- ;\n);;\n\
               # another;\nCREATE /* ; */ TABLE IF NOT EXISTS `b``;` (y TEXT COMMENT 'it''s \\n; \"') ; /* end; */";
    assert_eq!(
        parsed(sql),
        [
            ("a".into(), "(x VARCHAR(9) DEFAULT ';' -- ;\n)".into()),
            ("b`;".into(), "(y TEXT COMMENT 'it''s \\n; \"')".into()),
        ]
    );
    assert_eq!(parsed("  -- nothing\n"), []);
}

#[test]
fn the_statement_names_the_database() {
    let table = &CreateTable::parse("CREATE TABLE IF NOT EXISTS t(i INT)").unwrap()[0];
    assert_eq!(table.sql("d`b"), "CREATE TABLE IF NOT EXISTS `d``b`.`t` (i INT)");
}

#[test]
fn columns_and_options_pass() {
    for definition in [
        "(id INT) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='as select * from mysql.user'",
        "(a VARCHAR(9) DEFAULT 'select' COMMENT 'table', `select` INT, `like` INT)",
        "(`like` INT, a INT)",
        "(a INT, b INT AS (a + 1) STORED, c INT GENERATED ALWAYS AS (REPLACE(a, 1, 2)) VIRTUAL)",
        "(a TEXT, CHECK (a LIKE 'x%'), FULLTEXT KEY f (a) WITH PARSER ngram)",
        "(connection INT, data INT, directory INT, INDEX directory (directory), `union` INT)",
        "(a INT) PARTITION BY RANGE (a) (PARTITION p VALUES LESS THAN (10), PARTITION q VALUES LESS THAN MAXVALUE)",
        "(a INT) PARTITION BY LIST (a) (PARTITION p VALUES IN (1, 2) COMMENT = 'x')",
        "(connection INT) PARTITION BY KEY (connection) PARTITIONS 4",
        "(a DOUBLE DEFAULT 1e5, 2fa INT, b INT DEFAULT (1 -- a comment ) select\n))",
    ] {
        let sql = format!("CREATE TABLE IF NOT EXISTS t {definition}");
        assert_eq!(parsed(&sql), [("t".into(), definition.into())]);
    }
}

#[test]
fn a_table_is_made_from_columns_only() {
    let refused = |definition: &str| {
        CreateTable::parse(&format!("CREATE TABLE IF NOT EXISTS t {definition}")).unwrap_err()
    };
    insta::assert_snapshot!(refused("\nAS SELECT user u FROM mysql.user"), @"line 2: table t is made from a query or another table (AS), which could hold what its users may not read: write its columns between brackets, and nothing but options after them");
    insta::assert_snapshot!(refused("ENGINE=InnoDB"), @"line 1: table t has no definition: write its columns between brackets");
    insta::assert_snapshot!(refused("(i INT) ENGINE=FEDERATED\nConnection='mysql://u@h/d/t'"), @"line 2: table t has the option CONNECTION, which places its rows outside of the database: leave it out");
    for definition in [
        "SELECT 1",
        "LIKE mysql.user",
        "(LIKE mysql.user)",
        "( /* x */ like mysql.user)",
        "(SELECT user FROM mysql.user)",
        "((SELECT user FROM mysql.user))",
        "TABLE mysql.user",
        "(TABLE mysql.user)",
        "VALUES ROW(1)",
        "(i INT) SELECT user FROM mysql.user",
        "(i INT)select user FROM mysql.user",
        "(i INT) (SELECT 1 AS i)",
        "(i INT) ((SELECT 1 AS i))",
        "(i INT) AS SELECT 1 AS i",
        "(i INT) AS (SELECT 1 AS i)",
        "(i INT) TABLE mysql.user",
        "(i INT) (TABLE mysql.user)",
        "(i INT) VALUES ROW(1)",
        "(i INT) (VALUES ROW(1))",
        "(i INT) WITH w AS (SELECT 1 AS i) SELECT * FROM w",
        "(i INT) (WITH w AS (SELECT 1 AS i) SELECT * FROM w)",
        "(i INT) REPLACE SELECT 1 AS i",
        "(i INT) IGNORE SELECT 1 AS i",
        "(i INT) IGNORE AS TABLE mysql.user",
        "(i INT) ENGINE=InnoDB SELECT 1 AS i",
        "(i INT) COMMENT='x'SELECT 1 AS i",
        "(i INT) AVG_ROW_LENGTH=1e5SELECT 1 AS i",
        "(i INT) AVG_ROW_LENGTH=1E+5SELECT 1 AS i",
        "(i INT) AVG_ROW_LENGTH=1.5SELECT 1 AS i",
        "(i INT) AVG_ROW_LENGTH=1.e5SELECT 1 AS i",
        "(i INT) AVG_ROW_LENGTH=1.e5TABLE mysql.user",
        "(i INT) AVG_ROW_LENGTH=1.e5AS SELECT 1 AS i",
        "(i INT) AVG_ROW_LENGTH=1.e5VALUES ROW(1)",
        "(i INT) AVG_ROW_LENGTH=.5e-5WITH w AS (SELECT 1 AS i) SELECT * FROM w",
        "(i INT) AVG_ROW_LENGTH=1.SELECT 1 AS i",
        "(i INT) COMMENT=x'41'SELECT 1 AS i",
        "(i INT) PARTITION BY HASH (i) PARTITIONS 2 SELECT 1 AS i",
        "(i INT, j INT AS (i -- \n)) SELECT 1 AS i",
    ] {
        let error = refused(definition);
        assert!(matches!(error, SchemaError::NotFromColumns { .. }), "{definition}: {error}");
    }
    for definition in [
        "(i INT) ENGINE=MERGE UNION=(a, b)",
        "(i INT) union (a, b)",
        "(i INT) DATA DIRECTORY='/tmp'",
        "(i INT) ENGINE=MyISAM INDEX DIRECTORY '/tmp'",
        "(i INT) PARTITION BY RANGE (i) (PARTITION p VALUES LESS THAN (10) DATA DIRECTORY = '/tmp')",
        "(i INT) CONNECTION 'server/t'",
        "(i INT) ENGINE=MERGE MAX_ROWS=1.e5UNION=(a, b)",
        "(i INT) ENGINE=FEDERATED MAX_ROWS=1.e5CONNECTION='server/t'",
        "(i INT) MAX_ROWS=1.e5DATA DIRECTORY='/tmp'",
    ] {
        let error = refused(definition);
        assert!(matches!(error, SchemaError::Elsewhere { .. }), "{definition}: {error}");
    }
    for definition in ["ENGINE=InnoDB", "i INT", "'(' SELECT", "`(`"] {
        assert!(CreateTable::parse(&format!("CREATE TABLE IF NOT EXISTS t {definition}")).is_err());
    }
}

#[test]
fn anything_else_is_refused() {
    let refusal = |sql| CreateTable::parse(sql).unwrap_err().to_string();
    insta::assert_snapshot!(refusal("CREATE TABLE IF NOT EXISTS t (i INT);\nDROP TABLE t"), @"line 2: the statement `DROP TABLE t …` is refused: only CREATE TABLE IF NOT EXISTS is allowed, because it runs each time; change tables by migrations");
    insta::assert_snapshot!(refusal("CREATE TABLE t (i INT)"), @"line 1: the statement `CREATE TABLE t …` is refused: only CREATE TABLE IF NOT EXISTS is allowed, because it runs each time; change tables by migrations");
    insta::assert_snapshot!(refusal("CREATE TABLE IF NOT EXISTS 't' (i INT)"), @"line 1: CREATE TABLE IF NOT EXISTS names no table: write the name, plain or between backticks");
    insta::assert_snapshot!(refusal("CREATE TABLE IF NOT EXISTS t"), @"line 1: table t has no definition: write its columns between brackets");
    insta::assert_snapshot!(refusal("CREATE TABLE IF NOT EXISTS other.t (i INT)"), @r#"line 1: the table's name begins with the database "other": leave it out, tables are created in DB_NAME"#);
    insta::assert_snapshot!(refusal("CREATE TABLE IF NOT EXISTS t (i INT DEFAULT '1)"), @"line 1: a quoted text is not closed");
    insta::assert_snapshot!(refusal("CREATE TABLE IF NOT EXISTS t (i INT DEFAULT (@a))"), @"line 1: the character '@' is not allowed outside of quotes: leave it out, or write a name that has it between backticks");
    insta::assert_snapshot!(refusal("CREATE TABLE IF NOT EXISTS t (i INT) AVG_ROW_LENGTH=1.e"), @"line 1: a number has an e and no exponent after it: write it out, as in 1.0e5");
    insta::assert_snapshot!(refusal("/*!50000 DROP TABLE t */"), @"line 1: a comment that begins with /*! or /*+ is run by the server: write it as a plain comment, or leave it out");
    insta::assert_snapshot!(refusal("CREATE TABLE IF NOT EXISTS `a\u{1f600}` (i INT)"), @"line 1: a name has the character '😀', which MySQL stores as a question mark: use another");
    insta::assert_snapshot!(refusal("CREATE TABLE IF NOT EXISTS `a ` (i INT)"), @r#"line 1: "a " is not a name for a table: MySQL allows 64 characters, and no space at the end"#);
    // To the server, a comment ends at NUL.
    insta::assert_snapshot!(refusal("# a\n# \0 SELECT 1\nCREATE TABLE IF NOT EXISTS t (i INT)"), @r"line 2: the character '\0' is not allowed outside of quotes: leave it out, or write a name that has it between backticks");
    for sql in [
        &format!("CREATE TABLE IF NOT EXISTS `{}` (i INT)", "x".repeat(65)),
        "CREATE TABLE IF NOT EXISTS t (`b\u{1f600}` INT)",
        "CREATE TABLE IF NOT EXISTS a\u{1f389} (i INT)",
        "CREATE TABLE IF NOT EXISTS t (i INT DEFAULT '\0')",
        "GRANT ALL ON *.* TO x",
        "CREATE TABLE IF NOT EXISTS",
        "x",
        "/* open",
        "CREATE TABLE IF NOT EXISTS `t",
        "`CREATE` TABLE IF NOT EXISTS t (i INT)",
    ] {
        assert!(CreateTable::parse(sql).is_err(), "{sql}");
    }
    let widest = format!("CREATE TABLE IF NOT EXISTS `{}` (i INT COMMENT '\u{1f600}')", "x".repeat(64));
    assert!(CreateTable::parse(&widest).is_ok());
}

#[test]
fn a_quote_after_a_backslash_is_refused_because_servers_differ() {
    let sql = r"CREATE TABLE IF NOT EXISTS t (i INT COMMENT 'a\') SELECT 1 -- ')";
    insta::assert_snapshot!(CreateTable::parse(sql).unwrap_err(), @"line 1: a text has a quote after a backslash, which ends the text on some servers: double the quote instead");
    assert!(CreateTable::parse("CREATE TABLE IF NOT EXISTS t (i INT COMMENT 'it''s')").is_ok());
}
