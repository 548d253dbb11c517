//! `Oldest`: the oldest supported version of a program, compared with the version that the program prints.

use super::list::{List, Met};

/// A program, its option that prints the version, and the oldest supported version, with its major and its minor number.
#[derive(Debug)]
pub(super) struct Oldest(pub(super) &'static str, pub(super) &'static str, pub(super) (u32, u32));

impl Oldest {
    /// Returns the state of the program on this machine: an older one is missing, with its version as the reason.
    pub(super) fn met(&self, list: &List<'_>) -> Met {
        let Self(program, option, _) = self;
        match list.first_line(program, &[option]) {
            Some(line) => self.compared(line),
            None => Met::Missing(None),
        }
    }

    /// Returns the state of a program that prints this line.
    pub(super) fn compared(&self, line: String) -> Met {
        let Self(program, option, oldest) = self;
        let wanted = match oldest {
            (major, 0) => format!("{major} or later"),
            (major, minor) => format!("{major}.{minor} or later"),
        };
        match version(&line) {
            Some(found) if found >= *oldest => Met::Present(line),
            Some(_) => Met::Missing(Some(format!("found {line}; expected {wanted}"))),
            None => Met::Missing(Some(format!(
                "`{program} {option}` printed {line:?}, which has no version; expected {wanted}"
            ))),
        }
    }
}

/// Returns the major and the minor number of the first version in a line, such as `v20.1.0` or `javac 21-ea`. A missing
/// minor number is 0.
fn version(line: &str) -> Option<(u32, u32)> {
    let mut words = line.split_whitespace().map(|word| word.trim_start_matches('v'));
    let mut numbers = words.find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?.split('.');
    let mut leading = || {
        let part = numbers.next()?;
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..end].parse().ok()
    };
    Some((leading()?, leading().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::super::needs::{JDK, NODE, PYTHON};
    use super::*;

    fn missing(oldest: &Oldest, line: &str) -> String {
        match oldest.compared(line.to_owned()) {
            Met::Missing(Some(why)) => why,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn supported_versions_are_present() {
        for (oldest, lines) in [
            (&PYTHON, ["Python 3.10.0", "Python 3.14.0rc1", "Python 3.14", "Python 4.0.1"]),
            (&NODE, ["v16.0.0", "v20.20.2", "v100.0.0", "v24.0.0-nightly20250101"]),
            (&JDK, ["javac 17", "javac 17.0.15", "javac 21-ea", "javac 25.0.1"]),
        ] {
            for line in lines {
                assert_eq!(oldest.compared(line.to_owned()), Met::Present(line.to_owned()));
            }
        }
    }

    #[test]
    fn older_versions_are_missing_with_what_was_found_and_expected() {
        let said = [
            missing(&PYTHON, "Python 3.9.25"),
            missing(&PYTHON, "Python 2.7.18"),
            missing(&NODE, "v12.22.9"),
            missing(&JDK, "javac 11.0.27"),
            missing(&JDK, "javac 1.8.0_452"),
        ];
        insta::assert_snapshot!(said.join("\n"), @"
        found Python 3.9.25; expected 3.10 or later
        found Python 2.7.18; expected 3.10 or later
        found v12.22.9; expected 16 or later
        found javac 11.0.27; expected 17 or later
        found javac 1.8.0_452; expected 17 or later
        ");
    }

    #[test]
    fn what_is_no_version_is_missing() {
        // A JDK before 9 prints its version as an error.
        let said = [missing(&JDK, ""), missing(&PYTHON, "pyenv: no version set"), missing(&NODE, "version")];
        insta::assert_snapshot!(said.join("\n"), @r#"
        `javac -version` printed "", which has no version; expected 17 or later
        `python3 --version` printed "pyenv: no version set", which has no version; expected 3.10 or later
        `node --version` printed "version", which has no version; expected 16 or later
        "#);
    }
}
