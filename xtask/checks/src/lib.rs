//! The checks that need no AWS account: linters and scanners with their accepted findings, the repository's own rules,
//! and the Terraform code, which is checked, planned, applied, changed and destroyed against an emulated AWS API.

pub mod gates;
pub mod hygiene;
pub mod infra;
pub mod lint;
mod packages;
pub mod pages;
pub mod tree;
