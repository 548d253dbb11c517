//! The command against a real PostgreSQL that checks tokens, 15 and 18, and an AWS API endpoint on this machine.

mod bad_input;
mod cases;
mod lockout;
mod scale;
mod story;
mod support;
