//! Integration tests with a private database: those of the pool, which `.github/workflows/integration.yml` runs with a
//! real one, and a test that runs the steps of that workflow here.

mod pool;
mod workflow;
#[path = "../workstation/mod.rs"]
mod workstation;
