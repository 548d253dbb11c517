//! Selects the base images of a run: set by an environment variable, or by reachability from this machine.

use clap::ValueEnum;

use crate::context::Context;
use crate::stage::Stage;
use rds_iam_images::image::Bases;
use rds_iam_process::console::Console;
use rds_iam_process::error::Error;
use rds_iam_process::runner::Runner;

/// The environment variable with the base images.
const BASES_VARIABLE: &str = "RDS_IAM_IMAGE_BASES";

/// Returns the base images set by the environment variable, if any.
///
/// # Errors
/// Returns an error if the variable has another value.
pub(crate) fn from_env() -> Result<Option<Bases>, Error> {
    let value = std::env::var_os(BASES_VARIABLE).unwrap_or_default().to_string_lossy().into_owned();
    if value.is_empty() {
        return Ok(None);
    }
    Bases::from_str(&value, false).map(Some).map_err(|_| Error::Found {
        found: format!("{BASES_VARIABLE} is {value:?}"),
        help: "it is `pinned` (official images, by digest) or `local` (made here from Debian's packages)"
            .to_owned(),
    })
}

/// Returns the base images for these stages. Reachability decides only if nothing is deployed from this
/// machine.
///
/// # Errors
/// Returns the errors of [`from_env`].
pub(crate) fn choose(
    stages: &[&Stage],
    context: &Context<'_>,
    console: Console,
    runner: Runner,
) -> Result<Bases, Error> {
    let named = from_env()?;
    let builds = stages.iter().any(|stage| stage.name == "docker-build");
    let stays = context.environment.is_none() || context.is_local();
    if named.is_some() || !builds || !stays || console.is_github() {
        return Ok(named.unwrap_or(Bases::Pinned));
    }
    Ok(Bases::that_can_be_had(context.workspace, console, runner))
}
