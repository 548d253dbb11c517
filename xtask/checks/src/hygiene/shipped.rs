//! Checks that nothing that is shipped names the emulator's libraries for PostgreSQL: the C module that grants as a
//! superuser, and the libpam that replaces a system's. They are for servers of tests only.

use super::{File, Finding};

/// Folders whose files are in an image, in Terraform's modules, in the Lambda package or in a published crate, and those
/// of the code that makes these.
const SHIPPED: [&str; 15] = [
    "docker/",
    "terraform/",
    "xtask/images/",
    "crates/app/",
    "crates/bootstrap/",
    "crates/cli/",
    "crates/deploy/",
    "crates/gateway/",
    "crates/infra/",
    "crates/report/",
    "crates/roots/",
    "crates/sqlx/",
    "crates/tfplan/",
    "crates/token/",
    "crates/tunnel/",
];

/// The names of the two libraries, of their packages and of their variables, in lower case.
const NAMES: [&str; 6] =
    ["rds_iam_hook", "postgres-hook", "postgres_hook", "postgres-pam", "postgres_pam", "libpam"];

/// Returns the names in one file. Tests are not shipped.
pub(super) fn check(file: File<'_>) -> Vec<Finding> {
    let is_shipped = SHIPPED.iter().any(|folder| file.path.starts_with(folder));
    if !is_shipped || file.path.contains("/tests/") {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        let line = line.to_ascii_lowercase();
        for name in NAMES.iter().filter(|name| line.contains(*name)) {
            let what = format!(
                "names {name}, a library of the emulator: it is for servers of tests, and never shipped"
            );
            wrong.push(Finding::on_line(file, number, what));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(File { path, text })
            .into_iter()
            .map(|finding| format!("{}: {}", finding.place, finding.what))
            .collect()
    }

    #[test]
    fn a_library_of_the_emulator_in_what_is_shipped_is_found() {
        let copied = "FROM scratch\nCOPY crates/emulator/postgres-hook/rds_iam_hook.c /\n";
        insta::assert_snapshot!(found("docker/app/Dockerfile", copied).join("\n"), @"
        docker/app/Dockerfile:2: names rds_iam_hook, a library of the emulator: it is for servers of tests, and never shipped
        docker/app/Dockerfile:2: names postgres-hook, a library of the emulator: it is for servers of tests, and never shipped
        ");
        for folder in SHIPPED {
            for text in
                ["rds-iam-postgres-pam = { workspace = true }", "libpam.so.0", "RDS_IAM_POSTGRES_HOOK=x"]
            {
                assert_eq!(found(&format!("{folder}file"), text).len(), 1, "{folder}: {text}");
            }
        }
    }

    #[test]
    fn the_emulator_and_tests_may_name_them() {
        for path in [
            "crates/emulator/README.md",
            "crates/sqlx/tests/server/main.rs",
            "xtask/process/src/workspace.rs",
        ] {
            assert_eq!(found(path, "libpam.so"), Vec::<String>::new(), "{path}");
        }
        assert_eq!(found("crates/app/src/main.rs", "postgres"), Vec::<String>::new());
    }

    /// Otherwise a renamed folder would not be checked any more, and a renamed library not be found.
    #[test]
    fn the_folders_and_the_libraries_exist() {
        let root = rds_iam_process::workspace::root();
        for folder in SHIPPED {
            assert!(root.join(folder).is_dir(), "{folder}");
        }
        for file in ["postgres-hook/rds_iam_hook.c", "postgres-pam/pam.map"] {
            assert!(root.join("crates/emulator").join(file).is_file(), "{file}");
        }
    }
}
