//! Bytes pass whole and in order, whatever the sizes of reads and writes; ends and refusals are reported after what
//! came before them.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;

/// Messages of one byte: each `!` is refused.
#[derive(Debug, Default)]
struct Bytes;

impl Frames for Bytes {
    fn follow(&mut self, bytes: &[u8]) -> Followed {
        match bytes.iter().position(|byte| *byte == b'!') {
            Some(forward) => Followed::Refuse { forward, answer: b"refused".to_vec() },
            None => Followed::Forward,
        }
    }

    fn is_between_messages(&self) -> bool {
        true
    }
}

type Tested = Relay<DuplexStream, DuplexStream, Bytes, Bytes>;

/// Returns the client's end, the database's end and the relay between them; each connection holds `size` bytes.
fn session(size: usize) -> (DuplexStream, DuplexStream, Tested) {
    let (client, accepted) = duplex(size);
    let (dialled, database) = duplex(size);
    (client, database, Relay::new(accepted, dialled, Bytes, Bytes))
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8 | 0x80).collect()
}

#[tokio::test]
async fn large_transfers_pass_whole_in_both_directions_at_once() {
    for size in [1, 7, 1000, 1 << 20] {
        let (mut client, mut database, mut relay) = session(size);
        let sent = pattern(if size < 10 { 5_000 } else { 1 << 20 });
        let running = tokio::spawn(async move { relay.run().await });
        let (mut from_client, mut to_client) = tokio::io::split(&mut client);
        let (mut from_database, mut to_database) = tokio::io::split(&mut database);
        let (mut requested, mut answered) = (vec![0; sent.len()], vec![0; sent.len()]);
        let (a, b, c, d) = tokio::join!(
            to_client.write_all(&sent),
            to_database.write_all(&sent),
            from_database.read_exact(&mut requested),
            from_client.read_exact(&mut answered),
        );
        a.and(b).and(c.map(drop)).and(d.map(drop)).unwrap();
        assert!(requested == sent && answered == sent, "buffers of {size} bytes");
        drop(client);
        assert!(matches!(running.await.unwrap(), Ended::Client));
    }
}

#[tokio::test]
async fn the_last_answer_arrives_before_the_end_is_reported() {
    let (mut client, mut database, mut relay) = session(4);
    let writing = tokio::spawn(async move { database.write_all(b"the last answer").await });
    let reading = tokio::spawn(async move {
        let mut answer = [0; 15];
        client.read_exact(&mut answer).await.map(|_| answer)
    });
    assert!(matches!(relay.run().await, Ended::Upstream));
    writing.await.unwrap().unwrap();
    assert_eq!(&reading.await.unwrap().unwrap(), b"the last answer");
    assert_eq!(relay.received(), (0, 15));
}

#[tokio::test]
async fn a_refused_request_is_answered_and_what_came_before_it_is_forwarded() {
    let (mut client, mut database, mut relay) = session(64);
    client.write_all(b"ab!cd").await.unwrap();
    let Ended::Refused(answer) = relay.run().await else { panic!("not refused") };
    relay.close(&answer).await;
    let (mut answered, mut forwarded) = (Vec::new(), Vec::new());
    client.read_to_end(&mut answered).await.unwrap();
    database.read_to_end(&mut forwarded).await.unwrap();
    assert_eq!((answered.as_slice(), forwarded.as_slice()), (&b"refused"[..], &b"ab"[..]));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_reading_stops_the_database_and_nothing_grows() {
    let (client, mut database, mut relay) = session(1024);
    let sent = pattern(1 << 20);
    let written = tokio::select! {
        ended = relay.run() => panic!("{ended:?}"),
        written = async {
            let mut written = 0;
            // The relay may keep one buffer; then the database has to wait.
            while let Ok(now) = database.write(&sent[written..]).await {
                written += now;
                if written > 2 * BUFFER {
                    break;
                }
            }
            written
        } => written,
        () = tokio::time::sleep(std::time::Duration::from_millis(200)) => 0,
    };
    assert_eq!(written, 0, "the database could write more than the buffers hold");
    assert!(relay.answers.kept.len() <= BUFFER);
    drop(client);
}

#[tokio::test]
async fn a_stopped_run_loses_no_byte() {
    let (mut client, mut database, mut relay) = session(8);
    let sent = pattern(10_000);
    let expected = sent.clone();
    let writing = tokio::spawn(async move { client.write_all(&sent).await.map(|()| client) });
    let reading = tokio::spawn(async move {
        let mut received = vec![0; 10_000];
        database.read_exact(&mut received).await.map(|_| (received, database))
    });
    while !reading.is_finished() {
        tokio::select! {
            biased;
            () = tokio::task::yield_now() => {}
            _ = relay.run() => break,
        }
    }
    assert_eq!(reading.await.unwrap().unwrap().0, expected);
    drop(writing.await.unwrap().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_does_not_keep_a_session() {
    // Neither end reads, and each holds one byte.
    let (_client, _database, mut relay) = session(1);
    relay.client.write_all(b"x").await.unwrap();
    relay.upstream.write_all(b"x").await.unwrap();
    let started = Instant::now();
    relay.close(b"farewell").await;
    assert_eq!(started.elapsed(), LAST_BYTES);
}
