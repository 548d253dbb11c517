//! Builds the shipped artifacts, container images and bootstrap's Lambda package, so that the same sources give the same
//! bytes, and writes an SBOM and the provenance of each image.

pub mod image;
pub mod package;
