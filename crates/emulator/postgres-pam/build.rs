//! Gives the library the name `libpam.so.0`, which PostgreSQL's loader looks for, and the version `LIBPAM_1.0`, which
//! PostgreSQL expects in it, if the linker can.
//!
//! rustc passes a version script itself. LLD accepts a second one; GNU's linker does not. Without the version, the
//! server works too: the loader writes one line, "no version information available", to its log.

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=pam.map");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libpam.so.0");

    let has_versions = links_with_lld();
    if has_versions {
        let map = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("pam.map");
        println!("cargo::rustc-cdylib-link-arg=-Wl,--version-script={}", map.display());
    }
    // For the test of the library.
    println!("cargo::rustc-env=RDS_IAM_PAM_HAS_VERSIONS={has_versions}");
}

/// Returns whether rustc links with its own copy of LLD: the default of official toolchains on x86-64 Linux, unless
/// a linker is configured.
fn links_with_lld() -> bool {
    let target = variable("TARGET");
    let flags = variable("CARGO_ENCODED_RUSTFLAGS");
    let is_configured = env::var_os("RUSTC_LINKER").is_some()
        || ["linker", "fuse-ld"].iter().any(|flag| flags.contains(flag));
    target == "x86_64-unknown-linux-gnu"
        && !is_configured
        && sysroot().join("lib/rustlib").join(target).join("bin/gcc-ld/ld.lld").is_file()
}

/// Returns the folder of the toolchain; an empty path if rustc doesn't print it.
#[expect(
    clippy::disallowed_methods,
    reason = "a build script has no runner; no secret is in rustc's arguments"
)]
fn sysroot() -> PathBuf {
    let printed = std::process::Command::new(variable("RUSTC")).args(["--print", "sysroot"]).output();
    let path = printed.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    PathBuf::from(path.as_deref().map(str::trim).unwrap_or_default())
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
