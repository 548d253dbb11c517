//! The service in the test's image: a separate static program, which the test builds with `rustc`.
//!
//! Like the real one it needs readable credentials. With the argument `break` it ends at once, with `hang` it
//! does not listen.

use std::io::{Read, Write};
use std::net::TcpListener;

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("break") => {
            eprintln!("this service is broken");
            std::process::exit(7);
        }
        Some("hang") => loop {
            std::thread::park();
        },
        _ => {}
    }
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let credentials = std::fs::read_to_string(variable("AWS_SHARED_CREDENTIALS_FILE")).expect("no credentials");
    assert!(credentials.starts_with("[default]\naws_access_key_id = "));
    let mut about = format!("{} {}", variable("AWS_REGION"), variable("RDS_IAM_SSM_PREFIX"));
    if let Ok(dial) = std::env::var("RDS_IAM_DIAL") {
        let ca = std::fs::read_to_string(variable("RDS_IAM_CA_BUNDLE")).expect("no authority");
        assert!(ca.starts_with("-----BEGIN CERTIFICATE-----"));
        about.push_str(&format!(" {dial}"));
    }
    // The public port, and the management port.
    let ports = [("PORT", "/"), ("RDS_IAM_MANAGEMENT_PORT", "/readyz")].map(|(name, path)| {
        (TcpListener::bind(format!("127.0.0.1:{}", variable(name))).expect("the port is taken"), path)
    });
    let serving = ports.map(|(listener, path)| {
        let about = about.clone();
        std::thread::spawn(move || serve(&listener, path, &about))
    });
    serving.map(|thread| thread.join().expect("it serves for as long as it runs"));
}

fn serve(listener: &TcpListener, path: &str, about: &str) {
    let wanted = format!("GET {path} ");
    for stream in listener.incoming() {
        let mut stream = stream.expect("no connection");
        let mut request = [0; 1024];
        let length = stream.read(&mut request).unwrap_or(0);
        let status = if request[..length].starts_with(wanted.as_bytes()) { "200 OK" } else { "404 Not Found" };
        let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", about.len());
        drop(stream.write_all((head + about).as_bytes()));
    }
}
