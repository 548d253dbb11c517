//! A client of the Docker engine on this machine, and options of its containers.

use std::collections::HashMap;
use std::time::Duration;

use testcontainers::bollard::Docker;
use testcontainers::bollard::models::{HostConfig, PortBinding};
use testcontainers::core::client::docker_client_instance;
use tracing::debug;

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
