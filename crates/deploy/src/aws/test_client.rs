//! A test double of AWS's API and of a registry: it answers each operation with prepared responses, over real
//! HTTP, and records the requests. Also a clock that advances only by sleeping.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_async::time::TimeSource;
use rds_iam_token::Clock;

/// Status, additional header lines and body of an answer. The status 0 cuts the connection instead.
type Answer = (u16, String, String);

#[derive(Default)]
struct State {
    answers: BTreeMap<String, VecDeque<Answer>>,
    requests: Vec<(String, String)>,
    /// The header lines of all requests.
    heads: Vec<String>,
}

/// The server. It lives until the test process ends.
#[derive(Clone)]
pub(crate) struct TestClient {
    address: String,
    state: Arc<Mutex<State>>,
}

impl TestClient {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(&mut BufReader::new(stream.unwrap()), &shared);
            }
        });
        Self { address, state }
    }

    /// Adds an answer to an operation (`PutParameter`, `POST /v2/orders/blobs/uploads/`). The last one is repeated.
    pub(crate) fn on(&self, operation: &str, status: u16, body: impl Into<String>) -> &Self {
        self.push(operation, (status, String::new(), body.into()))
    }

    /// Replaces all prepared answers to an operation.
    pub(crate) fn replace(&self, operation: &str, status: u16, body: impl Into<String>) -> &Self {
        self.state.lock().unwrap().answers.remove(operation);
        self.on(operation, status, body)
    }

    /// Adds an answer that reports a failed Lambda function.
    pub(crate) fn function_error(&self, operation: &str, body: &str) -> &Self {
        self.push(operation, (200, "X-Amz-Function-Error: Unhandled\r\n".to_owned(), body.to_owned()))
    }

    /// Adds an answer with a header and no body.
    pub(crate) fn header(&self, operation: &str, status: u16, name: &str, value: &str) -> &Self {
        self.push(operation, (status, format!("{name}: {value}\r\n"), String::new()))
    }

    fn push(&self, operation: &str, answer: Answer) -> &Self {
        self.state.lock().unwrap().answers.entry(operation.to_owned()).or_default().push_back(answer);
        self
    }

    /// `127.0.0.1:port`
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Returns the configuration of an SDK client of this server.
    pub(crate) fn config(&self) -> SdkConfig {
        let credentials = Credentials::new("test", "test", None, None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(aws_config::Region::new("us-east-1"))
            .endpoint_url(format!("http://{}", self.address()))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::disabled())
            .build()
    }

    /// Returns the requested operations, in order.
    pub(crate) fn operations(&self) -> Vec<String> {
        self.state.lock().unwrap().requests.iter().map(|(operation, _)| operation.clone()).collect()
    }

    /// Returns the header lines of all requests.
    pub(crate) fn heads(&self) -> String {
        self.state.lock().unwrap().heads.join("\n")
    }

    /// Returns the bodies of the requests for one operation, in order.
    pub(crate) fn requests(&self, operation: &str) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state
            .requests
            .iter()
            .filter(|(requested, _)| requested == operation)
            .map(|(_, body)| body.clone())
            .collect()
    }
}

fn answer(stream: &mut BufReader<TcpStream>, state: &Mutex<State>) {
    let (mut head, mut line) = (Vec::new(), String::new());
    while stream.read_line(&mut line).unwrap_or(0) > 2 {
        head.push(line.trim_end().to_owned());
        line.clear();
    }
    let Some(request) = head.first() else { return };
    let header = |name: &str| {
        head.iter().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let length = header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    let body = String::from_utf8_lossy(&body).into_owned();
    let (request, _) = request.rsplit_once(' ').unwrap();
    let operation = match (header("x-amz-target"), body.strip_prefix("Action=")) {
        (Some(target), _) => target.rsplit('.').next().unwrap().to_owned(),
        (None, Some(query)) => query.split('&').next().unwrap().to_owned(),
        _ => request.to_owned(),
    };
    let mut state = state.lock().unwrap();
    let (status, headers, text) = match state.answers.get_mut(&operation) {
        Some(answers) if answers.len() > 1 => answers.pop_front().unwrap(),
        Some(answers) => answers[0].clone(),
        None => (404, String::new(), r#"{"__type":"NoAnswerPrepared"}"#.to_owned()),
    };
    state.requests.push((operation, body));
    state.heads.push(head.join("\n"));
    drop(state);
    if status > 0 {
        let sent = if request.starts_with("HEAD ") { "" } else { text.as_str() };
        let head =
            format!("HTTP/1.1 {status} x\r\nConnection: close\r\n{headers}Content-Length: {}", text.len());
        // The client may have disconnected by now.
        drop(write!(stream.get_mut(), "{head}\r\n\r\n{sent}"));
    }
}

/// Returns a clock that advances only by sleeping; sleeping takes no real time.
pub(crate) fn clock() -> Clock {
    let instant = Instant::default();
    Clock::new(instant.clone(), instant)
}

/// The seconds slept so far.
#[derive(Clone, Debug, Default)]
struct Instant(Arc<AtomicU64>);

impl TimeSource for Instant {
    fn now(&self) -> SystemTime {
        // 2026-01-01T00:00:00Z
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600 + self.0.load(Ordering::SeqCst))
    }
}

impl AsyncSleep for Instant {
    fn sleep(&self, duration: Duration) -> Sleep {
        self.0.fetch_add(duration.as_secs(), Ordering::SeqCst);
        Sleep::new(std::future::ready(()))
    }
}
