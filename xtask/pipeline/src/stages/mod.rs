//! All stages, each after the stages that it needs.

mod account;
mod checks;
mod deliver;
mod destroy;
mod images;
mod infrastructure;
mod outputs;
mod plan;
mod promote;
mod rights;
mod terraform;

use crate::stage::Stage;

pub(crate) use promote::GATES_OF_IMAGES;

/// Every stage.
pub(crate) const ALL: [&Stage; 24] = [
    &checks::LINT,
    &checks::PROGRAMS,
    &account::ACCOUNT,
    &checks::VALIDATE,
    &checks::TFLINT,
    &checks::CHECKOV,
    &infrastructure::PLAN,
    &images::DOCKER_BUILD,
    &images::TRIVY,
    &checks::TEST,
    &infrastructure::APPLY,
    &infrastructure::OUTPUTS,
    &infrastructure::RDS_CONF,
    &deliver::PROXY_AUTH,
    &deliver::ECR_PUSH,
    &promote::PROMOTE,
    &deliver::BOOTSTRAP,
    &deliver::ROLLOUT,
    &deliver::ROLLBACK,
    &deliver::SMOKE,
    &destroy::DESTROY_PLAN,
    &destroy::SNAPSHOT,
    &destroy::DESTROY,
    &account::END,
];

/// Returns the stage with a name.
pub(crate) fn find(name: &str) -> Option<&'static Stage> {
    ALL.into_iter().find(|stage| stage.name == name)
}
