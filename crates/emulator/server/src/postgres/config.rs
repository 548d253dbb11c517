//! The configuration of a PostgreSQL server: its files in the run folder, with the rules of RDS about TLS and
//! `rds_iam`.

use std::path::Path;

use super::versions::{CreatorEdges, Settings};
use crate::error::Error;
use crate::host::file;

/// The name of the hook's library, without `.so`.
pub(crate) const HOOK: &str = "rds_iam_hook";

/// The superuser, whose only access is the server's socket.
pub(crate) const SUPERUSER: &str = "rdsadmin";

/// The files of the configuration in the run folder.
const MAIN: &str = "postgresql.conf";
const CHANGED: &str = "rds.conf";
const HBA: &str = "pg_hba.conf";

/// The addresses and folders that the server uses, with their names on the host or in a container.
pub(crate) struct Place<'a> {
    pub(crate) run: &'a str,
    pub(crate) data: &'a str,
    pub(crate) address: &'a str,
    pub(crate) port: u16,
}

/// Writes all files into `run`, the run folder by its path on this host.
pub(crate) fn write(run: &Path, place: &Place<'_>, settings: &Settings) -> Result<(), Error> {
    file::replace(&run.join(MAIN), &main(place, settings), 0o644)?;
    write_changeable(run, settings)
}

/// Writes the files that a running server reads again when it is told to.
pub(crate) fn write_changeable(run: &Path, settings: &Settings) -> Result<(), Error> {
    file::replace(&run.join(CHANGED), &changeable(settings), 0o644)?;
    file::replace(&run.join(HBA), &hba(settings.force_ssl), 0o644)
}

/// Returns the command that runs the server; `prepare.sh` explains the first half.
pub(crate) fn command(place: &Place<'_>, program: &str) -> Vec<String> {
    let Place { run, data, .. } = place;
    let arguments: [&str; 8] =
        ["/bin/sh", &format!("{run}/prepare.sh"), run, data, program, "-D", data, "-c"];
    let mut command: Vec<String> = arguments.map(String::from).into();
    command.push(format!("config_file={run}/{MAIN}"));
    command
}

fn main(place: &Place<'_>, settings: &Settings) -> String {
    let Place { run, data, address, port } = place;
    // Otherwise, processes of the server's own read and write.
    let io = if settings.version().major() >= 18 { "io_method = sync\n" } else { "" };
    format!(
        "listen_addresses = {}
port = {port}
unix_socket_directories = {}
data_directory = {}
hba_file = {}
ssl = on
ssl_cert_file = {}
ssl_key_file = {}
shared_preload_libraries = {}
rds_iam.control = {}
password_encryption = scram-sha-256
# A benchmark opens a thousand.
max_connections = 1200
log_connections = on
log_destination = stderr
lc_messages = 'C'
# A statement that failed may contain a password.
log_min_error_statement = panic
# The data is only needed for the test: it outlives a crash of the server, not of the machine.
fsync = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
min_wal_size = 32MB
max_wal_size = 64MB
shared_buffers = 16MB
# Nothing stays in /dev/shm if the server is killed.
dynamic_shared_memory_type = mmap
autovacuum = off
jit = off
{io}include {}
",
        quoted(address),
        quoted(run),
        quoted(data),
        quoted(&format!("{run}/{HBA}")),
        quoted(&format!("{run}/tls/cert.pem")),
        quoted(&format!("{data}/server.key")),
        quoted(&format!("{run}/lib/{HOOK}")),
        quoted(&format!("{run}/control")),
        quoted(CHANGED),
    )
}

/// Returns the value of `rds_iam.creator_edges`.
pub(crate) fn creator_edges(way: CreatorEdges) -> &'static str {
    match way {
        CreatorEdges::Count => "count",
        CreatorEdges::DoNotCount => "do_not_count",
    }
}

fn changeable(settings: &Settings) -> String {
    let force_ssl = if settings.force_ssl { "on" } else { "off" };
    let way = creator_edges(settings.creator_edges);
    let edges = if settings.version().has_creator_edges() {
        format!("rds_iam.creator_edges = {way}\n")
    } else {
        String::new()
    };
    format!("rds.force_ssl = {force_ssl}\n{edges}")
}

/// Returns the rules of login. The socket is in a folder that only the emulator's user may enter.
fn hba(force_ssl: bool) -> String {
    let without_tls = if force_ssl { "reject" } else { "scram-sha-256" };
    format!(
        "local     all {SUPERUSER}        trust
local     all all             reject
# Members of rds_iam by creator edges only, which do not count: see rds_iam_hook.c.
hostssl   all +{SUPERUSER}_scram all scram-sha-256
hostssl   all +rds_iam all    pam
hostssl   all all all         scram-sha-256
hostnossl all +{SUPERUSER}_scram all {without_tls}
hostnossl all +rds_iam all    reject
hostnossl all all all         {without_tls}
"
    )
}

/// Returns a text as a value in a file of the configuration.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_without_tls_are_rejected_unless_ssl_is_not_forced() {
        assert!(hba(true).ends_with("hostnossl all all all         reject\n"));
        assert!(hba(false).ends_with(
            "hostnossl all +rds_iam all    reject\nhostnossl all all all         scram-sha-256\n"
        ));
    }

    #[test]
    fn no_path_ends_its_value() {
        assert_eq!(quoted(r"/tmp/it's\here"), r"'/tmp/it''s\\here'");
    }
}
