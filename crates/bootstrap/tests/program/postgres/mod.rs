//! The command and the function against a real PostgreSQL that checks tokens, 15 and 18, and an AWS API endpoint on this
//! machine.
//!
//! Only PostgreSQL: roles with members, owners and default privileges, and a master user that can be locked out; the suites
//! beside this module are about accounts.

mod bad_input;
mod batches;
mod cases;
mod guard;
mod interrupted;
mod lambda;
mod lockout;
mod rights;
mod scale;
mod secrets;
mod servers;
mod story;
mod support;
