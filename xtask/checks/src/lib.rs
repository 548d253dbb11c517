//! The checks that need no AWS account: linters and scanners with their accepted findings, the repository's
//! own rules, and the Terraform code with its whole life cycle on this machine.

pub mod gates;
pub mod hygiene;
pub mod infra;
pub mod lint;
pub mod tree;
