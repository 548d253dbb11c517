//! Checks before the deployment that a program file can run on Amazon Linux 2023.
//!
//! A program that needs a newer C library than the machine has ends before its first line, and Lambda shows
//! only an exit status.

use std::fmt;

use object::LittleEndian;
use object::elf::{self, FileHeader64};
use object::read::elf::FileHeader;

use super::{Architecture, ELSEWHERE};

/// The version of the C library in Amazon Linux 2023. Source: "Comparing AL2 and AL2023", Amazon Linux 2023
/// User Guide.
pub(super) const GLIBC: Version = Version(2, 34);

/// The libraries that the runtime `provided.al2023` certainly has, since they belong to the C library and
/// gcc.
const LIBRARIES: [&str; 9] = [
    "ld-linux-aarch64.so.1",
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
    "libutil.so.1",
];

/// A version of the C library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u16, pub(crate) u16);

/// The reason why a program would not start on Amazon Linux 2023.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("it is no 64-bit Linux program ({0})")]
    NotElf(String),
    #[error("it is built for another processor than {0}")]
    Processor(&'static str),
    #[error("it needs glibc {0}, and Amazon Linux 2023 has {GLIBC}")]
    Glibc(Version),
    #[error("it needs the library {0}, which Amazon Linux 2023 may not have")]
    Library(String),
}

impl Refusal {
    /// Returns the remedy.
    pub(crate) fn help(&self, architecture: Architecture) -> String {
        match self {
            Self::NotElf(_) => ELSEWHERE.to_owned(),
            Self::Processor(_) => "name the processor that it is built for with --architecture".to_owned(),
            Self::Glibc(_) => format!(
                "package without --binary, which builds it for glibc {GLIBC}; or build it with `cargo zigbuild --release \
                 --package rds-iam-bootstrap --bin rds-iam-bootstrap-lambda --target {}.{GLIBC}`",
                architecture.target()
            ),
            Self::Library(_) => "leave out the dependency that links to it, or link it statically".to_owned(),
        }
    }
}

/// Checks the processor, libraries and versions.
pub(crate) fn runs_on_amazon_linux(program: &[u8], architecture: Architecture) -> Result<(), Refusal> {
    let needs = needs(program).map_err(|error| Refusal::NotElf(error.to_string()))?;
    let machine = match architecture {
        Architecture::Arm64 => elf::EM_AARCH64,
        Architecture::X86_64 => elf::EM_X86_64,
    };
    if needs.machine != machine {
        return Err(Refusal::Processor(architecture.name()));
    }
    if let Some(name) = needs.libraries.into_iter().find(|name| !LIBRARIES.contains(&name.as_str())) {
        return Err(Refusal::Library(name));
    }
    match needs.glibc.filter(|newest| *newest > GLIBC) {
        Some(newest) => Err(Refusal::Glibc(newest)),
        None => Ok(()),
    }
}

/// The requirements of a program.
#[derive(Debug)]
struct Needs {
    machine: elf::Machine,
    libraries: Vec<String>,
    glibc: Option<Version>,
}

fn needs(program: &[u8]) -> object::read::Result<Needs> {
    let header = FileHeader64::<LittleEndian>::parse(program)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, program)?;
    let dynamic = sections.dynamic_table(endian, program)?;
    let names = dynamic.iter().filter(|entry| entry.tag == elf::DT_NEEDED);
    let names = names.map(|entry| Ok(String::from_utf8_lossy(dynamic.string(entry)?).into_owned()));
    let libraries = names.collect::<object::read::Result<Vec<_>>>()?;
    let mut glibc = None;
    if let Some((mut files, strings)) = sections.gnu_verneed(endian, program)? {
        let strings = sections.strings(endian, program, strings)?;
        while let Some((_, mut versions)) = files.next()? {
            while let Some(version) = versions.next()? {
                // The loader also ignores a weak reference.
                if version.vna_flags.get(endian).contains(elf::VER_FLG_WEAK) {
                    continue;
                }
                let name = String::from_utf8_lossy(version.name(endian, strings)?);
                glibc = glibc.max(Version::of_glibc(&name));
            }
        }
    }
    Ok(Needs { machine: header.e_machine(endian), libraries, glibc })
}

impl Version {
    /// Parses `GLIBC_2.34` and `GLIBC_2.2.5`; `None` for the versions of other libraries.
    pub(super) fn of_glibc(name: &str) -> Option<Self> {
        let mut numbers = name.strip_prefix("GLIBC_")?.split('.').map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Some(Self(major, minor)),
            // GLIBC_PRIVATE and GLIBC_ABI_DT_RELR are treated as features of the newest version.
            _ => Some(Self(u16::MAX, 0)),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}
