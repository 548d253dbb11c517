//! Images in ECR, by digest: pushed from an OCI image layout, inspected, and promoted from one environment to another
//! without a change of a byte. SBOM, provenance, gate results and promotions are artifacts that refer to the image.
//!
//! The registry is accessed through the OCI distribution API, with a token from ECR; the token is sent in the
//! `Authorization` header only, and to the registry's own origin only.

mod client;
mod error;
mod gates;
mod inspect;
mod layout;
mod login;
mod manifest;
mod mark_deployed;
mod name;
mod password;
mod promote;
mod provenance;
mod push;
mod record;
mod registry;
mod registry_error;
mod registry_name;
mod scan;
mod upload;

pub use error::ImageError;
pub use gates::Gates;
pub use inspect::{ImageRef, inspect};
pub use login::{RegistryLogin, registry_login};
pub use mark_deployed::mark_deployed;
pub use name::{Digest, NameError, Repository, Tag};
pub use password::RegistryPassword;
pub use promote::{PromotionRequest, promote};
pub use push::{PushOptions, push};
pub use record::{Gate, GateResult, ImageLocation, ImageRecord, Promotion, Pushed, Scan};
pub use registry_error::{RegistryError, RegistryErrorKind};
pub use registry_name::RegistryName;

#[cfg(test)]
mod tests;
