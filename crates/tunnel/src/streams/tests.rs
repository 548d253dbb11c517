use std::task::Waker;

use super::*;

const STUCK: Duration = Duration::from_secs(5);

fn streams() -> Streams {
    let remote = Remote { target: "i-1".to_owned(), host: "db.example.com".to_owned(), port: 5432 };
    Streams::new(remote, STUCK)
}

fn write(streams: &mut Streams, id: u32, data: &[u8]) -> Poll<io::Result<usize>> {
    streams.poll_write(id, &mut Context::from_waker(Waker::noop()), data)
}

/// Reads at most `length` bytes. Returns `None` if there are none yet.
fn read(streams: &mut Streams, id: u32, length: usize, now: Instant) -> Option<io::Result<Vec<u8>>> {
    let mut space = vec![0; length];
    let mut buffer = ReadBuf::new(&mut space);
    let mut changed = false;
    match streams.poll_read(id, &mut Context::from_waker(Waker::noop()), &mut buffer, now, &mut changed) {
        Poll::Pending => None,
        Poll::Ready(read) => Some(read.map(|()| buffer.filled().to_vec())),
    }
}

/// Returns all that is sent, joined, in messages of at most `limit` bytes.
fn output(streams: &mut Streams, limit: usize) -> Vec<u8> {
    let mut sent = Vec::new();
    while let Some(output) = streams.next_output(limit) {
        let Output::Data(data) = output else { panic!("{output:?}") };
        assert!(!data.is_empty() && data.len() <= limit);
        sent.extend_from_slice(&data);
    }
    sent
}

fn frames(frames: &[(Command, u32, &[u8])]) -> Bytes {
    let mut bytes = BytesMut::new();
    for (command, id, data) in frames {
        match command {
            Command::Psh => frame::write_data(&mut bytes, *id, data),
            command => frame::write_header(&mut bytes, *command, *id, 0),
        }
    }
    bytes.freeze()
}

fn error(read: Option<io::Result<Vec<u8>>>) -> StreamError {
    let error = read.expect("ready").expect_err("an error");
    error.get_ref().and_then(|inner| inner.downcast_ref::<StreamError>()).expect("a StreamError").clone()
}

#[test]
fn streams_are_opened_as_3_5_7_and_ended_after_their_data() {
    let mut streams = streams();
    let ids = [(); 3].map(|()| streams.open(None));
    assert_eq!(ids, [3, 5, 7]);
    assert!(write(&mut streams, 5, b"hello").is_ready());
    streams.end(5);
    let expected = frames(&[
        (Command::Syn, 3, b""),
        (Command::Syn, 5, b""),
        (Command::Psh, 5, b"hello"),
        (Command::Fin, 5, b""),
        (Command::Syn, 7, b""),
    ]);
    assert_eq!(output(&mut streams, 10), expected);
    assert!(write(&mut streams, 5, b"more").ready_and(|written| written.is_err()));
    assert_eq!(streams.next_output(10), None);
}

trait ReadyAnd<T> {
    fn ready_and(self, check: impl FnOnce(T) -> bool) -> bool;
}

impl<T> ReadyAnd<T> for Poll<T> {
    fn ready_and(self, check: impl FnOnce(T) -> bool) -> bool {
        match self {
            Poll::Ready(value) => check(value),
            Poll::Pending => false,
        }
    }
}

#[test]
fn streams_take_turns() {
    let mut streams = streams();
    let (a, b) = (streams.open(None), streams.open(None));
    assert!(write(&mut streams, a, &[1; 100_000]).is_ready());
    assert!(write(&mut streams, b, &[2; 10]).is_ready());
    let sent = output(&mut streams, 1024);
    let position = sent.iter().position(|byte| *byte == 2).unwrap();
    // A header has the byte 2 too: the command.
    let data = sent.windows(10).position(|bytes| bytes == [2; 10]).unwrap();
    assert!(position < data && data < 2 * FRAME + 100, "{data}");
}

#[test]
fn a_writer_waits_while_its_buffer_is_full() {
    let mut streams = streams();
    let id = streams.open(None);
    let data = vec![0; 1024 * 1024];
    let Poll::Ready(Ok(first)) = write(&mut streams, id, &data) else { panic!("no room at first") };
    assert_eq!(first, 256 * 1024);
    assert!(write(&mut streams, id, &data).is_pending());
    while streams.next_output(1024).is_some() {}
    assert!(write(&mut streams, id, &data).is_ready());
}

#[test]
fn what_was_received_can_be_read_after_the_end() {
    let mut streams = streams();
    let id = streams.open(None);
    output(&mut streams, 1024);
    let now = Instant::now();
    assert!(read(&mut streams, id, 10, now).is_none());
    streams.receive(frames(&[(Command::Psh, id, b"bye"), (Command::Fin, id, b"")]), now).unwrap();
    assert!(write(&mut streams, id, b"x").ready_and(|written| written.is_err()));
    assert_eq!(read(&mut streams, id, 2, now).unwrap().unwrap(), b"by");
    assert_eq!(read(&mut streams, id, 2, now).unwrap().unwrap(), b"e");
    assert_eq!(read(&mut streams, id, 2, now).unwrap().unwrap(), b"");
    assert_eq!(output(&mut streams, 1024), frames(&[(Command::Fin, id, b"")]));
    streams.drop_stream(id);
    assert_eq!(streams.count(), 0);
}

#[test]
fn a_dropped_stream_is_closed_and_forgotten() {
    let mut streams = streams();
    let (unsent, sent) = (streams.open(None), streams.open(None));
    streams.drop_stream(unsent);
    assert_eq!(output(&mut streams, 1024), frames(&[(Command::Syn, sent, b"")]));
    assert!(write(&mut streams, sent, b"last").is_ready());
    streams.drop_stream(sent);
    let expected = frames(&[(Command::Psh, sent, b"last"), (Command::Fin, sent, b"")]);
    assert_eq!(output(&mut streams, 1024), expected);
    assert_eq!(streams.count(), 0);
    // What still comes for it is ignored.
    let late = frames(&[(Command::Psh, sent, b"late"), (Command::Fin, sent, b""), (Command::Syn, 4, b"")]);
    streams.receive(late, Instant::now()).unwrap();
    assert_eq!((streams.count(), streams.next_output(1024)), (0, None));
}

/// Receives data of a stream until the session is full. Returns the bytes.
fn fill(streams: &mut Streams, id: u32, now: Instant) -> usize {
    let part = frames(&[(Command::Psh, id, &[7; 32_768])]);
    let mut received = 0;
    while !streams.is_full() {
        streams.receive(part.clone(), now).unwrap();
        received += 32_768;
    }
    received
}

#[test]
fn a_full_stream_stops_the_session_until_it_is_read() {
    let mut streams = streams();
    let (id, _other) = (streams.open(None), streams.open(None));
    output(&mut streams, 1024);
    let start = Instant::now();
    assert_eq!(fill(&mut streams, id, start), RECEIVE_LIMIT);
    assert_eq!(streams.next_stuck(), Some(start + STUCK));
    // 1 MiB within the time, and the program has the time again.
    read(&mut streams, id, LEAST_READ, start + STUCK).unwrap().unwrap();
    assert!(streams.is_full());
    streams.fail_stuck(start + STUCK);
    assert_eq!(streams.next_stuck(), Some(start + 2 * STUCK));
    read(&mut streams, id, RECEIVE_LIMIT / 2, start + STUCK).unwrap().unwrap();
    assert!(!streams.is_full());
    assert_eq!(streams.next_stuck(), None);
}

#[test]
fn a_stream_that_is_not_read_is_closed_and_others_continue() {
    let mut streams = streams();
    let (stuck, other) = (streams.open(None), streams.open(None));
    output(&mut streams, 1024);
    let start = Instant::now();
    fill(&mut streams, stuck, start);
    streams.fail_stuck(start + STUCK - Duration::from_millis(1));
    assert!(streams.is_full());
    streams.fail_stuck(start + STUCK);
    assert!(!streams.is_full());
    assert!(matches!(error(read(&mut streams, stuck, 10, start)), StreamError::Stuck { .. }));
    assert_eq!(output(&mut streams, 1024), frames(&[(Command::Fin, stuck, b"")]));
    streams.receive(frames(&[(Command::Psh, other, b"data")]), start).unwrap();
    assert_eq!(read(&mut streams, other, 10, start).unwrap().unwrap(), b"data");
}

#[test]
fn a_program_that_reads_little_does_not_stall_its_session_for_long() {
    let mut streams = streams();
    let (slow, _other) = (streams.open(None), streams.open(None));
    output(&mut streams, 1024);
    let start = Instant::now();
    fill(&mut streams, slow, start);
    let before = start + STUCK - Duration::from_millis(1);
    read(&mut streams, slow, LEAST_READ - 1, before).unwrap().unwrap();
    assert_eq!(streams.next_stuck(), Some(start + STUCK));
    // With one byte more it is enough.
    read(&mut streams, slow, 1, before).unwrap().unwrap();
    assert_eq!(streams.next_stuck(), Some(before + STUCK));
    read(&mut streams, slow, 1, before + STUCK).unwrap().unwrap();
    streams.fail_stuck(before + STUCK);
    assert!(!streams.is_full());
    assert!(matches!(error(read(&mut streams, slow, 10, start)), StreamError::Stuck { .. }));
}

#[test]
fn a_stream_that_the_agent_could_not_connect_fails() {
    let mut streams = streams();
    let (open, refused) = (streams.open(None), streams.open(None));
    output(&mut streams, 1024);
    let now = Instant::now();
    streams.receive(frames(&[(Command::Psh, open, b"data")]), now).unwrap();
    streams.connect_failed();
    // The end of a stream that had data is none of a connection that failed.
    streams.receive(frames(&[(Command::Fin, open, b""), (Command::Fin, refused, b"")]), now).unwrap();
    assert_eq!(read(&mut streams, open, 10, now).unwrap().unwrap(), b"data");
    assert_eq!(read(&mut streams, open, 10, now).unwrap().unwrap(), b"");
    let error = error(read(&mut streams, refused, 10, now));
    assert!(matches!(error, StreamError::Refused(_)));
    assert!(error.to_string().contains("db.example.com:5432 (i-1)"), "{error}");
}

#[test]
fn a_refusal_of_a_stream_that_is_closed_already_is_none_of_another_stream() {
    // The program gave up before the agent did. Its handle is dropped, or was not yet.
    for is_dropped in [true, false] {
        let mut streams = streams();
        let (given_up, next) = (streams.open(None), streams.open(None));
        output(&mut streams, 1024);
        streams.end(given_up);
        if is_dropped {
            streams.drop_stream(given_up);
        }
        output(&mut streams, 1024);
        let now = Instant::now();
        streams.connect_failed();
        streams.receive(frames(&[(Command::Fin, given_up, b""), (Command::Fin, next, b"")]), now).unwrap();
        assert_eq!(read(&mut streams, next, 10, now).unwrap().unwrap(), b"", "{is_dropped}");
    }
}

#[test]
fn the_ends_of_forgotten_streams_that_had_data_are_no_refusals() {
    let mut streams = streams();
    let (used, refused) = (streams.open(None), streams.open(None));
    output(&mut streams, 1024);
    let now = Instant::now();
    streams.receive(frames(&[(Command::Psh, used, b"data")]), now).unwrap();
    streams.drop_stream(used);
    output(&mut streams, 1024);
    streams.connect_failed();
    streams.receive(frames(&[(Command::Fin, used, b""), (Command::Fin, refused, b"")]), now).unwrap();
    assert!(matches!(error(read(&mut streams, refused, 10, now)), StreamError::Refused(_)));
}

/// As a dump into a slow upload: it delays no other connection.
#[test]
fn a_stream_that_is_alone_is_not_closed_although_its_program_does_not_read() {
    let mut streams = streams();
    let now = Instant::now();
    let id = streams.open(None);
    fill(&mut streams, id, now);
    assert_eq!(streams.next_stuck(), None);
    streams.fail_stuck(now + 2 * STUCK);
    assert_eq!(read(&mut streams, id, 4, now).unwrap().unwrap(), [7; 4]);
    // Another one waits from now on.
    streams.open(None);
    assert_eq!(streams.next_stuck(), Some(now + STUCK));
}

#[test]
fn all_streams_fail_with_their_session() {
    let mut streams = streams();
    let id = streams.open(None);
    streams.receive(frames(&[(Command::Psh, id, b"last")]), Instant::now()).unwrap();
    streams.fail_all(&Arc::new(TunnelError::Closed));
    assert_eq!(read(&mut streams, id, 10, Instant::now()).unwrap().unwrap(), b"last");
    assert!(matches!(error(read(&mut streams, id, 10, Instant::now())), StreamError::Ended(_)));
    assert!(write(&mut streams, id, b"x").ready_and(|written| written.is_err()));
    assert_eq!(streams.next_output(10), None);
    streams.drop_stream(id);
    assert_eq!(streams.count(), 0);
}

#[test]
fn basic_mode_has_one_stream_whose_bytes_are_the_payloads() {
    let mut streams = streams();
    streams.set_mode(Mode::Basic);
    let now = Instant::now();
    let id = streams.open(None);
    assert!(write(&mut streams, id, b"question").is_ready());
    assert_eq!(output(&mut streams, 5), b"question");
    streams.receive(Bytes::from_static(b"answer"), now).unwrap();
    assert_eq!(read(&mut streams, id, 10, now).unwrap().unwrap(), b"answer");
    streams.drop_stream(id);
    assert_eq!(streams.next_output(5), Some(Output::Flag(Flag::DisconnectToPort)));
    assert_eq!(streams.next_output(5), None);
    // Until the agent has closed the connection, what comes is still that connection's.
    streams.receive(Bytes::from_static(b"late"), now).unwrap();
    assert_eq!(streams.count(), 1);
    streams.disconnected();
    assert_eq!(streams.count(), 0);
    let next = streams.open(None);
    assert!(read(&mut streams, next, 10, now).is_none());
}

/// The agent connects when the session starts, and MySQL's server speaks first.
#[test]
fn in_basic_mode_the_first_stream_begins_with_what_was_received_before() {
    let mut streams = streams();
    streams.set_mode(Mode::Basic);
    let now = Instant::now();
    streams.receive(Bytes::from_static(b"greet"), now).unwrap();
    streams.receive(Bytes::from_static(b"ing"), now).unwrap();
    assert!(!streams.is_full());
    let id = streams.open(None);
    assert_eq!(read(&mut streams, id, 10, now).unwrap().unwrap(), b"greeting");
    streams.drop_stream(id);
    streams.next_output(5);
    streams.disconnected();
    let next = streams.open(None);
    assert!(read(&mut streams, next, 10, now).is_none());
}

#[test]
fn in_basic_mode_a_server_that_speaks_without_a_client_waits() {
    let mut streams = streams();
    streams.set_mode(Mode::Basic);
    while !streams.is_full() {
        streams.receive(Bytes::from_static(&[0; 1024]), Instant::now()).unwrap();
    }
    assert_eq!(streams.early.len(), EARLY_LIMIT);
    streams.open(None);
    assert!(!streams.is_full());
}

#[test]
fn in_basic_mode_a_stream_that_is_dropped_after_its_end_is_forgotten_once_the_agent_answers() {
    for is_answered_first in [true, false] {
        let mut streams = streams();
        streams.set_mode(Mode::Basic);
        let permits = Arc::new(Semaphore::new(1));
        let id = streams.open(permits.clone().try_acquire_owned().ok());
        streams.end(id);
        assert_eq!(streams.next_output(5), Some(Output::Flag(Flag::DisconnectToPort)));
        if is_answered_first {
            streams.disconnected();
            streams.drop_stream(id);
        } else {
            streams.drop_stream(id);
            assert_eq!((streams.count(), permits.available_permits()), (1, 0));
            streams.disconnected();
        }
        assert_eq!((streams.count(), permits.available_permits()), (0, 1), "{is_answered_first}");
    }
}

#[test]
fn a_keep_alive_is_a_frame_of_smux_only() {
    let mut streams = streams();
    streams.keep_alive();
    assert_eq!(output(&mut streams, 1024), frames(&[(Command::Nop, 0, b"")]));
    streams.set_mode(Mode::Basic);
    streams.keep_alive();
    assert_eq!(streams.next_output(1024), None);
}
