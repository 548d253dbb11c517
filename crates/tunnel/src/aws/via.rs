//! The instance of a tunnel, as a person names it.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A managed instance: by its id, or one that has a tag or is in an Auto Scaling group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// `i-…`, or `mi-…` for a machine outside EC2.
    Instance(String),
    /// `tag:KEY=VALUE`
    Tag {
        /// The tag's key.
        key: String,
        /// The tag's value.
        value: String,
    },
    /// `asg:NAME`, an Auto Scaling group.
    Group(String),
}

impl FromStr for Via {
    type Err = ViaError;

    fn from_str(text: &str) -> Result<Self, ViaError> {
        if let Some(name) = text.strip_prefix("asg:") {
            return if name.is_empty() { Err(ViaError) } else { Ok(Self::Group(name.to_owned())) };
        }
        if let Some(tag) = text.strip_prefix("tag:") {
            let (key, value) = tag.split_once('=').ok_or(ViaError)?;
            return if key.is_empty() || value.is_empty() {
                Err(ViaError)
            } else {
                Ok(Self::Tag { key: key.to_owned(), value: value.to_owned() })
            };
        }
        let digits = text.strip_prefix("mi-").or_else(|| text.strip_prefix("i-")).ok_or(ViaError)?;
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if matches!(digits.len(), 8 | 17) && digits.bytes().all(is_hex) {
            Ok(Self::Instance(text.to_owned()))
        } else {
            Err(ViaError)
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(id) => f.write_str(id),
            Self::Tag { key, value } => write!(f, "tag:{key}={value}"),
            Self::Group(name) => write!(f, "asg:{name}"),
        }
    }
}

/// A text that names no managed instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "expected an instance (i-0123456789abcdef0), a tag (tag:KEY=VALUE) or an Auto Scaling group (asg:NAME)"
)]
#[non_exhaustive]
pub struct ViaError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_named_by_id_tag_or_group() {
        for (text, via) in [
            ("i-0123456789abcdef0", Via::Instance("i-0123456789abcdef0".into())),
            ("i-01234567", Via::Instance("i-01234567".into())),
            ("mi-0123456789abcdef0", Via::Instance("mi-0123456789abcdef0".into())),
            ("tag:Name=a=b", Via::Tag { key: "Name".into(), value: "a=b".into() }),
            (
                "tag:aws:cloudformation:stack-name=x",
                Via::Tag { key: "aws:cloudformation:stack-name".into(), value: "x".into() },
            ),
            ("asg:orders-dev", Via::Group("orders-dev".into())),
        ] {
            assert_eq!(text.parse(), Ok(via.clone()), "{text}");
            assert_eq!(via.to_string(), text);
        }
        for text in [
            "",
            "i-",
            "i-0123",
            "i-0123456789ABCDEF0",
            "i-0123456789abcdeg0",
            "tag:Name",
            "tag:=x",
            "tag:Name=",
            "asg:",
        ] {
            assert_eq!(text.parse::<Via>(), Err(ViaError), "{text}");
        }
    }
}
