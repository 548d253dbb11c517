//! The shipped artifacts: container images and bootstrap's Lambda package, built so that the same sources give the same bytes,
//! each with what it was made of and where.

pub mod image;
pub mod package;
