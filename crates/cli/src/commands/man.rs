//! `rds-iam man`: prints or writes the manual pages.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use crate::{Failure, print_generated, replace};

/// Print the manual page, or write those of all commands
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rds-iam man | man --local-file -
  rds-iam man --out ~/.local/share/man/man1

Exit status:
  0   the page is printed, or all pages are written
  1   the folder can't be written
  64  invalid arguments")]
pub(crate) struct Arguments {
    /// Write one page for each command to this folder, which must exist
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let mut command = crate::Arguments::command();
    // Gives each subcommand its whole name, such as rds-iam-image-push.
    command.build();
    match &arguments.out {
        None => print_generated(page(&command)?.as_bytes())?,
        Some(folder) => write_pages(&command, folder)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn write_pages(command: &Command, folder: &Path) -> Result<(), Failure> {
    for subcommand in command.get_subcommands().filter(|command| command.get_name() != "help") {
        write_pages(subcommand, folder)?;
    }
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    replace(&folder.join(format!("{name}.1")), &page(command)?)
}

fn page(command: &Command) -> Result<String, Failure> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    Ok(String::from_utf8(page)?)
}
