//! An emulation of AWS Lambda for tests: starts the bootstrap function with its environment, serves the Lambda
//! Runtime API, version 2018-06-01, and returns the function's answers.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use rds_iam_emulator_server::Kind;
use rds_iam_token::Clock;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

use crate::support::{Deployed, Result, TIMEOUT};

/// The program, started as a function, and Lambda's side of it.
pub(crate) struct Function {
    process: Child,
    log: std::path::PathBuf,
    events: mpsc::UnboundedSender<Event>,
    answers: mpsc::UnboundedReceiver<(String, Answer)>,
    serving: JoinHandle<()>,
    invocations: usize,
}

struct Event {
    id: String,
    deadline: Duration,
    body: Value,
}

/// The response of a function.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    Response(Value),
    /// A function error: its type and its message.
    Error(String, String),
}

impl Answer {
    #[track_caller]
    pub(crate) fn report(self) -> Value {
        match self {
            Self::Response(report) => report,
            Self::Error(kind, message) => panic!("a function error, {kind}: {message}"),
        }
    }

    /// Returns type and message of a function error, without the parts that differ between runs.
    #[track_caller]
    pub(crate) fn error<E: Kind>(self, deployment: &Deployed<E>) -> String {
        match self {
            Self::Response(report) => panic!("no function error, but {report}"),
            Self::Error(kind, message) => format!("{kind}: {}", deployment.stable(&message)),
        }
    }

    /// Returns type and message of a function error.
    #[track_caller]
    pub(crate) fn failure(self) -> String {
        match self {
            Self::Response(report) => panic!("no function error, but {report}"),
            Self::Error(kind, message) => format!("{kind}: {message}"),
        }
    }
}

impl Function {
    /// Starts the function with the deployment's environment and these changes to it.
    #[expect(
        clippy::disallowed_methods,
        reason = "the program under test is a child process, without the runner of xtask"
    )]
    pub(crate) async fn start<E: Kind>(
        deployment: &Deployed<E>,
        changes: &[(&str, Option<&str>)],
    ) -> Result<Self> {
        let (events, received) = mpsc::unbounded_channel();
        let (answered, answers) = mpsc::unbounded_channel();
        let api = Arc::new(Api { events: Mutex::new(received), answered });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let serving = tokio::spawn(async move {
            let served = axum::serve(listener, api.router()).await;
            served.expect("a listener on this machine");
        });

        let log = deployment.path("function.log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_rds-iam-bootstrap-lambda"));
        command.env_clear().envs(deployment.aws.env()).envs(function_variables(&address));
        let text = deployment.conf.to_string();
        let settings = text.lines().filter(|line| !line.starts_with('#'));
        for (name, value) in settings.filter_map(|line| line.split_once('=')) {
            command.env(name, value.trim_matches('"'));
        }
        let credentials = deployment.server.credentials();
        command.env("AWS_ACCESS_KEY_ID", credentials.access_key_id());
        command.env("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key());
        command.env("AWS_SESSION_TOKEN", credentials.session_token().unwrap_or_default());
        for (name, value) in changes {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let to_log = std::fs::File::create(&log)?;
        let process = command.stdin(Stdio::null()).stdout(to_log.try_clone()?).stderr(to_log).spawn()?;
        Ok(Self { process, log, events, answers, serving, invocations: 0 })
    }

    /// Invokes the function with a time limit of two minutes.
    pub(crate) async fn invoke(&mut self, event: Value) -> Result<Answer> {
        self.invoke_within(event, Duration::from_secs(120)).await
    }

    pub(crate) async fn invoke_within(&mut self, event: Value, time: Duration) -> Result<Answer> {
        self.invocations += 1;
        let id = format!("invocation-{}", self.invocations);
        let deadline = Clock::system().now().duration_since(UNIX_EPOCH)? + time;
        self.events.send(Event { id: id.clone(), deadline, body: event })?;
        let answer = tokio::time::timeout(TIMEOUT, self.answers.recv()).await;
        let answer = answer.map_err(|_| format!("no answer; it logged {:?}", self.log()))?;
        let (answered, answer) = answer.ok_or("the Runtime API has gone")?;
        assert_eq!(answered, id);
        Ok(answer)
    }

    /// Returns its output, of both streams.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("the file was made before the program was started")
    }

    /// Stops the Runtime API and returns the program's exit status.
    pub(crate) async fn abandoned(mut self) -> Result<ExitStatus> {
        self.serving.abort();
        // The open poll ends with its channel.
        drop(std::mem::replace(&mut self.events, mpsc::unbounded_channel().0));
        let mut tries = tokio::time::interval(Duration::from_millis(20));
        let ended = async {
            loop {
                tries.tick().await;
                if let Some(status) = self.process.try_wait()? {
                    return Result::Ok(status);
                }
            }
        };
        tokio::time::timeout(TIMEOUT, ended).await?
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.serving.abort();
        // It may have exited already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Returns the variables that Lambda sets, as far as they matter here.
fn function_variables(api: &str) -> [(&'static str, &str); 7] {
    [
        ("AWS_LAMBDA_RUNTIME_API", api),
        ("AWS_LAMBDA_FUNCTION_NAME", "orders-bootstrap"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_REGION", "us-east-1"),
        // The package has the example service's users file beside the program.
        ("LAMBDA_TASK_ROOT", concat!(env!("CARGO_MANIFEST_DIR"), "/../app")),
        ("_HANDLER", "bootstrap"),
    ]
}

struct Api {
    events: Mutex<mpsc::UnboundedReceiver<Event>>,
    answered: mpsc::UnboundedSender<(String, Answer)>,
}

impl Api {
    fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .with_state(self)
    }

    fn answer(&self, id: String, answer: Answer) -> (StatusCode, Json<Value>) {
        // A finished test no longer receives.
        drop(self.answered.send((id, answer)));
        (StatusCode::ACCEPTED, Json(json!({ "status": "OK" })))
    }
}

type Next = std::result::Result<(HeaderMap, Json<Value>), StatusCode>;

async fn next(State(api): State<Arc<Api>>) -> Next {
    let event = api.events.lock().await.recv().await.ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
    let headers = [
        ("lambda-runtime-aws-request-id", event.id),
        ("lambda-runtime-deadline-ms", event.deadline.as_millis().to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:b".into()),
        ("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1".into()),
    ];
    let headers = headers.map(|(name, value)| {
        (HeaderName::from_static(name), value.parse().expect("these values have no control characters"))
    });
    Ok((headers.into_iter().collect(), Json(event.body)))
}

async fn response(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    body: String,
) -> (StatusCode, Json<Value>) {
    api.answer(id, Answer::Response(parsed(&body)))
}

/// Lambda shows a caller this body; the type is in a header too.
async fn error(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    body: String,
) -> (StatusCode, Json<Value>) {
    let body = parsed(&body);
    let text = |name: &str| body[name].as_str().unwrap_or("<none>").to_owned();
    api.answer(id, Answer::Error(text("errorType"), text("errorMessage")))
}

/// Lambda does not check the content type.
fn parsed(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|_| Value::String(format!("no JSON: {body}")))
}

/// Reports a program that fails while it starts, which fails its test.
async fn init_error(State(api): State<Arc<Api>>, body: String) -> (StatusCode, Json<Value>) {
    api.answer("init".into(), Answer::Error("init".into(), body))
}
