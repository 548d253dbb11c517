//! One login: TLS, what the server asks the user for, and its answer to the token. Nothing secret is sent before it
//! asks.

use std::io;

use rds_iam_gateway::mysql::{self, Greeting, packet};
use rds_iam_gateway::postgres::{self, message, startup::Startup};
use rds_iam_gateway::{Failure, Secured, Upstream};
use rds_iam_infra::Engine;
use rds_iam_report::{ErrorReport, escape_control};
use rds_iam_token::{DbUser, ServerCode, Token};
use rustls::CertificateError;
use tokio::net::TcpStream;

use super::facts::{Asked, Login, TlsError};

/// The plugin by which a client of MySQL sends a token.
const CLEAR: &str = "mysql_clear_password";

/// The plugin that is announced to MySQL: the server then names that of the account, unless it is this one.
const ANNOUNCED: &str = "mysql_native_password";

/// The plugins of MySQL and MariaDB that ask for a password and do not say so in their name.
const OF_PASSWORD: [&str; 3] = ["authentication_ldap_sasl_client", "client_ed25519", "dialog"];

const COM_QUIT: u8 = 1;

/// The longest text of a server that is printed, in bytes: MySQL's limit of a message.
const MAX_TEXT: usize = 511;

/// MySQL's error for a wrong password.
const ACCESS_DENIED: ServerCode = ServerCode::MySql(1045);

/// A verified connection, on which the user has not been named.
pub(super) enum Opened {
    MySql { stream: Secured, greeting: Greeting, request: mysql::connect::Request },
    Postgres { stream: Secured, startup: Startup },
}

/// Requests TLS, and verifies the server's certificate. The login that follows names `user` and `database`.
pub(super) async fn open(
    engine: Engine,
    mut stream: TcpStream,
    upstream: &Upstream,
    user: &DbUser,
    database: Option<&str>,
) -> Result<Opened, TlsError> {
    let opened = match engine {
        Engine::MySql => {
            async {
                let greeting = mysql::connect::greeting(&mut stream, upstream.endpoint()).await?;
                let request = mysql::connect::Request::without_client(user.as_str(), database, &greeting);
                let stream = mysql::connect::start_tls(stream, &greeting, &request, upstream).await?;
                Ok(Opened::MySql { stream, greeting, request })
            }
            .await
        }
        Engine::Postgres => {
            async {
                let database = database.unwrap_or(user.as_str());
                let startup = Startup::new(&[("user", user.as_str()), ("database", database)]);
                let stream = postgres::connect::start_tls(stream, upstream).await?;
                Ok(Opened::Postgres { stream, startup })
            }
            .await
        }
    };
    opened.map_err(|failure| match failure {
        Failure::NoTls(_) => TlsError::NotOffered,
        Failure::Tls { source, .. } => classify(&source),
        Failure::Refused { code, message, .. } => TlsError::Refused { code, message: printable(&message) },
        failure => TlsError::Other(ErrorReport(&failure).to_string()),
    })
}

/// What the server asked for, and the token that answers a request for it.
pub(super) struct Answers<'a> {
    token: Option<&'a Token>,
    asked: Option<Asked>,
}

impl<'a> Answers<'a> {
    /// Without a token, the login ends at the request for it.
    pub(super) fn new(token: Option<&'a Token>) -> Self {
        Self { token, asked: None }
    }

    /// Names the user to the server, and answers it.
    pub(super) async fn log_in(&mut self, opened: Opened, upstream: &Upstream) -> Result<(), Failure> {
        let endpoint = upstream.endpoint();
        match opened {
            Opened::MySql { mut stream, greeting, request } => {
                mysql::connect::log_in(&mut stream, &greeting, &request, endpoint, self).await?;
                // The session is of no further use.
                drop(packet::write(&mut stream, 0, &[COM_QUIT]).await);
            }
            Opened::Postgres { mut stream, startup } => {
                postgres::connect::log_in(&mut stream, endpoint, &startup, None, self).await?;
                drop(message::write(&mut stream, b'X', &[]).await);
            }
        }
        Ok(())
    }

    /// Returns what the server asked for, and its answer if that was a token and there was one.
    pub(super) fn judge(self, result: Result<(), Failure>) -> (Asked, Option<Login>) {
        let sent = self.token.is_some();
        match (self.asked, result) {
            (None, Ok(())) => (Asked::Nothing, None),
            // The account has the announced plugin, for which an empty response is a wrong password.
            (None, Err(Failure::Refused { code: ACCESS_DENIED, .. })) => {
                (Asked::Password(ANNOUNCED.to_owned()), None)
            }
            (None, Err(Failure::Refused { code, message, .. })) => {
                (Asked::Refused { code, message: printable(&message) }, None)
            }
            (None, Err(failure)) => (Asked::Failed(ErrorReport(&failure).to_string()), None),
            (Some(Asked::Token), result) if sent => (
                Asked::Token,
                Some(match result {
                    Ok(()) => Login::Accepted,
                    Err(Failure::Refused { code, message, .. }) => {
                        Login::Refused { code, message: printable(&message) }
                    }
                    Err(failure) => Login::Failed(ErrorReport(&failure).to_string()),
                }),
            ),
            (Some(asked), _) => (asked, None),
        }
    }

    fn send_token(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        self.asked = Some(Asked::Token);
        let token = self.token.ok_or_else(|| Failure::Denied("there is no token to send".to_owned()))?;
        Ok(Some([token.expose().as_bytes(), &[0]].concat()))
    }

    fn give_up(&mut self, asked: Asked) -> Result<Option<Vec<u8>>, Failure> {
        self.asked = Some(asked);
        Err(Failure::Denied("the server asks for no token".to_owned()))
    }
}

/// Only MySQL: the server names the plugin of the user's account.
impl mysql::connect::Authenticator for Answers<'_> {
    fn start(&mut self, _greeting: &Greeting) -> Result<(&'static str, Vec<u8>), Failure> {
        Ok((ANNOUNCED, Vec::new()))
    }

    fn answer(&mut self, request: mysql::connect::AuthRequest<'_>) -> Result<Option<Vec<u8>>, Failure> {
        match request {
            mysql::connect::AuthRequest::Switch { plugin: CLEAR, .. } => self.send_token(),
            mysql::connect::AuthRequest::Switch { plugin, .. } => {
                let is_password = plugin.contains("password") || OF_PASSWORD.contains(&plugin);
                let name = printable(plugin);
                self.give_up(if is_password {
                    Asked::Password(name)
                } else {
                    Asked::Other(format!("the plugin {name}"))
                })
            }
            _ => self.give_up(Asked::Password(ANNOUNCED.to_owned())),
        }
    }
}

/// Only PostgreSQL: the server names the method of authentication.
impl postgres::connect::Authenticator for Answers<'_> {
    fn answer(&mut self, request: postgres::connect::AuthRequest<'_>) -> Result<Option<Vec<u8>>, Failure> {
        match request {
            postgres::connect::AuthRequest::Cleartext => self.send_token(),
            postgres::connect::AuthRequest::Md5 { .. } => self.give_up(Asked::Password("md5".to_owned())),
            postgres::connect::AuthRequest::Sasl { mechanisms } => self.give_up(sasl(&mechanisms)),
            postgres::connect::AuthRequest::Unsupported(2) => self.give_up(other("Kerberos V5")),
            postgres::connect::AuthRequest::Unsupported(7) => self.give_up(other("Kerberos (GSSAPI)")),
            postgres::connect::AuthRequest::Unsupported(9) => self.give_up(other("Kerberos (SSPI)")),
            postgres::connect::AuthRequest::Unsupported(number) => {
                self.give_up(Asked::Other(format!("the authentication method {number}")))
            }
            _ => self.give_up(other("the end of an exchange that has no start")),
        }
    }
}

fn other(method: &str) -> Asked {
    Asked::Other(method.to_owned())
}

/// Returns the request of a server that names these mechanisms.
fn sasl(mechanisms: &[&str]) -> Asked {
    match mechanisms {
        [] => other("SASL without a mechanism"),
        // pg_hba.conf has one name for it, with and without channel binding.
        _ if mechanisms.iter().any(|name| name.starts_with("SCRAM-SHA-256")) => {
            Asked::Password("scram-sha-256".to_owned())
        }
        _ => Asked::Other(printable(&mechanisms.join(", "))),
    }
}

/// Returns a text of the server as it is printed: without control characters, which could forge a line, and not longer
/// than a message.
fn printable(text: &str) -> String {
    let mut text = escape_control(text);
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT - "…".len()));
        text.push('…');
    }
    text
}

fn classify(error: &io::Error) -> TlsError {
    let tls = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(cause)) = tls else {
        return TlsError::Other(error.to_string());
    };
    match cause {
        CertificateError::NotValidForName => TlsError::OtherName(vec!["another name".to_owned()]),
        CertificateError::NotValidForNameContext { presented, .. } => {
            // rustls writes a name as `DnsName("db.example.com")`.
            let plain = |name: &String| {
                name.split_once("(\"")
                    .and_then(|(_, rest)| rest.strip_suffix("\")"))
                    .unwrap_or(name)
                    .to_owned()
            };
            TlsError::OtherName(presented.iter().map(plain).collect())
        }
        CertificateError::UnknownIssuer => TlsError::UnknownAuthority,
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => TlsError::Dates(cause.to_string()),
        other => TlsError::Other(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_by_mysql(plugin: &str) -> Asked {
        let mut answers = Answers::new(None);
        let request = mysql::connect::AuthRequest::Switch { plugin, data: &[] };
        let result = mysql::connect::Authenticator::answer(&mut answers, request);
        answers.judge(result.map(drop)).0
    }

    fn asked_by_postgres(request: postgres::connect::AuthRequest<'_>) -> Asked {
        let mut answers = Answers::new(None);
        let result = postgres::connect::Authenticator::answer(&mut answers, request);
        answers.judge(result.map(drop)).0
    }

    #[test]
    fn a_plugin_of_mysql_is_a_token_s_a_password_s_or_another() {
        assert_eq!(asked_by_mysql("mysql_clear_password"), Asked::Token);
        for plugin in ["caching_sha2_password", "mysql_native_password", "client_ed25519"] {
            assert_eq!(asked_by_mysql(plugin), Asked::Password(plugin.to_owned()));
        }
        let kerberos = asked_by_mysql("authentication_kerberos_client");
        assert_eq!(kerberos, other("the plugin authentication_kerberos_client"));
        assert_eq!(Answers::new(None).judge(Ok(())).0, Asked::Nothing);
    }

    #[test]
    fn a_method_of_postgresql_is_named() {
        use postgres::connect::AuthRequest::{Cleartext, Md5, Sasl, Unsupported};

        let password = |method: &str| Asked::Password(method.to_owned());
        for (request, expected) in [
            (Cleartext, Asked::Token),
            (Md5 { salt: [0; 4] }, password("md5")),
            (Sasl { mechanisms: vec!["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"] }, password("scram-sha-256")),
            (Sasl { mechanisms: vec!["OAUTHBEARER"] }, other("OAUTHBEARER")),
            (Sasl { mechanisms: vec!["A", "B\n"] }, other("A, B\\n")),
            (Sasl { mechanisms: Vec::new() }, other("SASL without a mechanism")),
            (Unsupported(7), other("Kerberos (GSSAPI)")),
            (Unsupported(9), other("Kerberos (SSPI)")),
            (Unsupported(99), other("the authentication method 99")),
        ] {
            assert_eq!(asked_by_postgres(request), expected);
        }
    }

    #[test]
    fn a_text_of_the_server_can_not_forge_a_line_and_is_cut() {
        let refused = || Failure::Refused {
            endpoint: "orders.c0ffee.eu-west-1.rds.amazonaws.com:3306".parse().unwrap(),
            code: ServerCode::MySql(1049),
            message: format!("\u{1b}[2J\nlogin ok{}", "é".repeat(500)),
            packet: Vec::new(),
        };
        let Asked::Refused { message, .. } = Answers::new(None).judge(Err(refused())).0 else { panic!() };
        assert!(message.starts_with("\\u{1b}[2J\\nlogin oké"), "{message}");
        assert!(message.ends_with("é…") && message.len() <= MAX_TEXT, "{message}");
        assert_eq!(asked_by_mysql("a\nb"), other("the plugin a\\nb"));
        assert_eq!(printable("Access denied"), "Access denied");
    }
}
