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
    let page = String::from_utf8(page)?;
    let after = command.get_after_long_help().or_else(|| command.get_after_help());
    let (Some(after), Some((before, rest))) = (after, page.split_once(EXTRA)) else { return Ok(page) };
    let rest = rest.find("\n.SH ").map_or("", |end| &rest[end + 1..]);
    Ok(format!("{before}\n{}{rest}", sections(&after.to_string())))
}

/// The headings of the text after the help that are sections of the page.
const HEADINGS: [&str; 3] = ["Environment:", "Examples:", "Exit status:"];

/// Returns the text after the help as sections. The text before the first heading, such as permissions, is one, too.
fn sections(text: &str) -> String {
    let mut sections = vec![("NOTES".to_owned(), String::new())];
    for line in text.lines() {
        match sections.last_mut() {
            Some((_, lines)) if !HEADINGS.contains(&line) => *lines += &(verbatim(line) + "\n"),
            _ => sections.push((line.trim_end_matches(':').to_uppercase(), String::new())),
        }
    }
    let sections = sections.iter().filter(|(_, lines)| !lines.is_empty());
    sections.map(|(name, lines)| format!(".SH {name}\n.nf\n{}\n.fi\n", lines.trim_end())).collect()
}

/// The section that clap_mangen makes of the text after the help: filled, so that a reader can't copy its commands.
const EXTRA: &str = "\n.SH EXTRA\n";

/// Returns a line for roff that is shown as it is, with the characters of ASCII.
fn verbatim(line: &str) -> String {
    // A line that begins with one of these would be a request to roff.
    let start = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
    let mut escaped = start.to_owned();
    for character in line.chars() {
        match character {
            '\\' => escaped.push_str("\\(rs"),
            '-' => escaped.push_str("\\-"),
            '\'' => escaped.push_str("\\(aq"),
            '`' => escaped.push_str("\\(ga"),
            '^' => escaped.push_str("\\(ha"),
            '~' => escaped.push_str("\\(ti"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_after_the_help_is_verbatim_under_its_headings() {
        let mut command = crate::Arguments::command();
        command.build();
        let main = page(&command).unwrap();
        assert!(main.contains(".SH VERSION\n") && !main.contains("EXTRA"), "{main}");
        let connect = command.find_subcommand("connect").unwrap();
        let page = page(connect).unwrap();
        let examples = page.split(".SH EXAMPLES\n.nf\n").nth(1).and_then(|rest| rest.split("\n.fi\n").next());
        let examples = examples.unwrap();
        let example = r"  rds\-iam connect orders \-\- mysql \-e \(aqselect current_user()\(aq";
        assert!(examples.lines().any(|line| line == example), "{examples}");
        let names: Vec<_> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
        assert!(names.windows(3).any(|names| names == ["NOTES", "EXAMPLES", "EXIT STATUS"]), "{names:?}");
        let help = connect.get_after_help().unwrap().to_string();
        for line in help.lines().filter(|line| !HEADINGS.contains(line)) {
            assert!(page.lines().any(|found| found == verbatim(line)), "{line}");
        }
        assert_eq!(verbatim(r".'a\b`~^"), r"\&.\(aqa\(rsb\(ga\(ti\(ha");
    }
}
