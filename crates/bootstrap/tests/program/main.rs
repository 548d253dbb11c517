//! The programs themselves, the command and the Lambda function, run as child processes against a real
//! MySQL or PostgreSQL that checks tokens and an AWS API endpoint on this machine.
//!
//! Only MySQL: accounts with hosts, plugins and grants; the suites of `postgres` are about roles.

mod bad_input;
mod cases;
mod guard;
mod interrupted;
mod lambda;
mod pages;
mod postgres;
mod rights;
mod runtime_api;
mod scale;
mod secrets;
mod story;
mod support;
mod via;
