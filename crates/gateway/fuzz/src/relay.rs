//! Sessions after the login: commands, answers and the close, between streams in memory.

use std::sync::LazyLock;

use rds_iam_gateway::{Ended, Frames, Relay, mysql, postgres};
use tokio::runtime::Runtime;

use crate::frames::{Follow, HEADER, follow};
use crate::input::Input;
use crate::stream::{End, Scripted, run, run_poll};

/// The flags of an input: the engine, and the ends of connections.
const POSTGRES: u8 = 1;
const DATABASE_STAYS: u8 = 1 << 1;
const DATABASE_BREAKS: u8 = 1 << 2;
const ENDS_EARLY: u8 = 1 << 3;
const WRITES_NOTHING: u8 = 1 << 4;

/// The message that a session ends with.
const FAREWELL: &[u8] = b"\x08\0\0\x01\xff\x1d\x04#08S01";

/// Forwards a session of the engine in the first flag.
///
/// # Panics
/// If bytes are changed, lost, or forwarded although they are refused.
pub fn relay(data: &[u8]) {
    let input = Input::parse(data);
    if input.driver & POSTGRES == 0 {
        forward(&input, || (mysql::ClientFrames::default(), mysql::ServerFrames::new()));
    } else {
        forward(&input, || (postgres::ClientFrames::new(()), postgres::ServerFrames::new(())));
    }
}

/// The bytes that both sides have received, and the end.
struct Passed {
    ended: Ended,
    to_client: Vec<u8>,
    to_database: Vec<u8>,
    is_client_broken: bool,
    is_database_broken: bool,
    received: (u64, u64),
}

/// Returns the connections. With [`ENDS_EARLY`], they end as those of a peer that leaves without TLS's last message.
fn connections(input: &Input) -> (Scripted, Scripted) {
    let (mut client, mut database) = input.paces();
    let has = |flag: u8| input.driver & flag != 0;
    for pace in [&mut client, &mut database] {
        pace.writes_nothing = has(WRITES_NOTHING);
        if let (End::Fail(kind), true) = (&mut pace.end, has(ENDS_EARLY)) {
            *kind = std::io::ErrorKind::UnexpectedEof;
        }
    }
    if has(DATABASE_STAYS) {
        database.end = End::Stay;
    }
    if has(DATABASE_BREAKS) {
        std::mem::swap(&mut database.accepts, &mut client.accepts);
    }
    (Scripted::new(&input.client, client), Scripted::new(&input.database, database))
}

/// The runtime of the time limit of a relay's end, which no driver reaches.
static TIMERS: LazyLock<Runtime> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime")
});

/// Forwards a session, and closes it with the answer to a refused request or a farewell.
fn pass<Q, A>(input: &Input, (requests, answers): (Q, A), closes: bool) -> Passed
where
    Q: Frames + Unpin,
    A: Frames + Unpin,
{
    let (mut client, mut database) = connections(input);
    let mut relay = Relay::new(&mut client, &mut database, requests, answers);
    // Each poll is of a new future: one that was dropped loses no byte.
    let ended = run_poll(|cx| std::pin::pin!(relay.run()).poll(cx));
    let received = relay.received();
    if closes {
        let _timers = TIMERS.enter();
        run(relay.close(farewell(&ended)));
    }
    Passed {
        ended,
        is_client_broken: client.is_broken(),
        is_database_broken: database.is_broken(),
        to_client: client.written,
        to_database: database.written,
        received,
    }
}

fn farewell(ended: &Ended) -> &[u8] {
    match ended {
        Ended::Refused(answer) => answer,
        _ => FAREWELL,
    }
}

pub(crate) fn forward<Q, A>(input: &Input, new: impl Fn() -> (Q, A))
where
    Q: Frames + Unpin,
    A: Frames + Unpin,
{
    let passed = pass(input, new(), false);
    let requested = follow(&mut new().0, std::iter::once(&*input.client));
    let answered = follow(&mut new().1, std::iter::once(&*input.database));
    let all_requests = assert_forwarded(&input.client, &passed.to_database, &requested);
    let all_answers = assert_forwarded(&input.database, &passed.to_client, &answered);
    let fails = |bit: u8| input.has(bit) && input.driver & ENDS_EARLY == 0;
    match &passed.ended {
        Ended::Client => assert!(all_requests && !requested.is_refused && !fails(1)),
        Ended::Refused(answer) => assert!(all_requests && requested.is_refused && !answer.is_empty()),
        Ended::Upstream => assert!(all_answers && (answered.is_refused || !fails(2))),
        Ended::ClientFailed(_) => assert!(passed.is_client_broken || fails(1) && all_requests),
        Ended::UpstreamFailed(_) => assert!(passed.is_database_broken || fails(2) && all_answers),
        other => panic!("{other:?}"),
    }
    let (from_client, from_database) = passed.received;
    assert!(passed.to_database.len() as u64 <= from_client && passed.to_client.len() as u64 <= from_database);

    let closed = pass(input, new(), true);
    assert!(closed.to_database == passed.to_database, "closing sends to the database");
    let added = closed.to_client.strip_prefix(&*passed.to_client).expect("the same bytes again");
    let farewell = farewell(&closed.ended);
    let is_between = follow(&mut new().1, std::iter::once(&*passed.to_client)).is_between;
    assert!(added.is_empty() || is_between, "a message is inserted within another one");
    assert!(added.is_empty() || added == farewell || closed.is_client_broken, "the farewell is incomplete");
    // The database's bytes have all arrived, and are whole messages: the farewell must follow.
    let must = is_between && passed.to_client.len() as u64 == from_database && !closed.is_client_broken;
    assert!(!must || added == farewell, "the farewell is missing");
}

/// Checks that `forwarded` is what was sent, up to a refusal, and returns whether it is all of that.
fn assert_forwarded(sent: &[u8], forwarded: &[u8], whole: &Follow) -> bool {
    assert!(sent.starts_with(forwarded), "bytes are changed");
    let limit = if whole.is_refused { whole.forwarded + HEADER - 1 } else { sent.len() };
    assert!(forwarded.len() <= limit, "{} bytes are forwarded, not {limit}", forwarded.len());
    forwarded.len() >= whole.forwarded
}
