//! Names of the server in texts for an operator.

/// Returns a name for display: escaped, so that no control character moves the terminal's cursor.
pub(crate) fn visible(name: &str) -> String {
    let mut shown = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_control() { shown.extend(c.escape_debug()) } else { shown.push(c) }
    }
    shown
}
