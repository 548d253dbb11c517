//! Tests of the relay, against listeners of this process.

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::*;

#[tokio::test]
async fn bytes_go_both_ways_until_the_client_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("127.0.0.1:{}", listener.local_addr().unwrap().port()).parse().unwrap();
    let dialer = Dialer::default();
    let mut client = UnixStream::connect(dialer.socket(&server, None).unwrap()).await.unwrap();
    let (mut accepted, _) = listener.accept().await.unwrap();
    let mut received = [0; 4];
    client.write_all(b"ping").await.unwrap();
    accepted.read_exact(&mut received).await.unwrap();
    assert_eq!(&received, b"ping");
    accepted.write_all(b"pong").await.unwrap();
    client.read_exact(&mut received).await.unwrap();
    assert_eq!(&received, b"pong");
    // What was sent before the end arrives.
    accepted.write_all(b"last").await.unwrap();
    drop(accepted);
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"last");
    client.write_all(b"goodbye").await.unwrap();
    // The socket is the same one while its task lives.
    assert_eq!(dialer.socket(&server, None).unwrap(), dialer.socket(&server, None).unwrap());
}

#[tokio::test]
async fn a_failure_to_connect_is_explained() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("127.0.0.1:{}", listener.local_addr().unwrap().port()).parse().unwrap();
    drop(listener);
    let dialer = Dialer::default();
    let mut client = UnixStream::connect(dialer.socket(&server, None).unwrap()).await.unwrap();
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    let kind = |error| match dialer.explain(error) {
        sqlx::Error::Io(error) => error.kind(),
        other => panic!("{other}"),
    };
    let observed = |kind: io::ErrorKind| sqlx::Error::Io(kind.into());
    assert_eq!(kind(observed(io::ErrorKind::UnexpectedEof)), io::ErrorKind::ConnectionRefused);
    // Another error is its own explanation.
    assert_eq!(kind(observed(io::ErrorKind::TimedOut)), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_failure_is_explained_although_another_connection_succeeds_meanwhile() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = format!("127.0.0.1:{}", address.port()).parse().unwrap();
    drop(listener);
    let dialer = Dialer::default();
    let path = dialer.socket(&server, None).unwrap();
    let mut refused = UnixStream::connect(&path).await.unwrap();
    assert_eq!(refused.read(&mut [0]).await.unwrap(), 0);

    let listener = TcpListener::bind(address).await.unwrap();
    let connect = async || {
        let mut client = UnixStream::connect(&path).await.unwrap();
        let (mut accepted, _) = listener.accept().await.unwrap();
        accepted.write_all(b"hello").await.unwrap();
        client.read_exact(&mut [0; 5]).await.unwrap();
    };
    let explained = || dialer.explain(sqlx::Error::Io(io::ErrorKind::UnexpectedEof.into())).to_string();
    connect().await;
    assert!(explained().contains("refused"), "{}", explained());
    tokio::time::pause();
    tokio::time::advance(OBSERVED).await;
    connect().await;
    assert!(!explained().contains("refused"), "{}", explained());
}

#[tokio::test]
async fn a_socket_that_can_t_be_had_is_the_reason() {
    let dialer = Dialer::default();
    let path = dialer.unusable(&io::Error::new(io::ErrorKind::PermissionDenied, "not here"));
    let observed = UnixStream::connect(path).await.unwrap_err();
    let explained = dialer.explain(sqlx::Error::Io(observed));
    assert!(explained.to_string().ends_with("no local socket to dial through: not here"), "{explained}");
    // The next options try again, and the reason is gone once a socket is there.
    assert!(dialer.is_unusable());
    dialer.socket(&"127.0.0.1:9".parse().unwrap(), None).unwrap();
    assert!(!dialer.is_unusable());
}

#[tokio::test]
async fn the_file_of_a_socket_is_this_user_s_and_goes_with_it() {
    use std::os::unix::fs::MetadataExt as _;

    for file in [None, Some(".s.PGSQL.5432")] {
        let (_listener, path, folder) = bind_file(file).unwrap();
        let socket = file.map_or_else(|| path.clone(), |file| path.join(file));
        UnixStream::connect(&socket).await.unwrap();
        let parent = socket.parent().unwrap();
        assert_eq!(parent.metadata().unwrap().mode() & 0o777, 0o700);
        drop(folder);
        assert!(!parent.exists());
    }
}

/// PostgreSQL's driver adds a file to the path, and its client speaks first.
#[tokio::test]
async fn a_client_that_speaks_first_is_heard() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("127.0.0.1:{}", listener.local_addr().unwrap().port()).parse().unwrap();
    let dialer = Dialer::default();
    let path = dialer.socket(&server, Some(".s.PGSQL.5432")).unwrap();
    let mut client = UnixStream::connect(format!("{}/.s.PGSQL.5432", path.display())).await.unwrap();
    client.write_all(b"request").await.unwrap();
    let (mut accepted, _) = listener.accept().await.unwrap();
    let mut received = [0; 7];
    accepted.read_exact(&mut received).await.unwrap();
    assert_eq!(&received, b"request");
    // Another driver's path is another socket.
    assert_ne!(dialer.socket(&server, None).unwrap(), path);
}

#[tokio::test]
async fn what_a_client_sends_before_the_connection_is_kept_until_it_closes() {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    ours.write_all(b"request").await.unwrap();
    drop(ours);
    let mut early = Vec::new();
    closed(&theirs, &mut early).await;
    assert_eq!(early, b"request");
}

#[tokio::test]
async fn a_server_that_closes_without_an_answer_is_the_reason() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("127.0.0.1:{}", listener.local_addr().unwrap().port()).parse().unwrap();
    let dialer = Dialer::default();
    let mut client = UnixStream::connect(dialer.socket(&server, None).unwrap()).await.unwrap();
    client.write_all(b"request").await.unwrap();
    let (mut accepted, _) = listener.accept().await.unwrap();
    let mut received = [0; 7];
    accepted.read_exact(&mut received).await.unwrap();
    drop(accepted);
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    // As PostgreSQL's driver reports it.
    let explained = dialer.explain(sqlx::Error::Protocol("unexpected response: 0x00".into()));
    assert!(explained.to_string().ends_with("closed the connection without an answer"), "{explained}");
}

#[test]
fn a_target_outlives_a_runtime() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap().to_string().parse().unwrap();
    let dialer = Dialer::default();
    let first = runtime().block_on(async { dialer.socket(&server, None).unwrap() });
    runtime().block_on(async {
        let second = dialer.socket(&server, None).unwrap();
        assert_ne!(first, second);
        UnixStream::connect(second).await.unwrap();
    });
}

/// Returns a port that accepts no connection: its backlog is full, so that a caller waits.
async fn full_backlog() -> (std::net::SocketAddr, Vec<TcpStream>, TcpListener) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut open = Vec::new();
    while let Ok(stream) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        open.push(stream.unwrap());
    }
    (address, open, listener)
}

#[tokio::test]
async fn dialling_stops_when_the_client_closes() {
    let (address, _open, _listener) = full_backlog().await;
    let server: Endpoint = address.to_string().parse().unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let forwarding = tokio::spawn(forward(theirs, server, Arc::default()));
    tokio::task::yield_now().await;
    assert!(!forwarding.is_finished());
    drop(ours);
    // Far below the minutes that the system waits.
    timeout(Duration::from_secs(5), forwarding).await.unwrap().unwrap();
}
