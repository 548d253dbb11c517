//! Output for the operator, to standard output or to the log file of one part of a run: headings or log
//! groups, tables, colours on a terminal, and error annotations on GitHub Actions.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The output settings for a terminal, a file or a CI log. Everything is written to standard output, so that
/// the output of commands and the messages about them stay in order.
#[derive(Clone, Copy, Debug)]
pub struct Console {
    colours: bool,
    github: bool,
    to: To,
}

/// The destination of the output.
#[derive(Clone, Copy, Debug)]
enum To {
    Stdout,
    /// The log of one part of a run; it lives as long as the process.
    Log(&'static Log),
    Nowhere,
}

/// The log of one part of a run: a file, its last line for the live display, and also standard output if no
/// other part runs at the same time.
#[derive(Debug)]
pub struct Log {
    file: Mutex<File>,
    last: Mutex<String>,
    also_stdout: bool,
}

impl Log {
    /// Creates a log file and removes an earlier one.
    ///
    /// # Errors
    /// Returns an error if the file can't be created.
    pub fn create(path: &Path, also_stdout: bool) -> io::Result<&'static Self> {
        let file = Mutex::new(File::create(path)?);
        // There are a few logs per run, and consoles are copied everywhere.
        Ok(Box::leak(Box::new(Self { file, last: Mutex::default(), also_stdout })))
    }

    /// Returns the last line that is not blank.
    pub fn last_line(&self) -> String {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Write for &Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(bytes)?;
        if let Some(line) = String::from_utf8_lossy(bytes).lines().rfind(|line| !line.trim().is_empty()) {
            line.trim().clone_into(&mut self.last.lock().unwrap_or_else(PoisonError::into_inner));
        }
        if self.also_stdout {
            // A closed reader must not end the log.
            drop(io::stdout().write_all(bytes));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.also_stdout { io::stdout().flush() } else { Ok(()) }
    }
}

/// The output styles, as SGR codes.
#[derive(Clone, Copy, Debug)]
pub enum Style {
    /// Bold: the heading of a part.
    Heading,
    /// Dim: details.
    Quiet,
    /// Green.
    Good,
    /// Bold and red.
    Bad,
    /// Yellow.
    Warning,
}

impl Console {
    /// Creates a console with colours on a terminal unless `NO_COLOR` is set to a non-empty value, and log
    /// groups on GitHub Actions.
    pub fn from_env() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        Self {
            colours: io::stdout().is_terminal() && !set("NO_COLOR"),
            github: std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true"),
            to: To::Stdout,
        }
    }

    /// Returns a console that writes to the log of one part of a run. It uses no colours or groups, which are
    /// for a terminal.
    pub fn log(self, log: &'static Log) -> Self {
        let live = log.also_stdout;
        Self { colours: self.colours && live, github: self.github && live, to: To::Log(log) }
    }

    /// Returns whether the output is an interactive terminal, on which lines can be overwritten.
    pub fn is_live(self) -> bool {
        matches!(self.to, To::Stdout) && io::stdout().is_terminal() && !self.github
    }

    /// Returns whether the output is a GitHub Actions log.
    pub fn is_github(self) -> bool {
        self.github
    }

    /// Creates a console that discards all output, for unit tests.
    pub fn silent() -> Self {
        Self { colours: false, github: false, to: To::Nowhere }
    }

    /// Returns the writer of all output.
    pub fn out(self) -> Box<dyn Write> {
        match self.to {
            To::Stdout => Box::new(io::stdout()),
            To::Log(log) => Box::new(log),
            To::Nowhere => Box::new(io::sink()),
        }
    }

    /// Returns whether started programs may also use colours.
    pub fn colours(self) -> bool {
        self.colours
    }

    /// Returns `text` in a style, if this console uses styles.
    pub fn paint(self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Heading => "1",
            Style::Quiet => "2",
            Style::Good => "32",
            Style::Bad => "1;31",
            Style::Warning => "33",
        };
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Prints one line. A closed reader (`| head`) does not stop the work.
    pub fn line(self, text: &str) {
        drop(writeln!(self.out(), "{text}"));
    }

    /// Begins a section of the output that ends when the returned value is dropped: a collapsible log group
    /// on GitHub Actions, a heading elsewhere.
    #[must_use = "the group ends when this is dropped"]
    pub fn group(self, title: &str) -> Group {
        if self.github {
            self.line(&format!("::group::{title}"));
        } else {
            self.line(&format!("\n{}", self.paint(Style::Heading, &format!("== {title}"))));
        }
        Group(self)
    }
}

/// An open log group; see [`Console::group`].
#[derive(Debug)]
pub struct Group(Console);

impl Drop for Group {
    fn drop(&mut self) {
        if self.0.github {
            self.0.line("::endgroup::");
        }
    }
}

/// Formats rows below their headers, each column as wide as its widest cell. The last column is not padded.
pub fn table<const N: usize>(headers: [&str; N], rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).max(headers[column].len())
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |cells: [&str; N]| {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        line.trim_end().to_owned()
    };
    std::iter::once(line(headers))
        .chain(rows.iter().map(|row| line(row.each_ref().map(String::as_str))))
        .collect()
}

/// Returns the GitHub Actions workflow command that shows an error above the log and on the pull request.
pub fn annotation(title: &str, message: &str, help: Option<&str>) -> String {
    let mut text = message.to_owned();
    if let Some(help) = help {
        text.push_str(&format!("\nhelp: {help}"));
    }
    // The same escaping of messages and properties as in GitHub's own toolkit.
    let escaped = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let title = title.replace(',', "%2C");
    format!("::error title={title}::{escaped}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_is_one_line() {
        assert_eq!(
            annotation("plan", "100 % wrong\nin a", Some("fix it")),
            "::error title=plan::100 %25 wrong%0Ain a%0Ahelp: fix it"
        );
    }

    /// Returns the output of a console for a group with one line.
    fn a_group(colours: bool, github: bool) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = Log::create(&path, false).unwrap();
        let console = Console { colours, github, to: To::Log(log) };
        {
            let _group = console.group("lints");
            console.line("inside");
        }
        assert_eq!(log.last_line(), if github { "::endgroup::" } else { "inside" });
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_group_folds_on_ci_and_is_a_heading_elsewhere() {
        assert_eq!(a_group(false, true), "::group::lints\ninside\n::endgroup::\n");
        assert_eq!(a_group(false, false), "\n== lints\ninside\n");
        assert_eq!(a_group(true, false), "\n\x1b[1m== lints\x1b[0m\ninside\n");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a".to_owned(), "1".to_owned()], ["longest".to_owned(), "22".to_owned()]];
        assert_eq!(table(["name", "n"], &rows), ["name     n", "a        1", "longest  22"]);
    }
}
