//! Names of images: digest, repository and tag.

use std::fmt;
use std::str::FromStr;

/// The SHA-256 digest of a manifest or blob: `sha256:` and 64 hex digits. It identifies an image, independent
/// of its tags.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String")]
pub struct Digest(String);

impl Digest {
    /// Computes the digest of `bytes`.
    pub fn sha256(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        let digest = sha2::Sha256::digest(bytes);
        Self(format!("sha256:{}", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
    }

    /// Returns the digest with its prefix `sha256:`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the 64 hex digits without the prefix.
    pub fn hex(&self) -> &str {
        &self.0["sha256:".len()..]
    }
}

impl FromStr for Digest {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_hex =
            |hex: &str| hex.len() == 64 && hex.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        if text.strip_prefix("sha256:").is_some_and(is_hex) {
            return Ok(Self(text.to_owned()));
        }
        Err(NameError { given: text.to_owned(), expected: "a digest: sha256: and 64 lower-case hex digits" })
    }
}

impl TryFrom<String> for Digest {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An image repository, registry and path, in the format of `app.repository_url` in Terraform's outputs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository {
    registry: String,
    path: String,
}

impl Repository {
    /// Returns the registry's host, with its port if it has one.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Returns the repository's name in its registry.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the registry's account, if its host is an ECR host.
    pub fn account(&self) -> Option<&str> {
        let (account, rest) = self.registry.split_once('.')?;
        (rest.starts_with("dkr.ecr.") && account.len() == 12).then_some(account)
    }

    /// Returns the full name of an image, `<repository>@<digest>`.
    pub fn image(&self, digest: &Digest) -> String {
        format!("{self}@{digest}")
    }

    /// Returns the digest in an image's full name, if it is in this repository.
    pub fn digest_in(&self, image: &str) -> Option<Digest> {
        let (repository, digest) = image.split_once('@')?;
        (repository == self.to_string()).then(|| digest.parse().ok()).flatten()
    }
}

impl FromStr for Repository {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let expected =
            "a repository without tag or digest: registry/name, of lower-case letters, digits and ._-/";
        let is_host = |host: &str| {
            let is_label = |c: char| c.is_ascii_alphanumeric() || ".-:".contains(c);
            (host.contains('.') || host.contains(':') || host == "localhost") && host.chars().all(is_label)
        };
        let is_part = |part: &str| {
            let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
            part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.chars().all(allowed)
        };
        match text.split_once('/') {
            Some((registry, path)) if is_host(registry) && path.split('/').all(is_part) => {
                Ok(Self { registry: registry.to_owned(), path: path.to_owned() })
            }
            _ => Err(NameError { given: text.to_owned(), expected }),
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

/// An immutable name of an image in its repository.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// Returns the tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = NameError;

    /// Parses a tag of the OCI distribution specification.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_start = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if is_start && text.chars().all(allowed) && text.len() <= 128 {
            return Ok(Self(text.to_owned()));
        }
        let expected = "a tag: at most 128 letters, digits and ._-, not starting with . or -";
        Err(NameError { given: text.to_owned(), expected })
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The error of an invalid name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not {expected}")]
#[non_exhaustive]
pub struct NameError {
    /// The given text.
    pub given: String,
    /// The expected form, with its article.
    pub expected: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_of_some_bytes() {
        // The empty descriptor of the OCI image specification.
        let expected = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(Digest::sha256(b"{}").as_str(), expected);
        assert_eq!(expected.parse(), Ok(Digest::sha256(b"{}")));
        for wrong in
            ["", "sha256:", "latest", &expected[1..], &expected.to_uppercase(), &format!("{expected}0")]
        {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_repository_has_a_registry_and_a_path() {
        let url = "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/orders-dev";
        let repository: Repository = url.parse().unwrap();
        assert_eq!(repository.to_string(), url);
        assert_eq!((repository.path(), repository.account()), ("team/orders-dev", Some("123456789012")));
        let local: Repository = "127.0.0.1:5000/orders-dev".parse().unwrap();
        assert_eq!((local.registry(), local.account()), ("127.0.0.1:5000", None));
        for wrong in
            ["", "orders-dev", "a/b", "a.b/", "a.b/c:tag", "a.b/c@sha256:0", "https://a.b/c", "a.b/C"]
        {
            assert!(wrong.parse::<Repository>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_tag_has_the_form_that_registries_accept() {
        for right in ["1.2.3", "_", "0a1b2c3d4e5f", &"a".repeat(128)] {
            assert_eq!(right.parse::<Tag>().unwrap().as_str(), right);
        }
        for wrong in ["", ".a", "-a", "a:b", "a/b", "a b", &"a".repeat(129)] {
            assert!(wrong.parse::<Tag>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_image_belongs_to_its_repository_only() {
        let (here, there): (Repository, Repository) = ("a.b/c".parse().unwrap(), "a.b/d".parse().unwrap());
        let digest = Digest::sha256(b"x");
        assert_eq!(here.digest_in(&here.image(&digest)), Some(digest.clone()));
        assert_eq!(there.digest_in(&here.image(&digest)), None);
        assert_eq!(here.digest_in("a.b/c:latest"), None);
    }
}
