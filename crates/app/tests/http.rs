//! Tests of the program's HTTP with raw requests, without a database: the `Host` header, JSON that is not a message,
//! the choice of page or JSON by `Accept`, and `Strict-Transport-Security`.

#[path = "common/program.rs"]
mod program;

use program::{Program, ask};

/// Returns the status line and the headers.
fn head(answer: &str) -> (&str, &str) {
    let (head, _) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    head.split_once("\r\n").unwrap_or((head, ""))
}

#[tokio::test]
async fn a_request_has_one_host() {
    let program = Program::start(&[]).await;
    for (address, path) in [(&program.people, "/style.css"), (&program.machines, "/livez")] {
        for (version, hosts, status) in [
            ("1.1", "host: a\r\n", "200 OK"),
            ("1.1", "host: [::1]:3000\r\n", "200 OK"),
            ("1.1", "host:\r\n", "200 OK"),
            ("1.0", "", "200 OK"),
            ("1.1", "", "400 Bad Request"),
            ("1.1", "host: a\r\nhost: a\r\n", "400 Bad Request"),
            ("1.1", "host: a\r\nHOST: b\r\n", "400 Bad Request"),
            ("1.0", "host: a\r\nhost: b\r\n", "400 Bad Request"),
            ("1.1", "host: a b\r\n", "400 Bad Request"),
            ("1.1", "host: a/b\r\n", "400 Bad Request"),
            ("1.1", "host: user@a\r\n", "400 Bad Request"),
        ] {
            let answer = ask(address, &format!("GET {path} HTTP/{version}\r\n{hosts}accept: */*"), "").await;
            let answer = answer.unwrap();
            let status = format!("HTTP/{version} {status}");
            assert_eq!(head(&answer).0, status, "HTTP/{version} {hosts:?}");
        }
    }
}

#[tokio::test]
async fn json_that_is_no_message_is_refused_in_the_words_of_the_api() {
    let program = Program::start(&[]).await;
    let insert = "POST /api/insert HTTP/1.1\r\nhost: a\r\ncontent-type: application/json";
    for body in [r#"["x"]"#, r#""x""#, "1", "null", "[]", r#"[{"message":"x"}]"#, r#"{"message":["x"]}"#] {
        let answer = ask(&program.people, insert, body).await.unwrap();
        assert_eq!(head(&answer).0, "HTTP/1.1 422 Unprocessable Entity", "{body}: {answer}");
        assert!(answer.contains("`message`"), "{body}: {answer}");
        for word in ["struct", "NewMessage", "target type", "deserialize", "expected", "invalid type"] {
            assert!(!answer.contains(word), "{word} for {body}: {answer}");
        }
    }
}

#[tokio::test]
async fn weights_in_accept_are_honoured() {
    let program = Program::start(&[]).await;
    for (accept, kind) in [
        ("text/html", "text/html"),
        ("application/problem+json, text/html;q=0.5", "application/problem+json"),
        ("text/html;q=0, */*", "application/problem+json"),
        ("application/json;q=0.2, text/*", "text/html"),
    ] {
        let request = format!("GET /nowhere HTTP/1.1\r\nhost: a\r\naccept: {accept}");
        let answer = ask(&program.people, &request, "").await.unwrap();
        assert!(head(&answer).1.contains(&format!("content-type: {kind}")), "{accept}: {answer}");
    }
}

#[tokio::test]
async fn strict_transport_security_where_the_request_came_over_https() {
    let program = Program::start(&[]).await;
    for (headers, is_there) in [
        ("", false),
        ("x-forwarded-proto: http\r\n", false),
        ("x-forwarded-proto: https\r\n", true),
        ("x-forwarded-proto: HTTPS\r\n", true),
    ] {
        for path in ["/style.css", "/nowhere"] {
            let request = format!("GET {path} HTTP/1.1\r\n{headers}host: a");
            let answer = ask(&program.people, &request, "").await.unwrap();
            let found = head(&answer).1.contains("strict-transport-security: max-age=31536000\r\n");
            assert_eq!(found, is_there, "{headers:?} {path}: {answer}");
        }
    }
}
