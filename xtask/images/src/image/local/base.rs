//! A base image for Rust programs, made from a minimal Debian: the C library's shared objects, the
//! certificates, and the package data for scanners. No shell, no package tools.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::super::debian::{self, Package};
use super::super::layer::{self, Folders, Kind, Layer, Node};

/// The packages whose shared objects are included.
const LIBRARIES: [&str; 2] = ["libc6", "libgcc-s1"];

/// The user that images run as; root is listed so that the owner of the files has a name.
const USERS: &str = "root:x:0:0:root:/:/sbin/nologin\napp:x:10001:10001:app:/:/sbin/nologin\n";
const GROUPS: &str = "root:x:0:\napp:x:10001:\n";

/// The folder of dpkg's file lists.
const LISTS: &str = "var/lib/dpkg/info";
const STATUS: &str = "var/lib/dpkg/status";
const CERTIFICATES: &str = "usr/share/ca-certificates";

/// Returns the base's files as a tar, from the tar of a Debian with the packages. All times are 1970, as in
/// other images without a distribution: otherwise they would depend on the time of the build.
///
/// # Errors
/// Returns an error if the tar can't be read, or lacks a package.
pub(super) fn tar(debian: &Path) -> io::Result<Vec<u8>> {
    let dpkg = layer::read_some(File::open(debian)?, |path| {
        path == Path::new(STATUS)
            || (path.starts_with(LISTS) && path.extension().is_some_and(|extension| extension == "list"))
    })?;
    let packages = packages(&dpkg)?;
    let wanted: BTreeSet<PathBuf> = packages.iter().flat_map(|package| files(&dpkg, &package.name)).collect();
    let certificate =
        |path: &Path| path.starts_with(CERTIFICATES) && path.extension().is_some_and(|end| end == "crt");
    let found = layer::read_some(File::open(debian)?, |path| wanted.contains(path) || certificate(path))?;
    layer::write(&assemble(found, &packages)?)
}

/// Returns the packages that files are taken from.
fn packages(dpkg: &Layer) -> io::Result<Vec<Package>> {
    let is_taken = |name: &str| {
        LIBRARIES.contains(&name)
            || ["base-files", "ca-certificates"].contains(&name)
            // It contains libgcc-s1's licence.
            || (name.starts_with("gcc-") && name.ends_with("-base"))
    };
    let installed = debian::packages(text(dpkg, STATUS));
    let packages: Vec<_> = installed.into_iter().filter(|package| is_taken(&package.name)).collect();
    match LIBRARIES.iter().find(|library| !packages.iter().any(|package| package.name == **library)) {
        Some(missing) => Err(invalid(format!("the package {missing} is not in it"))),
        None => Ok(packages),
    }
}

/// Returns the files to take from a package. `/lib` is a link to `/usr/lib`.
fn files(dpkg: &Layer, package: &str) -> Vec<PathBuf> {
    let lists = dpkg.keys().filter(|path| {
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        name.split(':').next() == Some(package)
    });
    let lines = lists.flat_map(|list| text(dpkg, list).lines());
    let paths = lines
        .filter_map(|line| line.strip_prefix('/'))
        .map(|path| if path.starts_with("lib") { Path::new("usr").join(path) } else { PathBuf::from(path) });
    paths.filter(|path| is_wanted(path, package)).collect()
}

fn is_wanted(path: &Path, package: &str) -> bool {
    let documentation = Path::new("usr/share/doc").join(package);
    let is_library = || {
        let depth = path.strip_prefix("usr/lib").map(|below| below.components().count());
        // Not the many encodings, which are in deeper folders.
        let near = path.starts_with("usr/lib64") || depth.is_ok_and(|depth| depth <= 2);
        near && path.file_name().is_some_and(|name| name.to_string_lossy().contains(".so"))
    };
    let release = ["etc/debian_version", "etc/os-release", "usr/lib/os-release"];
    path == documentation.join("copyright")
        // A link to the folder of the package that it was built with.
        || (path == documentation && package == "libgcc-s1")
        || path.starts_with("usr/share/common-licenses")
        || release.iter().any(|release| path == Path::new(release))
        || (LIBRARIES.contains(&package) && is_library())
}

fn assemble(found: Layer, packages: &[Package]) -> io::Result<Layer> {
    let (certificates, mut files): (Layer, Layer) =
        found.into_iter().partition(|(path, _)| path.starts_with(CERTIFICATES));
    let mut authorities = Vec::new();
    for (_, certificate) in certificates {
        if let Kind::File(pem) = certificate.kind {
            authorities.extend(pem);
        }
    }
    if authorities.is_empty() || !files.keys().any(|path| path.ends_with("libc.so.6")) {
        return Err(invalid("it has no C library, or no certificates, where they were expected".to_owned()));
    }
    let mut file = |path: &str, content: &[u8]| {
        files.insert(path.into(), Node::of_root(Kind::File(content.to_vec()), 0o644))
    };
    file("etc/group", GROUPS.as_bytes());
    file("etc/nsswitch.conf", b"hosts: files dns\n");
    file("etc/passwd", USERS.as_bytes());
    file("etc/ssl/certs/ca-certificates.crt", &authorities);
    for package in packages {
        file(&format!("{}/{}", debian::STATUS_FOLDER, package.name), package.stanza.as_bytes());
    }
    let links: BTreeMap<_, _> = [("lib", "usr/lib"), ("lib64", "usr/lib64")].into();
    for (link, to) in links {
        if files.keys().any(|path| path.starts_with(to)) {
            files.insert(link.into(), Node::of_root(Kind::SymbolicLink(to.into()), 0o777));
        }
    }
    files.insert("tmp".into(), Node::of_root(Kind::Folder, 0o1777));
    Ok(layer::canonical(files, &mut Folders::new(), 0))
}

fn text(layer: &Layer, path: impl AsRef<Path>) -> &str {
    match layer.get(path.as_ref()).map(|node| &node.kind) {
        Some(Kind::File(content)) => std::str::from_utf8(content).unwrap_or_default(),
        _ => "",
    }
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a minimal Debian.
    fn debian() -> Layer {
        let status = "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36\n\n\
                      Package: bash\nArchitecture: amd64\nVersion: 5\n\n\
                      Package: libgcc-s1\nArchitecture: amd64\nVersion: 12\n";
        let libc6 = "/.\n/lib/x86_64-linux-gnu/libc.so.6\n/lib64/ld-linux-x86-64.so.2\n\
                     /usr/lib/x86_64-linux-gnu/gconv/EUC.so\n/usr/share/doc/libc6/copyright\n/usr/share/doc/libc6/NEWS\n";
        [
            ("bin/sh", "a shell"),
            (STATUS, status),
            ("var/lib/dpkg/info/libc6:amd64.list", libc6),
            ("var/lib/dpkg/info/libc6-dev:amd64.list", "/usr/lib/x86_64-linux-gnu/libc.so\n"),
            ("var/lib/dpkg/info/libgcc-s1:amd64.list", "/lib/x86_64-linux-gnu/libgcc_s.so.1\n"),
            ("usr/lib/x86_64-linux-gnu/libc.so.6", "the C library"),
            ("usr/lib/x86_64-linux-gnu/libc.so", "for linking"),
            ("usr/lib/x86_64-linux-gnu/libgcc_s.so.1", "unwinding"),
            ("usr/lib/x86_64-linux-gnu/gconv/EUC.so", "an encoding"),
            ("usr/lib64/ld-linux-x86-64.so.2", "the loader"),
            ("usr/share/ca-certificates/mozilla/B.crt", "B\n"),
            ("usr/share/ca-certificates/mozilla/A.crt", "A\n"),
            ("usr/share/doc/libc6/copyright", "LGPL"),
            ("usr/share/doc/libc6/NEWS", "new"),
        ]
        .into_iter()
        .map(|(path, text)| (path.into(), Node::of_root(Kind::File(text.into()), 0o644)))
        .collect()
    }

    fn base(debian: &Layer) -> io::Result<Layer> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("debian.tar");
        std::fs::write(&path, layer::write(debian).unwrap()).unwrap();
        tar(&path).map(|tar| layer::read(tar.as_slice()).unwrap())
    }

    #[test]
    fn a_base_has_libraries_certificates_and_the_packages_names_and_no_shell() {
        let base = base(&debian()).unwrap();
        let files = base.iter().filter(|(_, node)| node.kind != Kind::Folder);
        let files: Vec<_> = files.map(|(path, _)| path.display().to_string()).collect();
        insta::assert_snapshot!(files.join("\n"), @r"
        etc/group
        etc/nsswitch.conf
        etc/passwd
        etc/ssl/certs/ca-certificates.crt
        lib
        lib64
        usr/lib/x86_64-linux-gnu/libc.so.6
        usr/lib/x86_64-linux-gnu/libgcc_s.so.1
        usr/lib64/ld-linux-x86-64.so.2
        usr/share/doc/libc6/copyright
        var/lib/dpkg/status.d/libc6
        var/lib/dpkg/status.d/libgcc-s1
        ");
        assert_eq!(text(&base, "etc/ssl/certs/ca-certificates.crt"), "A\nB\n");
        assert!(text(&base, "var/lib/dpkg/status.d/libc6").contains("Version: 2.36\n"));
        assert!(base.values().all(|node| node.modified == 0));
        assert_eq!(base[Path::new("tmp")].access.mode, 0o1777);
    }

    #[test]
    fn a_debian_without_the_libraries_is_refused() {
        let mut without = debian();
        without.remove(Path::new("usr/lib/x86_64-linux-gnu/libc.so.6"));
        assert!(base(&without).unwrap_err().to_string().contains("no C library"));
        without.remove(Path::new(STATUS));
        assert!(base(&without).unwrap_err().to_string().contains("libc6 is not in it"));
    }
}
