//! Images in ECR, by their digests: pushed from an OCI image layout, shown, and promoted from one environment to
//! another as the bytes that they are. What is known of an image travels with it as artifacts that refer to it: its
//! SBOM and provenance, the results of its gates, its promotions.
//!
//! The registry is spoken to by the OCI distribution API, with a token that ECR gives for it; the token goes into
//! the `Authorization` header and nowhere else.

mod deployed;
mod error;
mod gates;
mod known;
mod layout;
mod login;
mod manifest;
mod name;
mod promote;
mod provenance;
mod push;
mod registry;
mod scan;

pub use deployed::Deployed;
pub use error::ImageError;
pub use gates::{Gate, GateResult, Gates};
pub use known::{ImageRecord, Show, Which};
pub use name::{Digest, NameError, Repository, Tag};
pub use promote::{Place, Promote, Promotion};
pub use push::{Push, Pushed};
pub use registry::{Cause, RegistryError};
pub use scan::Scan;

#[cfg(test)]
mod tests;
