//! The app's parameters in Systems Manager Parameter Store: what is there, what would differ, and writing it.
//! One module and function per AWS call.
//!
//! ```no_run
//! use rds_iam_infra::Outputs;
//! use rds_iam_deploy::aws;
//! use rds_iam_deploy::ssm::{self, State};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let outputs = Outputs::read("outputs.json".as_ref())?;
//! let aws = aws::connect(&outputs.deployment.region).await;
//! let due = outputs.parameters();
//! let names: Vec<_> = due.iter().map(|parameter| parameter.path.clone()).collect();
//! let found = ssm::get_parameters(&aws, &names).await?;
//! for difference in ssm::compare(due, &found) {
//!     if difference.state != State::Same {
//!         ssm::put_parameter(&aws, &difference.parameter).await?;
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod delete_parameters;
mod get_parameters;
mod put_parameter;

use std::collections::BTreeMap;

use rds_iam_infra::outputs::Parameter;

pub use delete_parameters::delete_parameters;
pub use get_parameters::{Found, get_parameters};
pub use put_parameter::put_parameter;

/// A parameter that is due, and how Parameter Store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// What is due.
    pub parameter: Parameter,
    /// What is there.
    pub state: State,
}

/// How Parameter Store has a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// It does not have it.
    Missing,
    /// It has it with another value.
    Differs {
        /// That value.
        found: String,
    },
    /// It has it as it is due.
    Same,
    /// It has it with a type that AWS does not change (`SecureString`, `StringList`).
    OtherType {
        /// That type.
        found: String,
    },
}

/// Compares what is due with what was found, in the order of what is due.
pub fn compare(due: Vec<Parameter>, found: &BTreeMap<String, Found>) -> Vec<Difference> {
    due.into_iter()
        .map(|parameter| {
            let state = match found.get(&parameter.path) {
                None => State::Missing,
                Some(found) if found.kind != "String" => State::OtherType { found: found.kind.clone() },
                Some(found) if found.value == parameter.value => State::Same,
                Some(found) => State::Differs { found: found.value.clone() },
            };
            Difference { parameter, state }
        })
        .collect()
}

#[cfg(test)]
mod tests;
