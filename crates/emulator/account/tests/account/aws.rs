//! A client of the AWS API over HTTP, like Terraform's. Signatures are not checked, but the access key, the
//! service and the region are read from them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::Result;

pub(crate) struct Aws {
    pub(crate) url: String,
    /// The ID of the account's access key.
    pub(crate) key: String,
    /// The session token.
    pub(crate) token: String,
}

/// An unparsed answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Aws {
    /// Creates the client of the API at `url`, whose account is in `folder`.
    pub(crate) fn new(url: String, folder: &Path) -> Result<Self> {
        let credentials = std::fs::read_to_string(folder.join("credentials"))?;
        let value = |name: &str| {
            let mut settings = credentials.lines().filter_map(|line| line.split_once(" = "));
            settings
                .find(|(found, _)| *found == name)
                .map(|(_, value)| value.to_owned())
                .ok_or("no access key")
        };
        Ok(Self { url, key: value("aws_access_key_id")?, token: value("aws_session_token")? })
    }

    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Calls an action of a service with a form API and XML answers.
    pub(crate) fn query(
        &self,
        service: &str,
        version: &str,
        action: &str,
        form: &[(&str, &str)],
    ) -> Result<String> {
        let fields = [("Action", action), ("Version", version)];
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let form: Vec<String> = fields
            .iter()
            .chain(form)
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
            .collect();
        self.post(service, "Content-Type: application/x-www-form-urlencoded", &form.join("&"))
    }

    /// Calls an action of a service with a JSON API.
    pub(crate) fn json(&self, service: &str, action: &str, body: &Value) -> Result<Value> {
        let headers = format!("Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: {action}");
        Ok(serde_json::from_str(&self.post(service, &headers, &body.to_string())?)?)
    }

    fn post(&self, service: &str, headers: &str, body: &str) -> Result<String> {
        let headers = format!("Host: {}\r\n{}\r\n{headers}", self.address(), self.authorization(service));
        let answer = self.send("POST", "/", &headers, body)?;
        if answer.status / 100 == 2 {
            return Ok(answer.body);
        }
        Err(format!("{}: {}", answer.head.lines().next().unwrap_or_default(), answer.body).into())
    }

    /// Returns the headers that authenticate a request with the account's key.
    pub(crate) fn authorization(&self, service: &str) -> String {
        authorization(&self.key, &self.token, service)
    }

    /// Sends a request with these headers and its length, and no other headers.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Result<Answer> {
        // HTTP 1.0: the answer ends with the connection.
        let length = body.len();
        let request =
            format!("{method} {path} HTTP/1.0\r\n{headers}\r\nContent-Length: {length}\r\n\r\n{body}");
        let mut stream = TcpStream::connect(self.address())?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).ok_or("no status")?.parse()?;
        Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
    }
}

/// Returns the headers with a request's access key, service and session token.
pub(crate) fn authorization(key: &str, token: &str, service: &str) -> String {
    format!(
        "Authorization: AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/{service}/aws4_request\r\n\
         X-Amz-Security-Token: {token}"
    )
}

/// Returns the text of the first element of this name.
pub(crate) fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    let (_, rest) = xml.split_once(&format!("<{name}>")).unwrap_or_default();
    rest.split_once("</").unwrap_or_default().0
}

/// Returns the texts of all elements of this name.
pub(crate) fn elements(xml: &str, name: &str) -> Vec<String> {
    let begin = format!("<{name}>");
    xml.split(&begin).skip(1).map(|rest| rest.split_once("</").unwrap_or_default().0.to_owned()).collect()
}
