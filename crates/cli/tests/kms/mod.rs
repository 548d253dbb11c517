//! KMS on this machine, with one answer to each request.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

/// Starts a server. Returns its URL, and the requests that it receives. It ends with the test's process.
pub(crate) fn start(status: &'static str, answer: &Value) -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = channel();
    let answer = answer.to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            if let Ok(request) = stream.and_then(|stream| serve(&stream, status, &answer))
                && sender.send(request).is_err()
            {
                return;
            }
        }
    });
    (url, requests)
}

fn serve(mut stream: &TcpStream, status: &str, answer: &str) -> io::Result<Value> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let length = answer.len();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Type: application/x-amz-json-1.1\r\n")?;
    write!(stream, "Content-Length: {length}\r\nConnection: close\r\n\r\n{answer}")?;
    Ok(serde_json::from_slice(&body)?)
}
