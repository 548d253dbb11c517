//! What is checked without an account: linters and scanners with their accepted findings, the repository's own rules,
//! and Terraform's code, which lives its whole life on this machine.

pub mod gates;
pub mod hygiene;
pub mod infra;
pub mod lint;
pub mod tree;
