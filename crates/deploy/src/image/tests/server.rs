//! A real registry for tests: Debian's `docker-registry` on a loopback port, with a login, and the AWS API of images.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::test_client::TestClient;

/// The password in ECR's token, and the user with its bcrypt hash.
pub(crate) const PASSWORD: &str = "123456789012-auth-token";
const HTPASSWD: &str = "AWS:$2b$05$3j99mcQdVlFwnFTxatZHJeSWJfRNWQkIxZezlj4SblN6.Xo/dYz22\n";

/// Starting takes about 0.1 s.
const READY_TIMEOUT: Duration = Duration::from_secs(20);

/// A running registry, and a folder for the test's files. Dropping it stops the registry.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: String,
    folder: tempfile::TempDir,
}

impl Server {
    #[expect(
        clippy::disallowed_methods,
        reason = "the pipeline's runner is not a library; this is the registry under test"
    )]
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let passwords = folder.path().join("htpasswd");
        std::fs::write(&passwords, HTPASSWD).unwrap();
        // JSON is valid YAML.
        let configuration = json!({
            "version": 0.1,
            "log": { "level": "error" },
            "storage": { "filesystem": { "rootdirectory": folder.path().join("images") } },
            "auth": { "htpasswd": { "realm": "test", "path": passwords } },
            "http": { "addr": address },
        });
        let file = folder.path().join("config.yml");
        std::fs::write(&file, configuration.to_string()).unwrap();
        let mut command = Command::new(program());
        command.arg("serve").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().unwrap();
        let server = Self { process, address, folder };
        let start = Instant::now();
        while TcpStream::connect(&server.address).is_err() {
            assert!(start.elapsed() < READY_TIMEOUT, "docker-registry does not listen on {}", server.address);
            std::thread::yield_now();
        }
        server
    }

    /// Creates a folder for the test's files.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }
}

/// Returns the path of docker-registry: on `PATH`, or in the emulator's cache.
fn program() -> PathBuf {
    // On a separate thread: the calling test may run in a runtime already.
    let found = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(rds_iam_emulator_account::registry_program())
    });
    found.join().unwrap().unwrap()
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have exited already; the test then fails by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// ECR with this login for the registry at `address`, and scans without critical or high findings.
pub(crate) fn ecr(address: &str, password: &str) -> TestClient {
    let token = STANDARD.encode(format!("AWS:{password}"));
    let login = json!({ "authorizationData": [
        { "authorizationToken": token, "proxyEndpoint": format!("http://{address}"), "expiresAt": 4_000_000_000_u64 }
    ]});
    let repository = json!({ "repositories": [
        { "repositoryName": "orders-dev", "imageScanningConfiguration": { "scanOnPush": true } }
    ]});
    let findings = json!({
        "imageScanStatus": { "status": "COMPLETE" },
        "imageScanFindings": { "findingSeverityCounts": { "LOW": 3 } }
    });
    let aws = TestClient::new();
    aws.on("GetAuthorizationToken", 200, login.to_string())
        .on("DescribeRepositories", 200, repository.to_string())
        .on("DescribeImageScanFindings", 200, findings.to_string());
    aws
}
