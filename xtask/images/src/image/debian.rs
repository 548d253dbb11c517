//! Debian packages in an image, read from dpkg's status files.

use super::layer::{Kind, Layer};

/// The folder with a file for each package, in images without package tools; scanners read it.
pub(super) const STATUS_FOLDER: &str = "var/lib/dpkg/status.d";

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) architecture: String,
    /// dpkg's full entry.
    pub(super) stanza: String,
}

/// Returns the packages in a status file.
pub(super) fn packages(status: &str) -> Vec<Package> {
    status.split("\n\n").filter_map(package).collect()
}

fn package(stanza: &str) -> Option<Package> {
    let field = |name: &str| {
        let value = stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.map(|value| value.trim().to_owned())
    };
    Some(Package {
        name: field("Package")?,
        version: field("Version")?,
        architecture: field("Architecture")?,
        stanza: format!("{}\n", stanza.trim()),
    })
}

/// Returns the packages of an image without package tools, sorted by name, and the Debian release (`12`).
pub(super) fn of_image(layers: &[Layer]) -> (Vec<Package>, String) {
    let files = layers.iter().flatten().filter_map(|(path, node)| match &node.kind {
        Kind::File(content) => Some((path, std::str::from_utf8(content).ok()?)),
        _ => None,
    });
    let (mut found, mut release) = (Vec::new(), String::new());
    for (path, text) in files {
        if path.starts_with(STATUS_FOLDER) {
            found.extend(packages(text));
        } else if path.ends_with("usr/lib/os-release") {
            let version = text.lines().find_map(|line| line.strip_prefix("VERSION_ID="));
            version.unwrap_or_default().trim_matches('"').clone_into(&mut release);
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    (found, release)
}

#[cfg(test)]
mod tests {
    use super::super::layer::Node;
    use super::*;

    #[test]
    fn packages_of_an_image_lie_in_files_of_their_own() {
        let file = |text: &str| Node::of_root(Kind::File(text.into()), 0o644);
        let layers = [
            Layer::from([
                ("usr/lib/os-release".into(), file("ID=debian\nVERSION_ID=\"12\"\n")),
                ("var/lib/dpkg/status.d/b".into(), file("Package: b\nArchitecture: all\nVersion: 1:2+x\n")),
                ("var/lib/dpkg/status.d/b.md5sums".into(), file("0123  usr/lib/b\n")),
            ]),
            Layer::from([(
                "var/lib/dpkg/status.d/a".into(),
                file("Package: a\nVersion: 1\nArchitecture: amd64\nDescription: x\n y\n"),
            )]),
        ];
        let (packages, release) = of_image(&layers);
        assert_eq!(release, "12");
        let told: Vec<_> = packages
            .iter()
            .map(|package| format!("{} {} {}", package.name, package.version, package.architecture))
            .collect();
        assert_eq!(told, ["a 1 amd64", "b 1:2+x all"]);
        assert!(packages[0].stanza.ends_with("Description: x\n y\n"));
    }
}
