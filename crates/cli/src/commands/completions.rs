//! `rds-iam completions`: prints the completions of a shell.

use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{Failure, print_generated};

/// Print the completions of this command for a shell
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rds-iam completions bash > ~/.local/share/bash-completion/completions/rds-iam
  rds-iam completions zsh > ~/.zfunc/_rds-iam   # ~/.zfunc is in fpath
  rds-iam completions fish > ~/.config/fish/completions/rds-iam.fish

Exit status:
  0   the completions are printed
  64  invalid arguments")]
pub(crate) struct Arguments {
    /// Shell to complete in
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut crate::Arguments::command(), crate::NAME, &mut script);
    print_generated(&script)?;
    Ok(ExitCode::SUCCESS)
}
