//! The shipped artifacts: container images and bootstrap's Lambda package, built reproducibly, with an SBOM
//! and provenance for the images.

pub mod image;
pub mod package;
