//! Texts of files and servers, on their way to a terminal.

/// Escapes control characters, so that a text of a file or a server can't steer a terminal or forge a line.
///
/// ```
/// assert_eq!(rds_iam_report::escape_control("é\u{1b}[2J\n"), "é\\u{1b}[2J\\n");
/// ```
#[must_use]
pub fn escape_control(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    escaped
}
