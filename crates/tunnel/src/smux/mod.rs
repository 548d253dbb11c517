//! smux version 1: many byte streams in one.

pub mod frame;
