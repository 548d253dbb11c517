//! What stands in a connection string in the place of a password.

/// The text in the place of the password, which a token replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Password {
    /// There is none.
    None,
    /// A placeholder, such as `$TOKEN`.
    Placeholder,
    /// Any other text. It was dropped, and is kept nowhere.
    Dropped,
}

impl Password {
    /// Decides what a text is, without keeping it.
    pub(super) fn classify(text: Option<&str>) -> Self {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Self::None };
        let is_name =
            |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let braced = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        let variable = braced.or_else(|| text.strip_prefix('$')).is_some_and(is_name);
        let bracketed = text.starts_with('<') && text.ends_with('>') && text.len() <= 32;
        let word = ["PLACEHOLDER", "TOKEN"].iter().any(|word| text.eq_ignore_ascii_case(word));
        if variable || bracketed || word { Self::Placeholder } else { Self::Dropped }
    }
}
