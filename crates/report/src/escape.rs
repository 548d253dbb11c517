//! Texts of files and servers, on their way to a terminal.

/// Escapes the control characters that serde_json leaves in strings (U+007F to U+009F), so that a JSON text can't steer
/// a terminal. Line breaks and indentation stay.
///
/// ```
/// let json = rds_iam_report::escape_json("{\n  \"name\": \"\u{9b}2J\"\n}");
/// assert_eq!(json, "{\n  \"name\": \"\\u009b2J\"\n}");
/// ```
#[must_use]
pub fn escape_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if matches!(c, '\u{7f}'..='\u{9f}') {
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

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
