//! The program itself, run as a child process against a real MySQL that checks tokens and an AWS API
//! endpoint on this machine.

mod bad_input;
mod interrupted;
mod secrets;
mod story;
mod support;
