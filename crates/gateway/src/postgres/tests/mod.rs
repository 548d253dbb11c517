//! Both sides of the login against scripted peers, and the headers of what follows.
//!
//! Only PostgreSQL: the startup packet, cancel keys and messages are this protocol's.

mod accept;
mod connect;
mod frames;
mod session;

use rds_iam_token::Endpoint;

fn endpoint() -> Endpoint {
    Endpoint::new("db.example.com", 5432).unwrap()
}
