//! HTTP requests to a registry.
//!
//! The login is HTTP Basic, as ECR's, and is sent to the registry's own origin only: scheme, host and port. A realm that
//! the registry names for tokens is ignored. A redirect, and the `Location` of an upload, are followed to another origin
//! without the login, since ECR's blobs are in S3. Each answer is read with a limit.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;

use super::password::RegistryPassword;
use super::registry_error::{RegistryErrorKind, one_line};

/// The timeouts of connecting, and of a read that follows a short request.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// The slowest upload that is waited for, in bytes per second: 64 KiB. The answer comes after the whole upload.
const MIN_UPLOAD_RATE: u64 = 64 * 1024;

/// The maximum number of redirects of a request: ECR's blobs have one.
const MAX_REDIRECTS: usize = 3;

/// The maximum number of bytes that are read of an error answer.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// The user and password of a registry.
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: RegistryPassword,
}

/// A client of one repository. It has no `Debug`, which would print the login.
pub(super) struct RegistryClient {
    client: Client,
    /// Without a read timeout, which would include the time to send the request.
    upload_client: Client,
    /// The repository's URL in the API, with `/` at its end.
    base: Url,
    login: Login,
}

/// The body of an error answer (OCI distribution specification, "Error Codes").
#[derive(Deserialize)]
struct Errors {
    errors: Vec<ErrorDetail>,
}

#[derive(Deserialize)]
struct ErrorDetail {
    code: String,
    #[serde(default)]
    message: String,
}

impl RegistryClient {
    /// Creates a client without connecting. `base` is the repository's URL in the API.
    pub(super) fn new(base: Url, login: Login) -> Result<Self, RegistryErrorKind> {
        let builder = || {
            let client = Client::builder()
                .redirect(Policy::none())
                .connect_timeout(CONNECT_TIMEOUT)
                .user_agent(concat!("rds-iam/", env!("CARGO_PKG_VERSION")));
            // Plain HTTP is for loopback addresses: a proxy would read the login.
            if base.scheme() == "http" { client.no_proxy() } else { client }
        };
        let build = |client: ClientBuilder| client.build().map_err(|e| RegistryErrorKind::from_request(&e));
        let (client, upload_client) = (build(builder().read_timeout(READ_TIMEOUT))?, build(builder())?);
        Ok(Self { client, upload_client, base, login })
    }

    /// Returns a request for a path of the repository.
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.request_to(method, &self.base.join(path).expect("digests and tags are parts of a path"))
    }

    /// Returns a request, with the login if the URL is of the registry's origin.
    fn request_to(&self, method: Method, url: &Url) -> RequestBuilder {
        self.with_login(url, self.client.request(method, url.clone()))
    }

    /// Returns a request that uploads a blob, with time for a slow network.
    pub(super) fn upload_to(&self, url: &Url, bytes: Vec<u8>) -> RequestBuilder {
        let timeout = READ_TIMEOUT + Duration::from_secs(bytes.len() as u64 / MIN_UPLOAD_RATE);
        let request = self.with_login(url, self.upload_client.put(url.clone()));
        request.header(CONTENT_TYPE, "application/octet-stream").timeout(timeout).body(bytes)
    }

    fn with_login(&self, url: &Url, request: RequestBuilder) -> RequestBuilder {
        let is_own = url.origin() == self.base.origin();
        if is_own {
            request.basic_auth(&self.login.user, Some(self.login.password.expose()))
        } else {
            request
        }
    }

    /// Sends a request that must succeed.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, RegistryErrorKind> {
        let answer = request.send().await.map_err(|error| RegistryErrorKind::from_request(&error))?;
        if answer.status().is_success() { Ok(answer) } else { Err(self.refusal(answer).await) }
    }

    /// Sends a GET or HEAD request and follows redirects. Returns `None` if the object does not exist.
    pub(super) async fn read(
        &self,
        method: Method,
        path: &str,
        accept: &str,
    ) -> Result<Option<Response>, RegistryErrorKind> {
        let mut request = self.request(method.clone(), path);
        for _ in 0..=MAX_REDIRECTS {
            let answer = request.header(ACCEPT, accept).send().await;
            let answer = answer.map_err(|error| RegistryErrorKind::from_request(&error))?;
            match answer.status() {
                StatusCode::NOT_FOUND => return Ok(None),
                status if status.is_success() => return Ok(Some(answer)),
                status if status.is_redirection() => {
                    request = self.request_to(method.clone(), &location(&answer)?);
                }
                _ => return Err(self.refusal(answer).await),
            }
        }
        Err(RegistryErrorKind::Protocol)
    }

    /// Returns the error of an answer that is not a success.
    async fn refusal(&self, mut answer: Response) -> RegistryErrorKind {
        let status = answer.status().as_u16();
        // S3's explanation of a failed request repeats parts of the signed URL.
        if answer.url().origin() != self.base.origin() {
            return RegistryErrorKind::from_answer(status, "", String::new());
        }
        let mut body = Vec::new();
        while body.len() < MAX_ERROR_BYTES
            && let Ok(Some(chunk)) = answer.chunk().await
        {
            body.extend_from_slice(&chunk[..chunk.len().min(MAX_ERROR_BYTES - body.len())]);
        }
        let detail =
            serde_json::from_slice::<Errors>(&body).ok().and_then(|body| body.errors.into_iter().next());
        match detail {
            Some(ErrorDetail { code, message }) => {
                let text = self.message(format!("{code}: {message}").trim_end_matches(": "));
                RegistryErrorKind::from_answer(status, &code, text)
            }
            None => RegistryErrorKind::from_answer(status, "", self.message(&String::from_utf8_lossy(&body))),
        }
    }

    /// Returns the beginning of a registry's message on one line. A message that repeats the login, or its beginning, is
    /// left out.
    fn message(&self, text: &str) -> String {
        let (user, password) = (&self.login.user, self.login.password.expose());
        let compact = |text: &str| text.chars().filter(char::is_ascii_graphic).collect::<String>();
        let text_without_breaks = compact(text);
        let secrets = [compact(password), STANDARD.encode(format!("{user}:{password}"))];
        let beginning = |secret: &str| secret.get(..16).unwrap_or(secret).to_owned();
        let mut beginnings = secrets.iter().map(|secret| beginning(secret));
        if beginnings.any(|secret| !secret.is_empty() && text_without_breaks.contains(&secret)) {
            return "its message repeats the login and is left out".to_owned();
        }
        one_line(text)
    }
}

/// Returns the URL that an answer refers to. After HTTPS, plain HTTP is refused.
pub(super) fn location(answer: &Response) -> Result<Url, RegistryErrorKind> {
    let location = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok());
    location.and_then(|location| target(answer.url(), location)).ok_or(RegistryErrorKind::Protocol)
}

fn target(from: &Url, location: &str) -> Option<Url> {
    let target = from.join(location).ok()?;
    (target.scheme() == "https" || target.scheme() == from.scheme()).then_some(target)
}

/// Reads a body of at most `limit` bytes.
pub(super) async fn body(mut answer: Response, limit: u64) -> Result<Vec<u8>, RegistryErrorKind> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| RegistryErrorKind::from_request(&error))? {
        if bytes.len() as u64 + chunk.len() as u64 > limit {
            return Err(RegistryErrorKind::TooLarge { limit });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_location_is_relative_or_absolute_and_never_less_secure() {
        let target = |from: &str, location| super::target(&from.parse().unwrap(), location).map(String::from);
        let (https, http) = ("https://a.test/v2/x/", "http://127.0.0.1:5000/v2/x/");
        assert_eq!(target(https, "/v2/y").as_deref(), Some("https://a.test/v2/y"));
        assert_eq!(target(https, "https://s3.test/y").as_deref(), Some("https://s3.test/y"));
        assert_eq!(target(http, "http://127.0.0.1:5000/y").as_deref(), Some("http://127.0.0.1:5000/y"));
        for location in ["http://a.test/v2/y", "ftp://a.test/", "file:///etc/passwd", "https://"] {
            assert_eq!(target(https, location), None, "{location}");
        }
    }
}
