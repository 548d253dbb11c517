//! The image of a PostgreSQL server's container: the tree of Debian's packages and a data folder.

use std::path::Path;

use testcontainers::bollard::Docker;

use super::config::{self, Place};
use super::data::{self, Libraries};
use super::tree;
use super::versions::Settings;
use crate::error::Error;
use crate::host::docker;
use crate::host::shared::SERVER_USER;
use crate::run_folder::{IN_CONTAINER, RunFolder};
use crate::server::kind::Kind;
use crate::server::kind::launch::Contained;

/// The name of the images that are built here; their tags describe the content.
const MADE_HERE: &str = "rds-iam-emulator-postgres";

const DATA: &str = "/rds-iam/data";

/// Returns the image, and the command that runs the server in it.
pub(crate) async fn prepare(
    docker: &Docker,
    folder: &RunFolder,
    libraries: &Libraries,
    settings: &Settings,
) -> Result<Contained, Error> {
    let version = settings.version();
    let tree = tree::from_cache(version).await?;
    let template = data::template(&tree, version, &libraries.pam).await?;
    let made = template.file_name().unwrap_or_default().to_string_lossy();
    let dockerfile = dockerfile();
    let tag = tree.tag(&[&dockerfile, tree::RECIPE, &made]);
    let folders: [(&Path, &str); 2] = [(tree.root(), "./root"), (&template, "./data/data")];
    docker::build(docker, MADE_HERE, &tag, &dockerfile, &folders).await?;

    let run = folder.run();
    libraries.copy(&run)?;
    let place = Place { run: IN_CONTAINER, data: DATA, address: "0.0.0.0", port: sqlx::Postgres::PORT };
    data::write_configuration(&run, &place, settings)?;
    let program = format!("/{}/postgres", tree::programs(version));
    Ok(Contained {
        image: MADE_HERE,
        tag,
        origin: "from Debian's packages".into(),
        command: config::command(&place, &program),
        mounts: Vec::new(),
        user: Some(SERVER_USER),
    })
}

/// Returns the Dockerfile. A folder within a copied one keeps its permissions, which the server checks.
fn dockerfile() -> String {
    format!("FROM scratch\nCOPY root /\nCOPY --chown={SERVER_USER}:{SERVER_USER} data /rds-iam\n")
}
