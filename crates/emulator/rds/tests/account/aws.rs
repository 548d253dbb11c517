//! The AWS API as Terraform calls it: over HTTP. Nobody checks signatures, but the service and the region are read
//! from them.

use std::io::{Read, Write};
use std::net::TcpStream;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::Result;

pub(crate) struct Aws {
    pub(crate) url: String,
}

impl Aws {
    /// Calls an action of a service that takes forms and answers in XML.
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

    /// Calls an action of a service that speaks JSON.
    pub(crate) fn json(&self, service: &str, action: &str, body: &Value) -> Result<Value> {
        let headers = format!("Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: {action}");
        Ok(serde_json::from_str(&self.post(service, &headers, &body.to_string())?)?)
    }

    fn post(&self, service: &str, headers: &str, body: &str) -> Result<String> {
        let address = self.url.trim_start_matches("http://");
        let credential = format!("AKIAMADEUP/20260101/us-east-1/{service}/aws4_request");
        // Version 1.0: the answer ends where the connection does.
        let request = format!(
            "POST / HTTP/1.0\r\nHost: {address}\r\nAuthorization: AWS4-HMAC-SHA256 Credential={credential}\r\n\
             {headers}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.lines().next().unwrap_or_default();
        if status.split(' ').nth(1).is_some_and(|code| code.starts_with('2')) {
            return Ok(body.to_owned());
        }
        Err(format!("{status}: {body}").into())
    }
}

/// The text of the first element of this name.
pub(crate) fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    let (_, rest) = xml.split_once(&format!("<{name}>")).unwrap_or_default();
    rest.split_once("</").unwrap_or_default().0
}
