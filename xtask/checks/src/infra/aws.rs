//! `LocalAws`: starts the emulated AWS API on this machine (`rds-iam-emulator aws`), sends requests to it,
//! and stops it when dropped. Also the environment variables that direct Terraform to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use xshell::cmd;

use rds_iam_process::error::Error;
use rds_iam_process::file;
use rds_iam_process::runner::Cmd;
use rds_iam_process::workspace::Workspace;

/// The time limit for its address: it takes a second, but minutes if Python packages are installed first.
const READY_WITHIN: Duration = Duration::from_secs(600);

/// The time limit of one request.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A running AWS API endpoint (moto). It answers only requests with its access key, and checks no
/// permissions. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct LocalAws {
    child: Mutex<Child>,
    /// The child's standard error, available once it has ended.
    log: Mutex<mpsc::Receiver<String>>,
    /// Closing this pipe ends the child, even if this process is killed.
    stdin: Option<ChildStdin>,
    url: String,
    /// The file with the access key.
    credentials: String,
    /// The region of this value's own requests.
    region: &'static str,
}

impl LocalAws {
    /// Starts the endpoint and waits until it answers; requests are for `region`.
    ///
    /// # Errors
    /// Returns an error with the endpoint's output if it does not start.
    pub(crate) fn start(workspace: &Workspace, region: &'static str) -> Result<Self, Error> {
        let (shell, program) = (workspace.shell(), workspace.target.join("debug/rds-iam-emulator"));
        let cmd = Cmd::from_xshell(cmd!(shell, "{program} aws"), "cargo build --bin rds-iam-emulator");
        let mut process = cmd.process();
        process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = process.spawn().map_err(|source| Error::Run(cmd.not_started(source)))?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (said, line) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let read = stdout.map(|stdout| BufReader::new(stdout).read_line(&mut line));
            // The receiver is gone if the wait below timed out.
            drop(said.send(read.map(|read| read.map(|_| line))));
        });
        // The log is kept until the endpoint is running, and discarded after that.
        let (kept, log) = mpsc::channel();
        thread::spawn(move || {
            let mut text = String::new();
            if let Some(mut stderr) = stderr {
                drop(stderr.read_to_string(&mut text));
            }
            drop(kept.send(text));
        });
        // From here on, dropping it ends the child.
        let mut aws = Self {
            child: Mutex::new(child),
            log: Mutex::new(log),
            stdin,
            url: String::new(),
            credentials: String::new(),
            region,
        };
        let answer = |what: String| Error::Answer { command: cmd.shown(), what };
        let Ok(Some(Ok(line))) = line.recv_timeout(READY_WITHIN) else {
            return Err(answer(format!("nothing within {} s", READY_WITHIN.as_secs())));
        };
        let said: Value = serde_json::from_str(&line).unwrap_or_default();
        let text = |name: &str| said[name].as_str().map(str::to_owned);
        let (Some(url), Some(credentials)) = (text("aws_endpoint_url"), text("credentials_file")) else {
            aws.end();
            let said = format!("{}{}", line.trim(), aws.log().trim());
            return Err(answer(format!("no aws_endpoint_url or no credentials_file: {said}")));
        };
        aws.credentials = credentials;
        aws.url = url;
        Ok(aws)
    }

    /// Returns the URL of the endpoint.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the AWS shared credentials file with the access key.
    pub(crate) fn credentials(&self) -> &str {
        &self.credentials
    }

    /// Puts an object into S3; `path` is `/<bucket>/<key>`.
    ///
    /// # Errors
    /// Returns the errors of [`LocalAws::call`].
    pub(crate) fn put_object(&self, path: &str, body: &str) -> Result<(), Error> {
        self.request("PUT", path, "s3", "Content-Type: application/octet-stream", body).map(drop)
    }

    /// Deletes an object from S3.
    ///
    /// # Errors
    /// Returns the errors of [`LocalAws::call`].
    pub(crate) fn delete_object(&self, path: &str) -> Result<(), Error> {
        self.request("DELETE", path, "s3", "Content-Type: application/octet-stream", "").map(drop)
    }

    /// Calls an action of a service with a JSON API, such as `kms` `TrentService.DescribeKey`.
    ///
    /// # Errors
    /// Returns an error if the service does not answer, or does not report success.
    pub(crate) fn call(&self, service: &str, action: &str, body: &Value) -> Result<Value, Error> {
        let headers = format!("Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: {action}");
        let answer = self.request("POST", "/", service, &headers, &body.to_string())?;
        serde_json::from_str(&answer)
            .map_err(|error| Error::Answer { command: action.to_owned(), what: error.to_string() })
    }

    /// Calls an action of a service with a form API and XML answers, such as `ec2`.
    ///
    /// # Errors
    /// Returns the errors of [`LocalAws::call`].
    pub(crate) fn query(&self, service: &str, form: &str) -> Result<String, Error> {
        self.request("POST", "/", service, "Content-Type: application/x-www-form-urlencoded", form)
    }

    /// Sends one request over HTTP, and returns the body of the answer. An SDK would make xtask slow to
    /// build, and the emulator checks no signature: it reads only the access key, the service and the session
    /// token.
    fn request(
        &self,
        method: &str,
        path: &str,
        service: &str,
        headers: &str,
        body: &str,
    ) -> Result<String, Error> {
        let address = self.url.trim_start_matches("http://");
        let command = format!("{method} {}{path} ({service})", self.url);
        let failed =
            |error: std::io::Error| Error::Answer { command: command.clone(), what: error.to_string() };
        let mut stream = TcpStream::connect(address).map_err(failed)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN)).map_err(failed)?;
        let known = file::read(Path::new(&self.credentials))?;
        let (key, token) = (setting(&known, "aws_access_key_id"), setting(&known, "aws_session_token"));
        let credential = format!("{key}/20260101/{}/{service}/aws4_request", self.region);
        // HTTP 1.0: the answer ends with the connection.
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: {address}\r\nAuthorization: AWS4-HMAC-SHA256 Credential={credential}\r\n\
             X-Amz-Security-Token: {token}\r\n{headers}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).map_err(failed)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(failed)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.lines().next().unwrap_or_default();
        if status.split(' ').nth(1).is_some_and(|code| code.starts_with('2')) {
            return Ok(body.to_owned());
        }
        Err(Error::Answer { command, what: status.to_owned() })
    }

    /// Returns the error of an API that ended before it was stopped.
    pub(crate) fn exit_error(&self) -> Option<Error> {
        let status = self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait().ok()??;
        Some(Error::Found {
            found: format!("the AWS API on this machine ended by itself ({status})\n{}", self.log().trim()),
            help: "run it again; if it ends again, its log above says why".to_owned(),
        })
    }

    fn log(&self) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.recv_timeout(Duration::from_secs(5)).unwrap_or_default()
    }

    fn end(&mut self) {
        drop(self.stdin.take());
        // The child may hang; a test run must not.
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(child.kill());
        drop(child.wait());
    }
}

impl Drop for LocalAws {
    fn drop(&mut self) {
        self.end();
    }
}

/// Returns a setting of a shared credentials file, or an empty string.
fn setting<'t>(text: &'t str, name: &str) -> &'t str {
    let mut settings = text.lines().filter_map(|line| line.split_once(" = "));
    settings.find(|(found, _)| *found == name).map(|(_, value)| value).unwrap_or_default()
}

/// Returns the environment that directs Terraform and the SDKs to the AWS API at `url`, and to no other
/// endpoint: its own access key, no configuration, no instance metadata. The address is an IP address: for a
/// host name, S3 clients add the bucket as a subdomain.
pub(crate) fn environment(url: &str, credentials: &str, region: &str) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL", url.to_owned()),
        ("AWS_REGION", region.to_owned()),
        ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
        ("AWS_SHARED_CREDENTIALS_FILE", credentials.to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ]
}
