//! One process of the AWS provider for all tests of modules. Terraform would start one for each test, which takes longer
//! than the test: the provider describes 1,500 resources whenever it starts. Only for tests and validation, which
//! configure no provider: a shared one would have the settings of the last caller.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use rds_iam_process::error::Error;
use rds_iam_process::runner::Cmd;

use super::terraform::{PROVIDER_HELP, Terraform};

/// The provider's folder below that of an initialised module; below it are version and platform.
const FOLDER: &str = ".terraform/providers/registry.terraform.io/hashicorp/aws";

/// The variable by which Terraform uses a provider that runs already, and by which the provider prints its address.
const VARIABLE: &str = "TF_REATTACH_PROVIDERS";

/// A script that ends the provider when its standard input closes, as it does if this process is killed.
const UNTIL_STDIN_CLOSES: &str = "\"$1\" -debug </dev/null & read -r _; kill $!; wait";

/// A running provider. Dropping it ends it.
#[derive(Debug)]
pub(super) struct SharedProvider {
    child: Child,
    stdin: Option<ChildStdin>,
    /// Open until the end: the provider writes more, and would end at a closed pipe.
    stdout: Option<BufReader<ChildStdout>>,
    address: String,
}

impl SharedProvider {
    /// Starts the provider that `terraform init` has put into `root`, where it was checked against the lock file.
    ///
    /// # Errors
    /// Returns an error if there is none, or it does not print its address.
    pub(super) fn start(terraform: &Terraform, root: &Path) -> Result<Self, Error> {
        let program = find(&root.join(FOLDER))?;
        let cmd = terraform
            .tool("sh", root, PROVIDER_HELP)
            .args(["-c", UNTIL_STDIN_CLOSES, "sh"])
            .args([program.display().to_string()]);
        let mut process = cmd.process();
        process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = process.spawn().map_err(|source| Error::Run(cmd.not_started(source)))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().map(BufReader::new));
        let mut provider = Self { child, stdin, stdout, address: String::new() };
        let lines = provider.stdout.as_mut().into_iter().flat_map(BufRead::lines);
        let found = lines.map_while(Result::ok).find_map(|line| address(&line));
        provider.address = found.ok_or_else(|| Error::Answer {
            command: cmd.shown(),
            what: format!("it ended without a line with {VARIABLE}"),
        })?;
        Ok(provider)
    }

    /// Returns the command with this provider.
    pub(super) fn attached(&self, cmd: Cmd) -> Cmd {
        cmd.settings(&[(VARIABLE, &self.address)])
    }
}

impl Drop for SharedProvider {
    fn drop(&mut self) {
        self.stdin = None;
        // It ends with its input.
        drop(self.child.wait());
    }
}

/// Returns the provider's program below `folder`.
fn find(folder: &Path) -> Result<PathBuf, Error> {
    let mut folder = folder.to_owned();
    for _ in 0..3 {
        let entries = std::fs::read_dir(&folder).map_err(|source| Error::File {
            action: "read",
            path: folder.clone(),
            source,
        })?;
        let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        let is_program = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("terraform-provider-aws"))
        };
        let program = paths.iter().find(|path| is_program(path));
        match program.or_else(|| paths.iter().find(|path| path.is_dir())) {
            Some(found) if is_program(found) => return Ok(found.clone()),
            Some(below) => folder.clone_from(below),
            None => break,
        }
    }
    Err(Error::Found {
        found: format!("{} has no program of the AWS provider", folder.display()),
        help: PROVIDER_HELP.to_owned(),
    })
}

/// Returns the value in the provider's line `TF_REATTACH_PROVIDERS='…'`.
fn address(line: &str) -> Option<String> {
    let (_, quoted) = line.split_once(VARIABLE)?;
    let value = quoted.strip_prefix("='")?.strip_suffix('\'')?;
    Some(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_provider_s_line() {
        let line = "\tTF_REATTACH_PROVIDERS='{\"registry.terraform.io/hashicorp/aws\":{\"Pid\":1}}'";
        assert_eq!(address(line).as_deref(), Some("{\"registry.terraform.io/hashicorp/aws\":{\"Pid\":1}}"));
        assert_eq!(
            address("To attach Terraform CLI, set the TF_REATTACH_PROVIDERS environment variable:"),
            None
        );
    }

    #[test]
    fn the_program_is_found_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        assert!(find(folder.path()).is_err());
        let platform = folder.path().join("5.100.0/linux_amd64");
        std::fs::create_dir_all(&platform).unwrap();
        assert!(find(folder.path()).is_err());
        for name in ["LICENSE.txt", "terraform-provider-aws_v5.100.0_x5"] {
            std::fs::write(platform.join(name), "").unwrap();
        }
        assert!(find(folder.path()).unwrap().ends_with("linux_amd64/terraform-provider-aws_v5.100.0_x5"));
    }
}
