//! Files: their names, sizes and contents.

use std::fs;

use super::super::source::read_file;
use super::*;

#[test]
fn a_file_s_name_gives_its_format() {
    let folder = tempfile::tempdir().unwrap();
    let toml = "database.connections.a = { dsn = 'mysql://u@a.b.eu-west-1.rds.amazonaws.com', aws_iam_auth.enabled = true }";
    for (name, text) in [
        ("a.yaml", for_mysql(WRITER)),
        ("a.yml", for_mysql(AFTER)),
        ("a.YAML", format!("\u{feff}{}", for_mysql(AFTER).replace('\n', "\r\n"))),
        ("a.toml", toml.into()),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        assert_eq!(read_file(&path).unwrap().connections.len(), 1, "{name}");
    }
    for name in ["database", "a.json", ".yaml"] {
        assert!(matches!(read_file(&folder.path().join(name)), Err(ConfigError::Format { .. })), "{name}");
    }
}

#[test]
fn a_file_that_can_t_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("large.yaml"), "#".repeat(1024 * 1024 + 1)).unwrap();
    fs::write(path("latin1.yaml"), b"database: \xe4").unwrap();
    fs::create_dir(path("folder.yaml")).unwrap();
    for name in ["missing.yaml", "large.yaml", "latin1.yaml", "folder.yaml"] {
        let error = read_file(&path(name)).expect_err(name);
        assert!(matches!(error, ConfigError::Read { .. }), "{error:?}");
        assert!(error.to_string().contains(name), "{error}");
    }
    fs::write(path("wrong.yaml"), "database: 5").unwrap();
    let error = read_file(&path("wrong.yaml")).unwrap_err().to_string();
    assert!(error.contains("wrong.yaml has 1 problem:\n  line 1: database "), "{error}");
}
