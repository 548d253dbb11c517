//! What a person sees: headings or log groups, echoed commands, tables, colours where they help.

use std::io::{self, IsTerminal, Write};

/// How to write to this terminal, file or CI log. Everything goes to standard output, so that a
/// command's own output and what is said about it stay in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Console {
    colours: bool,
    github: bool,
    out: fn() -> Box<dyn Write>,
}

/// The few styles in use, as SGR codes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Style {
    Heading,
    Quiet,
    Good,
    Bad,
    Warning,
}

impl Console {
    /// Colours on a terminal unless `NO_COLOR` is set (to anything but nothing); log groups on
    /// GitHub Actions.
    pub(crate) fn from_env() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        Self {
            colours: io::stdout().is_terminal() && !set("NO_COLOR"),
            github: std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true"),
            out: || Box::new(io::stdout()),
        }
    }

    /// Says nothing: the unit tests' output is their own.
    #[cfg(test)]
    pub(crate) fn silent() -> Self {
        Self { colours: false, github: false, out: || Box::new(io::sink()) }
    }

    /// Where all output goes.
    pub(crate) fn out(self) -> Box<dyn Write> {
        (self.out)()
    }

    /// Whether programs that are started may write colours too.
    pub(crate) fn colours(self) -> bool {
        self.colours
    }

    /// `text` in a style, if this console shows any.
    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Heading => "1",
            Style::Quiet => "2",
            Style::Good => "32",
            Style::Bad => "1;31",
            Style::Warning => "33",
        };
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// One line. A reader that has gone away (`| head`) is no reason to stop the work.
    pub(crate) fn line(self, text: &str) {
        drop(writeln!(self.out(), "{text}"));
    }

    /// Begins a part of the output that ends when the value returned is dropped: a log group that
    /// folds on GitHub Actions, a heading elsewhere.
    #[must_use = "the group ends when this is dropped"]
    pub(crate) fn group(self, title: &str) -> Group {
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
pub(crate) struct Group(Console);

impl Drop for Group {
    fn drop(&mut self) {
        if self.0.github {
            self.0.line("::endgroup::");
        }
    }
}

/// Rows under their headers, each column as wide as its widest cell. The last column is not padded.
pub(crate) fn table<const N: usize>(headers: [&str; N], rows: &[[String; N]]) -> Vec<String> {
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    thread_local!(static WRITTEN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) });

    struct Written;

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            WRITTEN.with_borrow_mut(|written| written.extend_from_slice(bytes));
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What a console writes when a group holds one line.
    fn a_group(colours: bool, github: bool) -> String {
        let console = Console { colours, github, out: || Box::new(Written) };
        {
            let _group = console.group("lints");
            console.line("inside");
        }
        String::from_utf8(WRITTEN.take()).expect("text")
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
