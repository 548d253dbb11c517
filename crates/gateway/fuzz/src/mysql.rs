//! MySQL's login: the client's bytes are its login, the database's its greeting and its answers.

use mysql_common::constants::CapabilityFlags;
use rds_iam_gateway::Failure;
use rds_iam_gateway::mysql::accept::{self, First};
use rds_iam_gateway::mysql::connect::{self, Request, TokenAuthenticator};
use rds_iam_gateway::mysql::packet::{self, Packet};
use rds_iam_gateway::mysql::{ErrorPacket, Greeting, Offer};

use crate::input::Input;
use crate::login::{Local, PASSWORD, Settings, assert_no_token, endpoint};
use crate::stream::{Scripted, run};

/// Logs a client in, as the auth proxy does but without TLS.
///
/// # Panics
/// If a property of the login is violated.
pub fn mysql_login(data: &[u8]) {
    let input = Input::parse(data);
    let settings = Settings::parse(input.driver);
    let (mut client, mut database) = input.connections();
    let mut reply = None;
    let result = run(establish(&mut client, &mut database, &settings, &mut reply));
    if let Err(failure) = &result {
        let error = ErrorPacket::from_failure(failure);
        assert_parses(&error);
        // A client that has left gets nothing.
        let _sent = run(async {
            match reply {
                None => accept::refuse_before_greeting(&mut client, &error).await,
                Some(sequence) => accept::refuse(&mut client, sequence, &error).await,
            }
        });
    }
    assert_no_token(settings.token, result.as_ref().err(), &client.written, data);
    if !client.is_broken() {
        assert_received(&client.written, result.as_ref().map(Vec::as_slice));
    }
    assert_sent(&database.written, result.as_ref().ok().is_some(), &settings);
}

async fn establish(
    client: &mut Scripted,
    database: &mut Scripted,
    settings: &Settings,
    reply: &mut Option<u8>,
) -> Result<Vec<u8>, Failure> {
    let endpoint = endpoint();
    let greeting = connect::greeting(database, &endpoint).await?;
    if !greeting.capabilities().contains(CapabilityFlags::CLIENT_SSL) {
        return Err(Failure::NoTls(endpoint));
    }
    let offered = greeting.clone().for_client(Offer { tls: settings.offers_tls });
    assert_eq!(Greeting::parse(&offered.payload()).as_ref(), Ok(&offered));
    if settings.local == Local::Cleartext {
        // The greeting of the emulator, which has the database's capabilities.
        let emulated = Greeting::new(&greeting.version(), 7)?.limited_to(greeting.capabilities());
        assert!(Greeting::parse(&emulated.payload()).is_ok_and(|read| read.plugin() == emulated.plugin()));
    }
    let identity = |greeting: &Greeting| (greeting.version(), greeting.connection_id(), *greeting.nonce());
    assert_eq!(identity(&offered), identity(&greeting));
    accept::greet(client, &offered).await?;
    *reply = Some(2);
    let mut login = match accept::read_first(client).await? {
        First::Login(login) => login,
        First::Tls if !settings.offers_tls => return Err(Failure::Malformed("it requests TLS")),
        First::Tls => accept::read_login(client).await?,
    };
    assert!(!format!("{login:?}").contains(PASSWORD), "a login is shown with its password");
    *reply = Some(login.sequence);
    let sequence = match settings.local {
        Local::None => accept::accept_any(client, &login, greeting.nonce()).await?,
        Local::Password => accept::check_local_password(client, &login, greeting.nonce(), PASSWORD).await?,
        Local::Cleartext => accept::request_cleartext(client, &login).await?.1,
    };
    *reply = Some(sequence);
    if login.database.is_none() {
        login.database = settings.database.map(|name| name.as_bytes().to_vec());
    }
    let user = settings.rule.decide(&login.user)?;
    let request = Request::new(&login, user.as_str(), &greeting);
    let mut authenticator = TokenAuthenticator::new(settings.token, user.as_str(), &endpoint);
    let ok = connect::log_in(database, &greeting, &request, &endpoint, &mut authenticator).await?;
    accept::finish(client, sequence, &ok).await?;
    Ok(ok)
}

/// Reads back an error: it is whole, and short enough for libmysqlclient.
fn assert_parses(error: &ErrorPacket) {
    // Before a greeting, a text that begins with `#` can't be told from an SQLSTATE.
    let without_state = (!error.message().starts_with('#')).then(|| error.payload_before_greeting());
    for payload in [Some(error.payload()), without_state].into_iter().flatten() {
        let parsed = ErrorPacket::parse(&payload).expect("an error packet");
        assert_eq!((parsed.code(), parsed.message()), (error.code(), error.message()));
        assert!(parsed.state() == error.state() || parsed.state() == *b"HY000");
        assert!(error.message().len() <= 511, "{} bytes of message", error.message().len());
    }
}

fn packets(mut bytes: &[u8]) -> Vec<Packet> {
    run(async {
        let mut packets = Vec::new();
        while let Some(packet) = packet::read(&mut bytes, usize::MAX >> 1).await.expect("whole packets") {
            packets.push(packet);
        }
        packets
    })
}

/// Checks what the client has received: whole packets, of which the last one is the end of the login.
fn assert_received(received: &[u8], result: Result<&[u8], &Failure>) {
    let packets = packets(received);
    let last = packets.last().expect("an answer");
    match result {
        Ok(ok) => assert!(last.payload == ok, "the login ends with another packet than the database's"),
        Err(failure) => assert_eq!(last.payload.first(), Some(&0xff), "{failure} is not reported"),
    }
}

/// Checks what the database has received: nothing, or a login of the user that the rule allows, with the token.
fn assert_sent(sent: &[u8], succeeded: bool, settings: &Settings) {
    let packets = packets(sent);
    assert!(!format!("{packets:?}").contains("Signature"), "a packet is shown with its token");
    let Some(first) = packets.first() else { return assert!(!succeeded, "no login is sent") };
    assert_eq!(first.sequence, 2);
    let (bytes, _) = packet::encode(2, &first.payload);
    let login = run(accept::read_login(&mut &*bytes)).expect("a login");
    if let Some(user) = settings.rule.named() {
        assert_eq!(login.user, user.as_str());
    }
    let token = [settings.token.expose().as_bytes(), b"\0"].concat();
    match login.plugin.as_deref() {
        Some("mysql_clear_password") => assert!(login.auth_response == token, "the token is cut off"),
        plugin => assert_eq!((plugin, &*login.auth_response), (Some("mysql_native_password"), &b""[..])),
    }
    for again in &packets[1..] {
        assert!(again.payload == token, "the database receives more than the token");
    }
}
