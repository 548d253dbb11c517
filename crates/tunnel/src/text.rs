//! Texts of the service and of agents, on their way into messages and logs.

/// Escapes control characters, line breaks included, so that a text of another machine can't steer a terminal or begin
/// a line of its own, which a log or a CI system would take for one of this program.
pub(crate) fn escape(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_line_breaks_are_escaped() {
        assert_eq!(escape("é\u{1b}[2J\u{9b}\r\n::error::x"), "é\\u{1b}[2J\\u{9b}\\r\\n::error::x");
    }
}
