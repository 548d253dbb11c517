//! Reads `xtask/process/tools.toml`: for each `Tool` the pinned version, and the release archives with their
//! SHA-256 or the Python requirements.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::Tool;

static PINS: LazyLock<BTreeMap<String, Pin>> = LazyLock::new(|| {
    toml::from_str(include_str!("../../tools.toml"))
        .expect("xtask/process/tools.toml is part of this program, and tested")
});

/// One tool of the table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pin {
    pub(super) version: String,
    pub(super) purpose: String,
    /// The archives by operating system and architecture, with Rust's names.
    #[serde(default)]
    release: BTreeMap<String, Archive>,
    /// The folder in `xtask/process/python` with the requirements.
    python: Option<String>,
}

/// A file to download.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Archive {
    pub(super) url: String,
    /// The SHA-256 in lower-case hexadecimal digits.
    pub(super) sha256: String,
}

/// The source of a tool.
#[derive(Debug)]
pub(super) enum Source<'a> {
    /// The archive for this machine; `None` if none is pinned.
    Release(Option<&'a Archive>),
    Python(&'a str),
}

impl Pin {
    pub(super) fn source(&self) -> Source<'_> {
        match &self.python {
            Some(folder) => Source::Python(folder),
            None => Source::Release(self.release.get(&platform())),
        }
    }
}

/// Returns the pin of a tool.
pub(super) fn pin(tool: Tool) -> &'static Pin {
    &PINS[tool.name()]
}

/// Returns this machine's platform, as named in the table.
pub(super) fn platform() -> String {
    format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_is_pinned_once_and_nothing_else_is() {
        let names: Vec<&str> = PINS.keys().map(String::as_str).collect();
        let mut tools = Tool::ALL.map(Tool::name).to_vec();
        tools.sort_unstable();
        assert_eq!(names, tools);
        for (name, pin) in &*PINS {
            assert_ne!(pin.release.is_empty(), pin.python.is_none(), "{name}: a release or a Python package");
        }
    }

    #[test]
    fn archives_are_of_their_version_over_https_with_a_whole_checksum_each_its_own() {
        let mut sums = Vec::new();
        for (name, pin) in &*PINS {
            for (platform, archive) in &pin.release {
                assert!(archive.url.starts_with("https://"), "{name} {platform}");
                assert!(archive.url.contains(&pin.version), "{name} {platform}: {}", archive.url);
                assert!(
                    archive.url.ends_with(".zip") || archive.url.ends_with(".tar.gz"),
                    "{name} {platform}"
                );
                assert_eq!(archive.sha256.len(), 64, "{name} {platform}");
                let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
                assert!(archive.sha256.bytes().all(is_hex), "{name} {platform}");
                sums.push(&archive.sha256);
            }
        }
        let all = sums.len();
        sums.sort_unstable();
        sums.dedup();
        assert_eq!(sums.len(), all, "one checksum stands twice");
    }

    #[test]
    fn what_comes_from_python_has_its_version_and_hashes_in_the_requirements() {
        for (name, pin) in &*PINS {
            let Some(folder) = &pin.python else { continue };
            let file =
                crate::workspace::root().join("xtask/process/python").join(folder).join("requirements.txt");
            let requirements = std::fs::read_to_string(file).unwrap();
            assert!(requirements.contains(&format!("=={} \\", pin.version)), "{name}");
            assert!(requirements.contains("--hash=sha256:"), "{name}");
        }
    }
}
