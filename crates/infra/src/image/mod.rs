//! Images: by which digest they are known, and in which repository they lie.

mod name;

pub use name::{Digest, NameError, Repository};
