//! PostgreSQL's login: the client's bytes are its requests and its login, the database's its answer about TLS and its
//! answers to the login.

use rds_iam_gateway::postgres::accept::{self, Negotiated, Offer};
use rds_iam_gateway::postgres::connect::{self, LoggedIn, TokenAuthenticator};
use rds_iam_gateway::postgres::message::{self, Message, ReadError};
use rds_iam_gateway::postgres::startup::{CancelKey, First, Startup, read_first};
use rds_iam_gateway::postgres::{CancelKeys, ErrorResponse};
use rds_iam_gateway::{Failure, MAX_LOGIN_PACKET};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use crate::input::Input;
use crate::login::{Local, PASSWORD, Settings, assert_no_token, endpoint};
use crate::stream::{Scripted, run};

/// Logs a client in, as the auth proxy does but without TLS.
///
/// # Panics
/// If a property of the login is violated.
pub fn postgres_login(data: &[u8]) {
    let input = Input::parse(data);
    let settings = Settings::parse(input.driver);
    let (mut client, mut database) = input.connections();
    let result = run(open(&mut client, &mut database, &settings));
    assert_no_token(settings.token, result.as_ref().err(), &client.written, data);
    if !client.is_broken() {
        assert_received(&client.written, &result);
    }
    assert_sent(&database.written, matches!(result, Ok(Some(_))), &settings);
}

async fn open(
    client: &mut Scripted,
    database: &mut Scripted,
    settings: &Settings,
) -> Result<Option<LoggedIn>, Failure> {
    let offer = if settings.offers_tls { Offer::Tls } else { Offer::Plain };
    match accept::negotiate(client, offer).await? {
        Negotiated::Startup(client, startup) => log_in(client, database, &startup, settings).await.map(Some),
        Negotiated::Cancel(_, key) => cancel(&key).await,
        // The handshake is left out: what follows is read as if it were inside.
        Negotiated::Tls(inside) => match accept::negotiate(inside, Offer::Secured).await? {
            Negotiated::Startup(mut client, startup) => {
                log_in(&mut client, database, &startup, settings).await.map(Some)
            }
            Negotiated::Cancel(_, key) => cancel(&key).await,
            other => panic!("TLS inside TLS: {other:?}"),
        },
        other => panic!("not a request: {other:?}"),
    }
}

/// Checks a key, which is one of no session.
async fn cancel(key: &CancelKey) -> Result<Option<LoggedIn>, Failure> {
    assert_eq!(read_first(&mut &*key.request()).await?, First::Cancel(key.clone()));
    let keys = CancelKeys::default();
    assert!(!keys.forward(key).await?, "a key of no session is forwarded");
    assert_eq!(
        format!("{keys:?} {key:?}"),
        format!("CancelKeys {{ .. }} CancelKey {{ process: {}, .. }}", key.process)
    );
    Ok(None)
}

async fn log_in<S>(
    client: &mut S,
    database: &mut Scripted,
    startup: &Startup,
    settings: &Settings,
) -> Result<LoggedIn, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    assert_eq!(read_first(&mut &*startup.encode()).await?, First::Startup(startup.clone()));
    match establish(client, database, startup, settings).await {
        Ok(logged_in) => {
            client.write_all(&logged_in.messages).await?;
            client.flush().await?;
            Ok(logged_in)
        }
        Err(failure) => {
            accept::refuse(client, &failure).await;
            Err(failure)
        }
    }
}

async fn establish<S>(
    client: &mut S,
    database: &mut Scripted,
    startup: &Startup,
    settings: &Settings,
) -> Result<LoggedIn, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let asked = startup.user()?;
    match settings.local {
        Local::None => {}
        Local::Password => accept::check_local_password(client, asked, PASSWORD.as_bytes()).await?,
        Local::Cleartext => drop(accept::request_cleartext(client).await?),
    }
    let user = settings.rule.decide(asked)?;
    let endpoint = endpoint();
    connect::request_tls(database, &endpoint).await?;
    let mut authenticator = TokenAuthenticator::new(settings.token, user.as_str());
    connect::log_in(database, &endpoint, startup, Some(user.as_str()), &mut authenticator).await
}

/// Reads whole messages.
fn messages(mut bytes: &[u8]) -> Vec<Message> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        match run(message::read(&mut bytes, MAX_LOGIN_PACKET * 2)) {
            Ok(message) => messages.push(message),
            Err(ReadError::Io(error)) => panic!("reading from memory failed: {error}"),
            Err(error) => panic!("not a message: {error}"),
        }
    }
    messages
}

/// Checks what the client has received: answers to its requests for encryption, then whole messages, of which the last
/// one is the end of the login.
fn assert_received(received: &[u8], result: &Result<Option<LoggedIn>, Failure>) {
    // The messages of a login may begin with the same letters.
    let end = result.as_ref().ok().and_then(Option::as_ref).map_or(&[][..], |logged_in| &logged_in.messages);
    let received = received.strip_suffix(end).expect("the database's messages");
    let answers = received.iter().take_while(|byte| b"NS".contains(byte)).count().min(2);
    let received = &received[answers..];
    match result {
        Ok(None) => assert!(received.is_empty(), "a cancel request is answered"),
        Ok(Some(logged_in)) => {
            assert_eq!(messages(&logged_in.messages).last().expect("messages").tag, b'Z');
            let requested: Vec<u8> = messages(received).iter().map(|message| message.tag).collect();
            assert!(requested.is_empty() || requested == b"R", "{requested:?} before the login");
        }
        // A handshake is answered by an alert of TLS.
        Err(Failure::Malformed(_)) if received.first() == Some(&0x15) => assert_eq!(received.len(), 7),
        Err(failure) => {
            let messages = messages(received);
            let is_reported = messages.last().is_some_and(|message| message.tag == b'E');
            // An error before the first packet is complete is the client's own end.
            let has_left = matches!(failure, Failure::ClientGone | Failure::Io(_));
            assert!(is_reported || has_left, "{failure} is not reported");
            for message in messages.iter().filter(|message| message.tag == b'E') {
                let error = ErrorResponse::parse(&message.body).expect("an error message");
                let again = error.encode();
                assert_eq!(ErrorResponse::parse(&again[message::HEADER..]).as_ref(), Some(&error));
            }
        }
    }
}

/// Checks what the database has received: nothing, or a request for TLS, and then a login of the user that the rule
/// allows, with nothing but the token.
fn assert_sent(sent: &[u8], succeeded: bool, settings: &Settings) {
    if sent.is_empty() {
        return assert!(!succeeded, "no login is sent");
    }
    let mut rest = sent;
    assert_eq!(run(read_first(&mut rest)).expect("a request"), First::Tls);
    if rest.is_empty() {
        return assert!(!succeeded, "no login is sent");
    }
    let First::Startup(startup) = run(read_first(&mut rest)).expect("a login") else { panic!("no startup") };
    let user = startup.user().expect("a user");
    assert!(settings.rule.named().is_none_or(|named| named.as_str() == user), "logged in as {user}");
    let token = [settings.token.expose().as_bytes(), b"\0"].concat();
    for message in messages(rest) {
        assert_eq!(format!("{message:?}"), format!("Message('p', {} bytes)", message.body.len()));
        assert!(message.body == token, "the database receives more than the token");
    }
}
