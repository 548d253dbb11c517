//! Tests of the Lambda package: the zip, and the checks of its program.

use std::io::Read;

use super::elf::{Refusal, Version, runs_on_amazon_linux};
use super::*;

/// Returns this test's own program, built for this machine, as if its C library were not newer than Lambda's.
fn own() -> Vec<u8> {
    let mut program =
        fs::read(std::env::current_exe().expect("a program knows its file")).expect("and may read it");
    for at in 0..program.len().min(1 << 20) {
        if let [b'G', b'L', b'I', b'B', b'C', b'_', b'2', b'.', major, minor, 0] = program[at..at + 11]
            && (b'3'..=b'9').contains(&major)
            && (major > b'3' || minor > b'4')
        {
            program[at + 8..at + 10].copy_from_slice(b"34");
        }
    }
    program
}

fn here() -> Architecture {
    Package::of_this_machine().architecture
}

fn elsewhere() -> Architecture {
    if here() == Architecture::Arm64 { Architecture::X86_64 } else { Architecture::Arm64 }
}

/// Returns a program in which a text that the loader reads is replaced by another of the same length. Such
/// texts are near its start.
fn with(mut program: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places: Vec<_> = (0..1 << 20).filter(|at| program[*at..].starts_with(from)).collect();
    assert!(!places.is_empty(), "it has no {}", String::from_utf8_lossy(from));
    for at in places {
        program[at..at + to.len()].copy_from_slice(to);
    }
    program
}

/// Returns the program as if it needed a C library that no system has yet. Rust's standard library references
/// versions of it.
fn newer(program: Vec<u8>) -> Vec<u8> {
    match here() {
        Architecture::Arm64 => with(program, b"GLIBC_2.17\0", b"GLIBC_2.99\0"),
        Architecture::X86_64 => with(program, b"GLIBC_2.2.5\0", b"GLIBC_2.99\0\0"),
    }
}

#[test]
fn a_program_that_could_not_start_there_is_refused() {
    let program = own();
    let refused = |program: &[u8]| runs_on_amazon_linux(program, here()).unwrap_err();
    assert_eq!(refused(&newer(program.clone())), Refusal::Glibc(Version(2, 99)));
    let unknown = with(program.clone(), b"libgcc_s.so.1\0", b"libcurl.so.4\0\0");
    assert_eq!(refused(&unknown), Refusal::Library("libcurl.so.4".to_owned()));
    assert_eq!(runs_on_amazon_linux(&program, elsewhere()), Err(Refusal::Processor(elsewhere().name())));
    assert!(matches!(refused(b"#!/bin/sh\n"), Refusal::NotElf(_)));
    assert!(matches!(refused(&program[..200]), Refusal::NotElf(_)));
    assert!(matches!(refused(b""), Refusal::NotElf(_)));
}

#[test]
fn each_refusal_names_the_fix() {
    let told = |refusal: Refusal| format!("{refusal}\n  {}", refusal.help(Architecture::Arm64));
    insta::assert_snapshot!(told(Refusal::Glibc(Version(2, 38))), @r"
    it needs glibc 2.38, and Amazon Linux 2023 has 2.34
      package without --binary, which builds it for glibc 2.34; or build it with `cargo zigbuild --release --package rds-iam-bootstrap --bin rds-iam-bootstrap-lambda --target aarch64-unknown-linux-gnu.2.34`
    ");
    insta::assert_snapshot!(told(Refusal::Processor("arm64")), @r"
    it is built for another processor than arm64
      name the processor that it is built for with --architecture
    ");
}

#[test]
fn glibcs_versions_are_numbers_not_texts() {
    let version = |name| Version::of_glibc(name);
    assert_eq!(version("GLIBC_2.2.5"), Some(Version(2, 2)));
    assert_eq!(version("GLIBC_2.34"), Some(Version(2, 34)));
    assert_eq!(version("GCC_4.2.0"), None);
    assert!(version("GLIBC_2.9") < version("GLIBC_2.34"));
    assert!(version("GLIBC_PRIVATE") > version("GLIBC_2.99"));
}

#[test]
fn a_zip_is_the_same_each_time_and_gives_the_program_back() {
    let program = own();
    let zip = archive::zip(&program, &APP_FILES).unwrap();
    assert_eq!(archive::zip(&program, &APP_FILES).unwrap(), zip);
    let mut read = zip::ZipArchive::new(std::io::Cursor::new(&zip)).unwrap();
    assert_eq!(
        read.file_names().map(|name| name.unwrap().into_owned()).collect::<Vec<_>>(),
        [
            archive::ENTRY,
            "users/mysql.toml",
            "users/postgres.toml",
            "schema/mysql.sql",
            "schema/postgres.sql"
        ]
    );
    assert_eq!(read.by_name("users/mysql.toml").unwrap().unix_mode(), Some(0o100_644));
    let mut entry = read.by_index(0).unwrap();
    assert_eq!((&*entry.name().unwrap(), entry.unix_mode()), (archive::ENTRY, Some(0o100_755)));
    assert_eq!(entry.last_modified().map(|time| time.to_string()).as_deref(), Some("1980-01-01 00:00:00"));
    assert!(entry.compressed_size() < entry.size());
    let mut unpacked = Vec::new();
    entry.read_to_end(&mut unpacked).unwrap();
    assert!(unpacked == program, "another program came out");
}

fn packaged(binary: &Path, output: &Path, architecture: Architecture) -> Result<PathBuf, Error> {
    let folder = output.parent().expect("a file in a folder").to_owned();
    let workspace = Workspace { root: folder.clone(), target: folder.clone(), cache: folder };
    let package = Package {
        architecture,
        profile: Profile::Release,
        binary: Some(binary.to_owned()),
        output: Some(output.to_owned()),
        only_here: true,
    };
    run(&package, &workspace, Runner::new(Console::silent()), Console::silent())
}

#[test]
fn a_program_built_elsewhere_is_packaged_and_nothing_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let program = own();
    let binary = folder.path().join("program");
    fs::write(&binary, &program).unwrap();
    let output = folder.path().join("new/package.zip");
    assert_eq!(packaged(&binary, &output, here()).unwrap(), output);
    assert!(fs::read(&output).unwrap() == archive::zip(&program, &APP_FILES).unwrap());
    let files: Vec<_> = fs::read_dir(folder.path().join("new")).unwrap().collect();
    assert_eq!(files.len(), 1, "{files:?}");

    fs::remove_file(&output).unwrap();
    fs::write(&binary, newer(program)).unwrap();
    let error = packaged(&binary, &output, here()).unwrap_err();
    assert!(error.to_string().contains("needs glibc 2.99"), "{error}");
    assert!(!output.exists());
    let error = packaged(&binary, &output, elsewhere()).unwrap_err();
    assert!(error.report().contains("name the processor"), "{}", error.report());
    let error = packaged(&folder.path().join("none"), &output, here()).unwrap_err();
    assert!(error.report().contains("could not read"), "{}", error.report());
    // The folder of the zip is checked before a build.
    let output = Path::new("/proc/no/package.zip");
    let error = packaged(&folder.path().join("none"), output, here()).unwrap_err();
    assert!(error.report().contains("/proc/no"), "{}", error.report());
}

#[test]
fn where_it_is_written() {
    let workspace = Workspace { root: "/r".into(), target: "/t".into(), cache: "/c".into() };
    let file = |arguments: &[&str]| {
        let command =
            <Package as clap::Args>::augment_args(clap::Command::new("package").no_binary_name(true));
        let matches = command.try_get_matches_from(arguments).unwrap();
        let package = <Package as clap::FromArgMatches>::from_arg_matches(&matches).unwrap();
        package.file(&workspace).display().to_string()
    };
    assert_eq!(file(&[]), "/t/lambda/rds-iam-bootstrap-arm64.zip");
    assert_eq!(file(&["--architecture", "x86_64"]), "/t/lambda/rds-iam-bootstrap-x86_64.zip");
    assert_eq!(file(&["--output", "here.zip"]), "here.zip");
}
