//! The command line of the MySQL server, the same in both runtimes.

use std::path::Path;

/// The paths that the server uses, with the same names on the host and in a container.
pub(crate) struct Paths<'a> {
    pub(crate) run: &'a Path,
    pub(crate) data: &'a Path,
    pub(crate) plugins: &'a Path,
}

/// Settings that must be the same when the data folder is created and when it is used, or that save memory
/// and time in both.
const COMMON: [&str; 6] = [
    "--mysqlx=OFF",
    "--loose-innodb-numa-interleave=OFF",
    "--innodb-redo-log-capacity=8M",
    "--innodb-doublewrite=OFF",
    "--skip-log-bin",
    "--auto-generate-certs=OFF",
];

/// Returns the command that creates a data folder in which root has no password and no other account can log in.
pub(crate) fn initialise(data: &Path, plugins: &Path) -> Vec<String> {
    let mut arguments = vec![
        "--initialize-insecure".into(),
        format!("--datadir={}", data.display()),
        format!("--plugin-dir={}", plugins.display()),
    ];
    arguments.extend(COMMON.map(String::from));
    arguments
}

/// Returns the command that runs the server on a data folder.
pub(crate) fn run(paths: &Paths<'_>, plugin: &str, address: &str, port: u16) -> Vec<String> {
    let Paths { run, data, plugins } = paths;
    let (run, data, plugins) = (run.display(), data.display(), plugins.display());
    let mut arguments = vec![
        format!("--datadir={data}"),
        format!("--socket={run}/mysqld.sock"),
        format!("--pid-file={run}/mysqld.pid"),
        format!("--bind-address={address}"),
        format!("--port={port}"),
        format!("--plugin-dir={plugins}"),
        format!("--plugin-load-add=AWSAuthenticationPlugin={plugin}"),
        format!("--ssl-ca={run}/tls/ca.pem"),
        format!("--ssl-cert={run}/tls/cert.pem"),
        format!("--ssl-key={run}/tls/key.pem"),
        // root is root@localhost. Without name resolution no TCP client is `localhost`, so root can log in
        // only through the socket, which is in a folder that only the emulator's user may enter.
        "--skip-name-resolve".into(),
        "--secure-file-priv=NULL".into(),
        "--local-infile=OFF".into(),
        // A benchmark opens a thousand.
        "--max-connections=1200".into(),
        "--event-scheduler=OFF".into(),
        // The data is only needed for the test.
        "--innodb-flush-log-at-trx-commit=2".into(),
        "--innodb-buffer-pool-size=32M".into(),
        "--performance-schema=OFF".into(),
    ];
    arguments.extend(COMMON.map(String::from));
    arguments
}

/// The option `--user=root`, which the server requires to run as root.
pub(crate) const AS_ROOT: &str = "--user=root";
