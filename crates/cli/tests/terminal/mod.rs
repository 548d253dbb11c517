//! A terminal for the program under test, opened by `script` of util-linux.

use std::process::Command;

/// The columns of the terminal: more than any line of the tests has.
pub(crate) const COLUMNS: usize = 400;

/// Returns the command that runs a program on a terminal, with the same status and environment. What the terminal shows
/// is its standard output.
#[expect(clippy::disallowed_methods, reason = "the program under test runs on a terminal")]
pub(crate) fn on_terminal(program: &str, arguments: &[&str]) -> Command {
    let words = [program].into_iter().chain(arguments.iter().copied());
    let line = format!("stty rows 50 cols {COLUMNS}; exec {}", shlex::try_join(words).unwrap());
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    command
}

/// Returns whether an output sets colours or styles: a sequence `ESC [ … m`.
pub(crate) fn is_styled(output: &str) -> bool {
    output.split("\u{1b}[").skip(1).any(|rest| {
        let end = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        end.starts_with('m')
    })
}
