//! `ssh -L` through an `sshd` on this machine, both from Debian's packages.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rds_iam_emulator_server::clients::{OpenSsh, openssh};
use rds_iam_emulator_server::host::free_port;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Child;
use tokio::time::{sleep, timeout};

use crate::program;

/// The program with which root starts `sshd` as another user: for root, it needs a user that only an installation adds.
const SETPRIV: &str = "/usr/bin/setpriv";

/// The number of that user and of its group: Unix's user without files of its own.
const OTHER_USER: &str = "65534";

/// The time limit for the start of a program: 30 seconds.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// The pause between two attempts to connect, which is a part of the time to the first byte: 1 ms.
const POLL: Duration = Duration::from_millis(1);

/// A running `sshd`. Dropping it ends it.
pub(super) struct Ssh {
    programs: OpenSsh,
    folder: TempDir,
    /// The user that logs in: the one that `sshd` runs as.
    user: String,
    port: u16,
    _server: Child,
}

/// A running client that forwards a port. Dropping it ends it.
pub(super) struct Forward {
    pub(super) address: SocketAddr,
    _client: Child,
}

impl Ssh {
    /// Starts `sshd`, and waits until it accepts connections.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let (programs, port) = (openssh().await?, free_port()?);
        let folder = tempfile::Builder::new().prefix("rds-iam-bench-").tempdir()?;
        let path = |name: &str| folder.path().join(name);
        for key in ["host", "user"] {
            let file = path(key);
            let arguments = ["-q", "-t", "ed25519", "-N", "", "-f", text(&file)?];
            let status = program::spawn(&programs.keygen, &arguments, &[])?.wait().await?;
            ensure!(status.success(), "ssh-keygen ended with {status}");
        }
        let (host_key, users_key, file) = (path("host"), path("user.pub"), path("sshd_config"));
        let settings = format!(
            "ListenAddress 127.0.0.1:{port}\n\
             HostKey {}\n\
             AuthorizedKeysFile {}\n\
             PidFile none\n\
             StrictModes no\n\
             UsePAM yes\n\
             PasswordAuthentication no\n\
             AllowTcpForwarding local\n\
             LogLevel ERROR\n",
            host_key.display(),
            users_key.display()
        );
        fs::write(&file, settings)?;
        let arguments = [text(&programs.server)?, "-D", "-e", "-f", text(&file)?];
        let own = fs::metadata("/proc/self")?.uid();
        let (user, mut server) = if own == 0 {
            fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
            // It accepts the key because another user owns it.
            for file in [&host_key, &users_key, &file] {
                fs::set_permissions(file, Permissions::from_mode(0o644))?;
            }
            let other_user = ["--reuid", OTHER_USER, "--regid", OTHER_USER, "--clear-groups"];
            let arguments = [&other_user[..], &arguments].concat();
            (user_name(OTHER_USER)?, program::spawn(Path::new(SETPRIV), &arguments, &[])?)
        } else {
            (user_name(&own.to_string())?, program::spawn(&programs.server, &arguments[1..], &[])?)
        };
        listening(port, &mut server).await.context("sshd")?;
        Ok(Self { programs, folder, user, port, _server: server })
    }

    /// Starts a client that forwards a port of the loopback address to the target, and waits until it does.
    pub(super) async fn forward(&self, target: SocketAddr) -> anyhow::Result<Forward> {
        let local = free_port()?;
        let (key, server) = (self.folder.path().join("user"), self.port.to_string());
        let forwarded = format!("127.0.0.1:{local}:{target}");
        let login = format!("{}@127.0.0.1", self.user);
        let mut arguments = vec![
            "-F",
            "none",
            "-i",
            text(&key)?,
            "-p",
            &server,
            "-N",
            "-L",
            &forwarded,
            "-o",
            "LogLevel=ERROR",
        ];
        for option in [
            "BatchMode=yes",
            "ExitOnForwardFailure=yes",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
        ] {
            arguments.extend(["-o", option]);
        }
        arguments.push(&login);
        let mut client = program::spawn(&self.programs.client, &arguments, &[])?;
        listening(local, &mut client).await.context("ssh")?;
        Ok(Forward { address: (Ipv4Addr::LOCALHOST, local).into(), _client: client })
    }
}

/// Waits until a program accepts connections on a port of the loopback address.
async fn listening(port: u16, program: &mut Child) -> anyhow::Result<()> {
    let listening = async {
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            if let Some(status) = program.try_wait()? {
                bail!("it ended with {status}");
            }
            sleep(POLL).await;
        }
        anyhow::Ok(())
    };
    timeout(START_TIMEOUT, listening).await.context("it does not listen after 30 s")?
}

/// Returns the name of a user.
fn user_name(number: &str) -> anyhow::Result<String> {
    let users = fs::read_to_string("/etc/passwd").context("reading /etc/passwd")?;
    let user = users.lines().find(|line| line.split(':').nth(2) == Some(number));
    let name = user.and_then(|line| line.split(':').next());
    Ok(name.with_context(|| format!("/etc/passwd has no user {number}"))?.to_owned())
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}
