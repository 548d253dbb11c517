//! The SBOM of an image, as CycloneDX 1.6: the crates that are compiled into the program, and the packages of its base.
//! <https://cyclonedx.org/docs/1.6/json/>
//!
//! `cargo tree` lists those crates, with the features of the programs of all images, since they are built together;
//! `cargo metadata` would list the dependencies of the whole workspace. Build scripts and procedural
//! macros run at build time and are not in it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::debian::Package;

/// Cargo's data about a program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cargo<'a> {
    /// The output of `cargo tree --prefix depth` for all packages that are built together.
    pub(super) tree: &'a str,
    /// The output of `cargo metadata`.
    pub(super) metadata: &'a Value,
    /// The text of `Cargo.lock`.
    pub(super) lock: &'a str,
}

/// The image that the document describes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub(super) name: &'a str,
    /// The digest, `sha256:…`.
    pub(super) digest: &'a str,
    pub(super) tag: &'a str,
    /// The creation time, in RFC 3339.
    pub(super) created: &'a str,
    pub(super) source: &'a str,
}

/// A crate's name and version.
type Crate = (String, String);

/// Returns the document. It is the same for the same image.
///
/// # Errors
/// Returns a sentence that describes which of cargo's outputs is not in the documented format.
pub(super) fn document(
    subject: Subject<'_>,
    cargo: Cargo<'_>,
    packages: &[Package],
    debian: &str,
) -> Result<Value, String> {
    let (program, needs) = graph(cargo.tree, subject.name)?;
    let licences = licences(cargo.metadata);
    let checksums = checksums(cargo.lock)?;
    let crates = needs.keys().map(|part| {
        let kind = if *part == program { "application" } else { "library" };
        let reference = crate_url(part);
        let mut component = json!({
            "type": kind, "bom-ref": reference, "name": part.0, "version": part.1, "purl": reference,
        });
        if let Some(licence) = licences.get(part) {
            component["licenses"] = json!([{"expression": licence}]);
        }
        if let Some(checksum) = checksums.get(part) {
            component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
        }
        component
    });
    let packages: Vec<Value> = packages.iter().map(|package| debian_component(package, debian)).collect();
    let image = format!("pkg:oci/{}@{}", subject.name, encoded(subject.digest));
    let references = |components: &[Value]| -> Vec<Value> {
        components.iter().map(|component| component["bom-ref"].clone()).collect()
    };
    let mut parts = references(&packages);
    parts.push(crate_url(&program).into());
    let mut dependencies = vec![json!({"ref": image, "dependsOn": parts})];
    dependencies.extend(needs.iter().map(|(part, needs)| {
        json!({"ref": crate_url(part), "dependsOn": needs.iter().map(crate_url).collect::<Vec<_>>()})
    }));
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": serial(subject.digest),
        "version": 1,
        "metadata": {
            "timestamp": subject.created,
            "tools": {"components": [{"type": "application", "name": "rds-iam xtask"}]},
            "component": {
                "type": "container",
                "bom-ref": image,
                "name": subject.name,
                "version": subject.tag,
                "purl": image,
                "hashes": [{"alg": "SHA-256", "content": subject.digest.trim_start_matches("sha256:")}],
                "externalReferences": [{"type": "vcs", "url": subject.source}],
            },
        },
        "components": crates.chain(packages).collect::<Vec<_>>(),
        "dependencies": dependencies,
    }))
}

fn debian_component(package: &Package, debian: &str) -> Value {
    let reference = format!(
        "pkg:deb/debian/{}@{}?arch={}&distro=debian-{debian}",
        encoded(&package.name),
        encoded(&package.version),
        encoded(&package.architecture)
    );
    json!({
        "type": "library", "bom-ref": reference, "name": package.name, "version": package.version, "purl": reference,
    })
}

/// The dependencies of each crate.
type Needs = BTreeMap<Crate, BTreeSet<Crate>>;

/// Returns a program's crate and all its dependencies, from the trees of several programs.
///
/// Reads `2serde v1.0.228 (*)`: depth, name, version, and further data that is not used here. A star marks a
/// crate that was listed before, with its dependencies.
fn graph(trees: &str, program: &str) -> Result<(Crate, Needs), String> {
    let mut all = Needs::new();
    let mut above: Vec<Crate> = Vec::new();
    for line in trees.lines().filter(|line| !line.is_empty()) {
        let wrong = || format!("`{line}` is no depth, name and version");
        let name = line.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (depth, rest) = line.split_at(name);
        let depth: usize = depth.parse().map_err(|_| wrong())?;
        let mut words = rest.split(' ');
        let version = |word: &str| word.strip_prefix('v').map(str::to_owned);
        let (Some(name), Some(version)) = (words.next(), words.next().and_then(version)) else {
            return Err(wrong());
        };
        if depth > above.len() {
            return Err(wrong());
        }
        let part = (name.to_owned(), version);
        above.truncate(depth);
        if let Some(parent) = above.last() {
            all.entry(parent.clone()).or_default().insert(part.clone());
        }
        all.entry(part.clone()).or_default();
        above.push(part);
    }
    let first = all.keys().find(|(name, _)| name == program).cloned();
    let first = first.ok_or_else(|| format!("it has no crate {program}"))?;
    let mut needs = Needs::new();
    let mut open = vec![first.clone()];
    while let Some(part) = open.pop() {
        // An existing entry was reached by another path.
        if let Some(its) = all.remove(&part) {
            open.extend(its.iter().cloned());
            needs.insert(part, its);
        }
    }
    Ok((first, needs))
}

/// Returns licences as SPDX expressions; older crates separate alternatives by a slash.
fn licences(metadata: &Value) -> BTreeMap<Crate, String> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let licences = packages.filter_map(|package| {
        let text = |key: &str| package[key].as_str().map(str::to_owned);
        let licence = text("license")?.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ");
        Some(((text("name")?, text("version")?), licence))
    });
    licences.collect()
}

/// Returns checksums of downloaded crates; the workspace's own crates have none.
fn checksums(lock: &str) -> Result<BTreeMap<Crate, String>, String> {
    let lock: toml::Table = lock.parse().map_err(|error| format!("Cargo.lock: {error}"))?;
    let packages = lock.get("package").and_then(toml::Value::as_array).into_iter().flatten();
    let checksums = packages.filter_map(|package| {
        let text = |key: &str| package.get(key)?.as_str().map(str::to_owned);
        Some(((text("name")?, text("version")?), text("checksum")?))
    });
    Ok(checksums.collect())
}

fn crate_url((name, version): &Crate) -> String {
    format!("pkg:cargo/{}@{}", encoded(name), encoded(version))
}

/// Returns a percent-encoded part of a package URL: all but unreserved characters are encoded.
fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// Returns the document's serial number, which depends only on the image: a UUID of version 8, which is for
/// such uses.
fn serial(digest: &str) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(digest)[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    format!("urn:uuid:{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree of two programs that are built together.
    const TREE: &str = "0other v0.1.0 (/src/crates/other)\n1serde v1.0.2\n2serde_core v1.0.2\n1unused v1.0.0\n\n\
                        0app v0.1.0 (/src/crates/app)\n1serde v1.0.2 (*)\n1zlib v0.1.0+1.2\n2serde_core v1.0.2\n";

    fn subject() -> Subject<'static> {
        Subject {
            name: "app",
            digest: "sha256:aa",
            tag: "0123",
            created: "2026-01-02T03:04:05Z",
            source: "https://example.com/app",
        }
    }

    #[test]
    fn a_document_has_the_program_its_crates_and_the_bases_packages() {
        let metadata = json!({"packages": [
            {"name": "app", "version": "0.1.0", "license": "MIT OR Apache-2.0"},
            {"name": "serde", "version": "1.0.2", "license": "MIT/Apache-2.0"},
            {"name": "unused", "version": "1.0.0", "license": "MIT"},
        ]});
        let lock = "version = 4\n[[package]]\nname = \"serde\"\nversion = \"1.0.2\"\nchecksum = \"c0ffee\"\n\
                    [[package]]\nname = \"app\"\nversion = \"0.1.0\"\n";
        let libc = Package {
            name: "libc6".into(),
            version: "2.36-9+deb12u10".into(),
            architecture: "amd64".into(),
            stanza: String::new(),
        };
        let cargo = Cargo { tree: TREE, metadata: &metadata, lock };
        let document = document(subject(), cargo, &[libc], "12").unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap(), @r#"
        {
          "bomFormat": "CycloneDX",
          "components": [
            {
              "bom-ref": "pkg:cargo/app@0.1.0",
              "licenses": [
                {
                  "expression": "MIT OR Apache-2.0"
                }
              ],
              "name": "app",
              "purl": "pkg:cargo/app@0.1.0",
              "type": "application",
              "version": "0.1.0"
            },
            {
              "bom-ref": "pkg:cargo/serde@1.0.2",
              "hashes": [
                {
                  "alg": "SHA-256",
                  "content": "c0ffee"
                }
              ],
              "licenses": [
                {
                  "expression": "MIT OR Apache-2.0"
                }
              ],
              "name": "serde",
              "purl": "pkg:cargo/serde@1.0.2",
              "type": "library",
              "version": "1.0.2"
            },
            {
              "bom-ref": "pkg:cargo/serde_core@1.0.2",
              "name": "serde_core",
              "purl": "pkg:cargo/serde_core@1.0.2",
              "type": "library",
              "version": "1.0.2"
            },
            {
              "bom-ref": "pkg:cargo/zlib@0.1.0%2B1.2",
              "name": "zlib",
              "purl": "pkg:cargo/zlib@0.1.0%2B1.2",
              "type": "library",
              "version": "0.1.0+1.2"
            },
            {
              "bom-ref": "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64&distro=debian-12",
              "name": "libc6",
              "purl": "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64&distro=debian-12",
              "type": "library",
              "version": "2.36-9+deb12u10"
            }
          ],
          "dependencies": [
            {
              "dependsOn": [
                "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64&distro=debian-12",
                "pkg:cargo/app@0.1.0"
              ],
              "ref": "pkg:oci/app@sha256%3Aaa"
            },
            {
              "dependsOn": [
                "pkg:cargo/serde@1.0.2",
                "pkg:cargo/zlib@0.1.0%2B1.2"
              ],
              "ref": "pkg:cargo/app@0.1.0"
            },
            {
              "dependsOn": [
                "pkg:cargo/serde_core@1.0.2"
              ],
              "ref": "pkg:cargo/serde@1.0.2"
            },
            {
              "dependsOn": [],
              "ref": "pkg:cargo/serde_core@1.0.2"
            },
            {
              "dependsOn": [
                "pkg:cargo/serde_core@1.0.2"
              ],
              "ref": "pkg:cargo/zlib@0.1.0%2B1.2"
            }
          ],
          "metadata": {
            "component": {
              "bom-ref": "pkg:oci/app@sha256%3Aaa",
              "externalReferences": [
                {
                  "type": "vcs",
                  "url": "https://example.com/app"
                }
              ],
              "hashes": [
                {
                  "alg": "SHA-256",
                  "content": "aa"
                }
              ],
              "name": "app",
              "purl": "pkg:oci/app@sha256%3Aaa",
              "type": "container",
              "version": "0123"
            },
            "timestamp": "2026-01-02T03:04:05Z",
            "tools": {
              "components": [
                {
                  "name": "rds-iam xtask",
                  "type": "application"
                }
              ]
            }
          },
          "serialNumber": "urn:uuid:e13d86e1-1689-83f8-9975-e6a0359f8bed",
          "specVersion": "1.6",
          "version": 1
        }
        "#);
    }

    #[test]
    fn needs_are_read_from_the_depths() {
        let (first, needs) = graph(TREE, "app").unwrap();
        let part = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        assert_eq!(first, part("app", "0.1.0"));
        assert_eq!(
            needs[&part("app", "0.1.0")],
            BTreeSet::from([part("serde", "1.0.2"), part("zlib", "0.1.0+1.2")])
        );
        assert_eq!(needs[&part("serde", "1.0.2")], BTreeSet::from([part("serde_core", "1.0.2")]));
        assert_eq!(needs[&part("serde_core", "1.0.2")], BTreeSet::new());
        assert_eq!(needs.len(), 4);
    }

    #[test]
    fn a_tree_of_another_form_is_refused() {
        for (tree, what) in [
            ("", "it has no crate app"),
            ("0other v0.1.0", "it has no crate app"),
            ("app v0.1.0", "`app v0.1.0` is no depth, name and version"),
            ("0app", "`0app` is no depth, name and version"),
            ("1app v0.1.0", "`1app v0.1.0` is no depth, name and version"),
        ] {
            assert_eq!(graph(tree, "app").unwrap_err(), what);
        }
    }
}
