//! A client of the Docker engine on this machine, the images that are built here, and options of containers.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};
use testcontainers::GenericBuildableImage;
use testcontainers::bollard::Docker;
use testcontainers::bollard::models::{HostConfig, PortBinding};
use testcontainers::core::client::docker_client_instance;
use testcontainers::runners::AsyncBuilder;
use tracing::{debug, info};

use super::cache::Entry;
use crate::error::Error;

/// The time limit for a Docker engine to answer. A running one answers in milliseconds.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// Returns a client of the Docker engine, if one answers.
pub async fn connect() -> Option<Docker> {
    let answer = async {
        let docker = docker_client_instance().await.map_err(|e| e.to_string())?;
        docker.ping().await.map_err(|e| e.to_string())?;
        Ok::<_, String>(docker)
    };
    match tokio::time::timeout(PING_TIMEOUT, answer).await {
        Ok(Ok(docker)) => Some(docker),
        Ok(Err(reason)) => {
            debug!(reason, "no Docker engine answers");
            None
        }
        Err(_) => {
            debug!("no Docker engine answers in time");
            None
        }
    }
}

/// Configures a container whose port only this machine reaches, and which is removed when it ends.
pub fn for_this_machine(port: u16) -> impl Fn(&mut HostConfig) + Send + Sync + 'static {
    move |host| {
        host.auto_remove = Some(true);
        host.publish_all_ports = Some(false);
        let here = PortBinding { host_ip: Some("127.0.0.1".into()), host_port: None };
        host.port_bindings = Some(HashMap::from([(format!("{port}/tcp"), Some(vec![here]))]));
    }
}

/// Returns whether the engine has an image.
pub(crate) async fn exists(docker: &Docker, image: &str) -> Result<bool, Error> {
    use testcontainers::bollard::errors::Error::DockerResponseServerError;
    match docker.inspect_image(image).await {
        Ok(_) => Ok(true),
        Err(DockerResponseServerError { status_code: 404, .. }) => Ok(false),
        Err(e) => Err(Error::docker(format!("find the image {image}"))(e)),
    }
}

/// Builds an image from a Dockerfile and folders, each with its path in the context, unless it exists; one process at a
/// time.
pub(crate) async fn build(
    docker: &Docker,
    name: &str,
    tag: &str,
    dockerfile: &str,
    folders: &[(&Path, &str)],
) -> Result<(), Error> {
    let _lock = Entry::lock(&format!("image-{tag}")).await?;
    if exists(docker, &format!("{name}:{tag}")).await? {
        return Ok(());
    }
    info!("building the image {name}:{tag}");
    let mut image = GenericBuildableImage::new(name, tag).with_dockerfile_string(dockerfile);
    for (folder, path) in folders {
        image = image.with_file(*folder, *path);
    }
    image.build_image().await.map(drop).map_err(Error::docker(format!("build the image {name}:{tag}")))
}

/// Returns a short digest of what an image or file is made of.
pub(crate) fn digest(parts: &[&str]) -> String {
    hex::encode(&Sha256::digest(parts.join("\0"))[..6])
}
