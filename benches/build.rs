//! Passes the compiler's version to the benchmarks, which print it with their figures.

#[expect(
    clippy::disallowed_methods,
    reason = "a build script has no runner, and asks the compiler only its version"
)]
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let compiler = std::env::var_os("RUSTC").expect("cargo sets RUSTC for build scripts");
    let output = std::process::Command::new(compiler).arg("--version").output();
    let version = String::from_utf8(output.expect("the compiler that cargo names starts").stdout);
    println!("cargo:rustc-env=RUSTC_VERSION={}", version.expect("a version is text").trim());
}
