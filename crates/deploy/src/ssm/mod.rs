//! The app's parameters in Systems Manager Parameter Store: reading, comparing, writing and deleting them. One module
//! and function per AWS call.
//!
//! ```no_run
//! use rds_iam_infra::Outputs;
//! use rds_iam_deploy::aws;
//! use rds_iam_deploy::ssm::{self, State};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let outputs = Outputs::read("outputs.json".as_ref())?;
//! let aws = aws::connect(&outputs.deployment.region).await?;
//! let expected = outputs.parameters();
//! let names: Vec<_> = expected.iter().map(|parameter| parameter.path.clone()).collect();
//! let found = ssm::get_parameters(&aws, &names).await?;
//! for difference in ssm::compare(expected, &found) {
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

/// An expected parameter and its state in Parameter Store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The expected parameter.
    pub parameter: Parameter,
    /// The state of the actual one.
    pub state: State,
}

/// The state of a parameter in Parameter Store, compared with the expected one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// Does not exist.
    Missing,
    /// Exists with another value.
    Differs {
        /// The actual value.
        found: String,
    },
    /// Exists as expected.
    Same,
    /// Exists with a type that AWS can't change (`SecureString`, `StringList`).
    OtherType {
        /// The actual type.
        found: String,
    },
}

/// Compares expected with actual parameters, in the order of `expected`.
pub fn compare(expected: Vec<Parameter>, found: &BTreeMap<String, Found>) -> Vec<Difference> {
    expected
        .into_iter()
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
