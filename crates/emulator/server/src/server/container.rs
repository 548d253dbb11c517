//! A database server in a container. The server starts later, on an order through the run folder.

use std::path::Path;

use testcontainers::bollard::Docker;
use testcontainers::core::{IntoContainerPort, Mount};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};

use crate::error::Error;
use crate::host::docker::for_this_machine;
use crate::run_folder::{IN_CONTAINER, RunFolder};
use crate::server::kind::Kind;
use crate::server::kind::launch::Contained;

pub(crate) struct Container {
    container: Box<ContainerAsync<GenericImage>>,
    port: u16,
    /// The origin of its image, for a person.
    pub(crate) origin: String,
}

impl Container {
    /// Prepares the container; the server starts on an order through the folder.
    pub(crate) async fn prepare<E: Kind>(
        docker: &Docker,
        folder: &RunFolder,
        libraries: &E::Libraries,
        settings: &E::Settings,
    ) -> Result<Self, Error> {
        let Contained { image, tag, origin, command, mounts, user } =
            E::container(docker, folder, libraries, settings).await?;
        let mut arguments = vec![format!("{IN_CONTAINER}/supervise.sh"), IN_CONTAINER.into()];
        arguments.extend(command);

        let bind = |from: &Path, to: String| Mount::bind_mount(from.display().to_string(), to);
        let mut container = GenericImage::new(image, &tag)
            .with_entrypoint("/bin/sh")
            .with_exposed_port(E::PORT.tcp())
            .with_cmd(arguments)
            .with_env_var(rds_iam_emulator_control::CONTROL_DIR_VARIABLE, format!("{IN_CONTAINER}/control"))
            .with_mount(bind(&folder.run(), IN_CONTAINER.into()))
            .with_label("rds-iam-emulator", E::SLUG)
            .with_host_config_modifier(for_this_machine(E::PORT));
        for (from, to) in mounts {
            container = container.with_mount(bind(&from, to));
        }
        for (name, value) in E::environment(Path::new(IN_CONTAINER)) {
            container = container.with_env_var(name, value);
        }
        if let Some(user) = user {
            container = container.with_user(user.to_string());
        }
        let container = container.start().await.map_err(Error::docker("start the server's container"))?;
        let port = container
            .get_host_port_ipv4(E::PORT.tcp())
            .await
            .map_err(Error::docker("report the port of the server's container"))?;
        let version = docker.version().await.map_err(Error::docker("report its version"))?;
        let version = version.version.unwrap_or_else(|| "of unknown version".into());
        let origin = format!("{origin}, in a container of Docker {version}");
        Ok(Self { container: Box::new(container), port, origin })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Removes the container, if there is an async runtime. Otherwise, closing the orders' FIFO ends it, and
    /// Docker removes it then.
    pub(crate) fn remove(self) {
        if tokio::runtime::Handle::try_current().is_ok() {
            drop(self.container);
        } else {
            std::mem::forget(self.container);
        }
    }
}
