//! The proxy between real drivers and real servers that check tokens.

mod logins;
mod sessions;
mod support;
