//! The image of a MySQL server's container: built from the one that an environment variable names, the official one, or
//! Debian's packages.

use std::path::Path;
use std::time::Duration;

use testcontainers::GenericImage;
use testcontainers::bollard::Docker;
use testcontainers::runners::AsyncRunner;
use tracing::info;

use super::command::{self, Paths};
use super::tree;
use crate::error::Error;
use crate::host::docker;
use crate::host::tree::Tree;
use crate::run_folder::IN_CONTAINER;
use crate::server::kind::Kind;
use crate::server::kind::launch::Contained;

/// The environment variable that names an image with MySQL in it.
const IMAGE_VARIABLE: &str = "RDS_IAM_EMULATOR_MYSQL_IMAGE";

/// The official image of MySQL 8.4.11 (8.4 is the version that RDS has long-term support for), for all processors.
/// The digest is that of docker-library's own record, `docker-library/repo-info`: `repos/mysql/remote/8.4.11.md`.
const OFFICIAL: &str = "mysql@sha256:85b9bf2e29cf836ecb8c2a15a935d4ba0c606631dff1dd79531a11983c638f2a";

/// The name of the images that are built here; their tags describe the content.
const MADE_HERE: &str = "rds-iam-emulator-mysql";

const PULL_TIMEOUT: Duration = Duration::from_secs(300);

const DATA: &str = "/rds-iam/data";
const PLUGINS: &str = "/rds-iam/plugin";

/// Returns the image, and the command that runs the server in it.
pub(crate) async fn prepare(docker: &Docker, plugin: &Path) -> Result<Contained, Error> {
    let Image { tag, origin } = image(docker).await?;
    let plugin_name = plugin.file_name().unwrap_or_default().to_string_lossy();
    let paths = Paths { run: Path::new(IN_CONTAINER), data: Path::new(DATA), plugins: Path::new(PLUGINS) };
    let mut command = vec!["mysqld".into(), "--no-defaults".into(), command::AS_ROOT.into()];
    command.extend(command::run(&paths, &plugin_name, "0.0.0.0", sqlx::MySql::PORT));
    let mounts = vec![(plugin.to_owned(), format!("{PLUGINS}/{plugin_name}"))];
    Ok(Contained { image: MADE_HERE, tag, origin, command, mounts, user: None })
}

/// An image with a server and a data folder.
struct Image {
    tag: String,
    origin: String,
}

/// Returns the first available image: the one in the environment variable, the official one, or one built
/// from Debian's packages.
async fn image(docker: &Docker) -> Result<Image, Error> {
    if let Ok(base) = std::env::var(IMAGE_VARIABLE) {
        if !docker::exists(docker, &base).await? {
            info!("pulling {base}");
            pull(&base).await?;
        }
        return from_base(docker, &base).await;
    }
    // Images on this machine have precedence over images that would have to be downloaded.
    if docker::exists(docker, OFFICIAL).await? {
        return from_base(docker, OFFICIAL).await;
    }
    if let Some(tree) = tree::cached().await?
        && docker::exists(docker, &format!("{MADE_HERE}:{}", tree_tag(&tree))).await?
    {
        return from_tree(docker, &tree).await;
    }
    info!("pulling {OFFICIAL}");
    match pull(OFFICIAL).await {
        Ok(()) => from_base(docker, OFFICIAL).await,
        Err(reason) => {
            info!("{OFFICIAL} cannot be pulled here: taking MySQL from Debian's packages");
            tracing::debug!(?reason, "pull failed");
            from_tree(docker, &tree::from_cache().await?).await
        }
    }
}

async fn pull(image: &str) -> Result<(), Error> {
    let (name, tag) = image.rsplit_once(':').filter(|(_, t)| !t.contains('/')).unwrap_or((image, "latest"));
    let pulling = GenericImage::new(name, tag).pull_image();
    match tokio::time::timeout(PULL_TIMEOUT, pulling).await {
        Ok(pulled) => pulled.map(drop).map_err(Error::docker(format!("pull {image}"))),
        Err(_) => Err(Error::TimedOut { awaited: "an image to be pulled", within: PULL_TIMEOUT }),
    }
}

/// Returns an image that is laid out as the official one, with a data folder made by its own server.
async fn from_base(docker: &Docker, base: &str) -> Result<Image, Error> {
    let known = docker.inspect_image(base).await.map_err(Error::docker(format!("inspect {base}")))?;
    let dockerfile = format!(
        "FROM {base}\n\
         RUN mkdir -p {PLUGINS} && for dir in /usr/lib64/mysql/plugin /usr/lib/mysql/plugin; do \
         if [ -e $dir/component_reference_cache.so ]; then cp $dir/component_reference_cache.so {PLUGINS}/; fi; done\n\
         {}",
        initialise()
    );
    let tag = docker::digest(&[&dockerfile, known.id.as_deref().unwrap_or_default()]);
    docker::build(docker, MADE_HERE, &tag, &dockerfile, &[]).await?;
    Ok(Image { tag, origin: format!("from the image {base}") })
}

async fn from_tree(docker: &Docker, tree: &Tree) -> Result<Image, Error> {
    let tag = tree_tag(tree);
    docker::build(docker, MADE_HERE, &tag, &tree_dockerfile(), &[(tree.root(), "./root")]).await?;
    Ok(Image { tag, origin: "from Debian's packages".into() })
}

fn tree_tag(tree: &Tree) -> String {
    tree.tag(&[&tree_dockerfile(), tree::RECIPE])
}

fn tree_dockerfile() -> String {
    format!("FROM scratch\nCOPY root /\n{}", initialise())
}

/// Returns the Dockerfile's line that creates the data folder.
fn initialise() -> String {
    let arguments = command::initialise(Path::new(DATA), Path::new(PLUGINS)).join(" ");
    format!("RUN mysqld --no-defaults {} {arguments}\n", command::AS_ROOT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_official_image_is_pinned_by_digest() {
        let digest = OFFICIAL.strip_prefix("mysql@sha256:").unwrap_or_default();
        assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{OFFICIAL}");
    }
}
