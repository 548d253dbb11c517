//! `cargo xtask infra package`: the bootstrap program as a zip that AWS Lambda runs on Amazon Linux 2023,
//! independent of the build machine. It is built with zig: docs/adr/0013-lambda-package.md.

mod archive;
mod elf;

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;
use sha2::{Digest, Sha256};
use xshell::cmd;

use rds_iam_process::console::Console;
use rds_iam_process::error::Error;
use rds_iam_process::file;
use rds_iam_process::runner::{Cmd, Runner};
use rds_iam_process::tools;
use rds_iam_process::workspace::{CARGO_HELP, Workspace};

/// The program of the Lambda function.
const PROGRAM: &str = "rds-iam-bootstrap-lambda";

/// The app's users file for each engine, one of which the function reads if `RDS_IAM_USERS` is not set, and the
/// schemas that they name.
const APP_FILES: [(&str, &str); 4] = [
    ("users/mysql.toml", include_str!("../../../crates/app/users/mysql.toml")),
    ("users/postgres.toml", include_str!("../../../crates/app/users/postgres.toml")),
    ("schema/mysql.sql", include_str!("../../../crates/app/schema/mysql.sql")),
    ("schema/postgres.sql", include_str!("../../../crates/app/schema/postgres.sql")),
];

/// The maximum size of a zip that Lambda accepts in a request: 50 MB. Source: "Lambda quotas", AWS Lambda
/// Developer Guide.
const LARGEST_ZIP: u64 = 50 * 1024 * 1024;

/// The arguments of `cargo xtask infra package`.
#[derive(Clone, Debug, clap::Args)]
pub struct Package {
    /// The processor that the function runs on
    #[arg(long, value_enum, default_value_t = Architecture::Arm64)]
    architecture: Architecture,
    /// Cargo's profile; dev is fast if the workspace is built already, but the package is larger
    #[arg(long, value_enum, default_value_t = Profile::Release)]
    profile: Profile,
    /// The program to package, built elsewhere for that processor; default: one is built
    #[arg(long, value_name = "FILE", conflicts_with = "profile")]
    binary: Option<PathBuf>,
    /// Where to write the zip [default: lambda/rds-iam-bootstrap-ARCHITECTURE.zip in cargo's target folder]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Whether the package is only for this machine and never deployed to AWS.
    #[arg(skip)]
    only_here: bool,
}

/// A processor, by Lambda's name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names say all, and documentation would be in --help")]
pub enum Architecture {
    Arm64,
    #[value(name = "x86_64")]
    X86_64,
}

/// One of cargo's profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names say all, and documentation would be in --help")]
pub enum Profile {
    Release,
    Dev,
}

impl Package {
    /// Returns the development build for this machine's architecture, for `infra local`, where no Lambda
    /// starts it. Built like a release, but faster.
    pub fn of_this_machine() -> Self {
        let arm = cfg!(target_arch = "aarch64");
        let architecture = if arm { Architecture::Arm64 } else { Architecture::X86_64 };
        Self { architecture, profile: Profile::Dev, binary: None, output: None, only_here: true }
    }

    /// Returns the release build for an architecture, given by Terraform's name.
    ///
    /// # Errors
    /// Returns an error if Lambda does not support the architecture.
    pub fn release(architecture: &str) -> Result<Self, Error> {
        let architecture = Architecture::from_str(architecture, false).map_err(|_| Error::Found {
            found: format!("bootstrap.architecture is {architecture:?}"),
            help: "Lambda has arm64 and x86_64".to_owned(),
        })?;
        Ok(Self { architecture, profile: Profile::Release, binary: None, output: None, only_here: false })
    }

    /// Returns the same package with another output path.
    #[must_use]
    pub fn to(self, output: PathBuf) -> Self {
        Self { output: Some(output), ..self }
    }

    /// Returns the path of the zip.
    pub fn file(&self, workspace: &Workspace) -> PathBuf {
        // Not in the folder of a release, so that it is not deployed.
        let folder = if self.only_here { "infra" } else { "lambda" };
        let name = format!("{folder}/rds-iam-bootstrap-{}.zip", self.architecture.name());
        self.output.clone().unwrap_or_else(|| workspace.target.join(name))
    }
}

impl Architecture {
    /// Returns the name that Lambda and Terraform use.
    fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        }
    }

    /// Returns the name that Rust and C compilers use.
    fn processor(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64",
            Self::X86_64 => "x86_64",
        }
    }

    fn target(self) -> String {
        format!("{}-unknown-linux-gnu", self.processor())
    }
}

/// Builds and writes the package, and returns its path.
///
/// # Errors
/// Returns an error if it cannot be built, or could not run on Amazon Linux 2023.
pub fn run(
    package: &Package,
    workspace: &Workspace,
    runner: Runner,
    console: Console,
) -> Result<PathBuf, Error> {
    let output = package.file(workspace);
    file::check_writable(&output)?;
    let binary = match &package.binary {
        Some(binary) => binary.clone(),
        None => build(package, workspace, console, runner)?,
    };
    let program = fs::read(&binary).map_err(file::failed("read", &binary))?;
    if let Err(refusal) = elf::runs_on_amazon_linux(&program, package.architecture) {
        let found = format!("{} can't be a Lambda function: {refusal}", binary.display());
        return Err(Error::Found { found, help: refusal.help(package.architecture) });
    }
    let zip = archive::zip(&program, &APP_FILES).map_err(file::failed("compress", &binary))?;
    let size = zip.len() as u64;
    if size > LARGEST_ZIP {
        let found =
            format!("the zip of {} has {size} bytes, and Lambda takes {LARGEST_ZIP}", binary.display());
        return Err(Error::Found { found, help: "package a release build: --profile release".to_owned() });
    }
    file::replace(&output, &zip)?;
    let digest = Sha256::digest(&zip);
    console.line(&format!("wrote {} for {}", output.display(), package.architecture.name()));
    console.line(&format!("  bytes       {size}"));
    console.line(&format!("  sha256      {}", hex::encode(digest)));
    // The value that `aws lambda get-function` and Terraform's source_code_hash show.
    console.line(&format!("  CodeSha256  {}", STANDARD.encode(digest)));
    Ok(output)
}

/// Builds the program for the C library of Amazon Linux 2023, independent of this machine's, and returns the
/// path of cargo's output.
fn build(
    package: &Package,
    workspace: &Workspace,
    console: Console,
    runner: Runner,
) -> Result<PathBuf, Error> {
    let target = package.architecture.target();
    has_standard_library(&target, workspace, runner)?;
    let zigbuild = tools::zigbuild(workspace, console, runner)?;
    let cache = workspace.cache.join("zig");
    // The same bytes regardless of the location of dependencies' sources.
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let paths =
        [Some((workspace.root.as_path(), "/src")), cargo_home.as_deref().map(|home| (home, "/cargo"))];
    let flags = paths.into_iter().flatten();
    let flags = flags.map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()));
    let settings = [
        ("CARGO_ENCODED_RUSTFLAGS", flags.collect::<Vec<_>>().join("\x1f")),
        ("CARGO_ZIGBUILD_ZIG_PATH", zigbuild.zig.display().to_string()),
        ("CARGO_ZIGBUILD_CACHE_DIR", cache.display().to_string()),
        ("ZIG_GLOBAL_CACHE_DIR", cache.join("global").display().to_string()),
    ];
    let build = zigbuild.program.cmd(&workspace.root).settings(&settings).args([
        "zigbuild".to_owned(),
        "--locked".to_owned(),
        "--package".to_owned(),
        "rds-iam-bootstrap".to_owned(),
        "--bin".to_owned(),
        PROGRAM.to_owned(),
        "--target".to_owned(),
        format!("{target}.{}", elf::GLIBC),
        "--target-dir".to_owned(),
        workspace.target.display().to_string(),
    ]);
    let release = package.profile == Profile::Release;
    let build = if release { build.args(["--release"]) } else { build };
    runner.run(&build.hint("the compiler's message above says what to fix"))?;
    let folder = if release { "release" } else { "debug" };
    Ok(workspace.target.join(target).join(folder).join(PROGRAM))
}

/// Checks before the build that Rust's standard library for the target is installed.
fn has_standard_library(target: &str, workspace: &Workspace, runner: Runner) -> Result<(), Error> {
    let shell = workspace.shell();
    let ask = Cmd::from_xshell(cmd!(shell, "rustc --print target-libdir --target {target}"), CARGO_HELP)
        .hint(format!("rustc has to support {target}"));
    let libraries = runner.ask(&ask)?;
    if Path::new(libraries.trim()).is_dir() {
        return Ok(());
    }
    Err(Error::Found {
        found: format!("Rust's standard library for {target} is not installed"),
        help: format!("rustup target add {target}; or {ELSEWHERE}"),
    })
}

/// The remedy that works on every machine.
const ELSEWHERE: &str =
    "build rds-iam-bootstrap-lambda on a machine of that processor and give it with --binary";

#[cfg(test)]
mod tests;
