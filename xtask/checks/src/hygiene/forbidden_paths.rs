//! Checks that no file depends on the machine it was written on: no package registry by name, no address that a
//! package was resolved to in a lock file, and no absolute path of one machine.

use super::{File, Finding};

/// Hosts of package registries, in two halves, so that this file passes its own check.
const REGISTRIES: [(&str, &str); 12] = [
    ("deb.", "debian.org"),
    ("security.", "debian.org"),
    ("ftp.", "debian.org"),
    ("archive.", "ubuntu.com"),
    ("pypi", ".org"),
    ("files.", "pythonhosted.org"),
    ("registry.", "npmjs.org"),
    ("registry.", "yarnpkg.com"),
    ("static.", "crates.io"),
    ("index.", "crates.io"),
    ("proxy.", "golang.org"),
    ("registry-1.", "docker.io"),
];

/// The first folders of machine-specific absolute paths, in two halves for the same reason.
const MACHINE_FOLDERS: [(&str, &str); 4] = [("/ho", "me/"), ("/ro", "ot/"), ("/wo", "rk/"), ("/Us", "ers/")];

pub(super) fn check(file: File<'_>) -> Vec<Finding> {
    let lock = is_lock_file(file.path);
    let mut wrong = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        for (first, second) in REGISTRIES {
            let host = format!("{first}{second}");
            if line.contains(&host) {
                wrong.push(Finding::on_line(
                    file,
                    number,
                    format!("names the registry {host}: leave it to the machine's settings"),
                ));
            }
        }
        for (first, second) in MACHINE_FOLDERS {
            let folder = format!("{first}{second}");
            if has_absolute(line, &folder) {
                wrong.push(Finding::on_line(file, number, format!("a path of one machine ({folder}…)")));
            }
        }
        if lock && resolved_to_a_url(line) {
            wrong.push(Finding::on_line(
                file,
                number,
                "a lock file names where a package came from: omit `resolved`, the hash is enough",
            ));
        }
    }
    wrong
}

/// Returns whether `folder` is in `line` as the beginning of an absolute path, not as the middle of
/// another (`build/home/`, `{dir}/home/`).
fn has_absolute(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        line[..at]
            .chars()
            .next_back()
            .is_none_or(|before| !(before.is_alphanumeric() || "_-.}/~)*…".contains(before)))
    })
}

fn is_lock_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    name.ends_with(".lock")
        || name.ends_with("-lock.json")
        || name.ends_with("-lock.yaml")
        || name == "npm-shrinkwrap.json"
}

/// Returns whether the line is `"resolved": "https://…"` (npm) or `resolved "https://…"` (yarn).
fn resolved_to_a_url(line: &str) -> bool {
    let line = line.trim_start().trim_start_matches('"');
    line.strip_prefix("resolved").is_some_and(|rest| rest.contains("://"))
}

#[cfg(test)]
mod tests {
    use super::super::findings;
    use super::*;

    #[test]
    fn every_registry_is_found() {
        for (first, second) in REGISTRIES {
            let text = format!("fine\nurl = \"https://{first}{second}/x\"\n");
            let found = findings("docker/Dockerfile", &text);
            assert!(
                found.starts_with("docker/Dockerfile:2: names the registry"),
                "{first}{second}: {found:?}"
            );
        }
        assert_eq!(findings("README.md", "https://crates.io/crates/sqlx and https://docs.rs"), "");
        assert_eq!(
            findings("Cargo.lock", "source = \"registry+https://github.com/rust-lang/crates.io-index\""),
            ""
        );
    }

    #[test]
    fn a_path_of_a_machine_is_found_and_a_relative_one_is_not() {
        for (first, second) in MACHINE_FOLDERS {
            for line in [
                format!("{first}{second}x"),
                format!("cd {first}{second}x"),
                format!("\"{first}{second}x\""),
                format!("file://a={first}{second}x"),
            ] {
                assert!(findings("a.md", &line).contains("a path of one machine"), "{line}");
            }
            for line in [
                format!("target{first}{second}x"),
                format!("{{dir}}{first}{second}x"),
                format!("../x{first}{second}x"),
            ] {
                assert_eq!(findings("a.md", &line), "", "{line}");
            }
        }
    }

    #[test]
    fn a_lock_file_with_addresses_is_found() {
        let npm = r#"      "resolved": "https://mirror.example/x.tgz","#;
        let yarn = r#"  resolved "https://mirror.example/x.tgz""#;
        assert!(findings("web/package-lock.json", npm).starts_with("web/package-lock.json:1: a lock file"));
        assert!(findings("web/yarn.lock", yarn).starts_with("web/yarn.lock:1: a lock file"));
        assert_eq!(findings("web/package-lock.json", r#""resolved": "../local","#), "");
        assert_eq!(findings("web/notes.json", npm), "");
    }
}
