//! `docker-credential-rds-iam`: this program under another name, as a credential helper for ECR of Docker and of other
//! programs that read Docker's configuration. The protocol is that of
//! <https://github.com/docker/docker-credential-helpers>: an action as the only argument, its input on standard input,
//! the result or the error on standard output, and the status 1 for an error.
//!
//! Each login comes from ECR, with one call. There is no cache, which would be a secret on disk.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use rds_iam_deploy::image::{RegistryName, registry_login};
use rds_iam_report::escape_json;
use serde::{Deserialize, Serialize};
use tokio::runtime::Builder;

use crate::credentials::CredentialsOptions;
use crate::{Failure, one_line, print, stdin, write};

/// The name of the program as a credential helper.
const NAME: &str = "docker-credential-rds-iam";

/// The errors with a meaning: Docker continues without a login after the first one.
const NOT_FOUND: &str = "credentials not found in native keychain";
const NO_SERVER: &str = "no credentials server URL";

/// The maximum size of the input, which may be a login to store.
const MAX_BYTES: u64 = 64 * 1024;

/// A request that is understood.
#[derive(Debug, PartialEq)]
enum Request {
    /// Print this, and nothing if it is empty.
    Print(String),
    /// Get a login for the registry. Its URL is printed as it was given.
    Get { server_url: String, registry: RegistryName },
}

/// A login in the protocol's format. It has no `Debug`, which would print the secret.
#[derive(Serialize)]
struct Credentials<'a> {
    #[serde(rename = "ServerURL")]
    server_url: &'a str,
    #[serde(rename = "Username")]
    user: &'a str,
    #[serde(rename = "Secret")]
    secret: &'a str,
}

/// A login to store. Its secret is not read.
#[derive(Deserialize)]
struct Stored {
    #[serde(rename = "ServerURL")]
    server_url: String,
}

/// Returns whether the program was started under the helper's name; `program` is its first argument.
pub(crate) fn is_requested(program: Option<OsString>) -> bool {
    program.is_some_and(|program| Path::new(&program).file_name().is_some_and(|name| name == NAME))
}

/// Runs the action of the arguments.
pub(crate) fn run() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let action = match &arguments[..] {
        [action] => action.to_str(),
        _ => None,
    };
    let result = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::from)
        .and_then(|runtime| runtime.block_on(answer(action.unwrap_or_default())));
    let Err(error) = result else { return ExitCode::SUCCESS };
    let message = one_line(&*error);
    // Nothing is left to do if the output is closed.
    drop(write(std::io::stdout(), &message));
    if action == Some("get") && message != NOT_FOUND {
        // `docker pull` does not print the error, but what is on standard error.
        drop(write(std::io::stderr(), &format!("{NAME}: {message}")));
    }
    ExitCode::FAILURE
}

async fn answer(action: &str) -> Result<(), Failure> {
    match request(action, || stdin(MAX_BYTES))? {
        Request::Print(text) if text.is_empty() => Ok(()),
        Request::Print(text) => print(&text),
        Request::Get { server_url, registry } => {
            let aws = CredentialsOptions::default().connect(registry.region()).await?;
            let login = registry_login(&aws, Some(&registry)).await?;
            if login.endpoint != registry.as_str() {
                // Docker would send it to the registry.
                return Err(format!(
                    "ECR returned a login for {}, not for {registry}: use `rds-iam ecr-login` for an account on this \
                     machine",
                    login.endpoint
                )
                .into());
            }
            let (user, secret) = (login.user.as_str(), login.password.expose());
            let credentials = Credentials { server_url: &server_url, user, secret };
            print(&escape_json(&serde_json::to_string(&credentials)?))
        }
    }
}

/// Returns the meaning of an action and its input, which is read only if there is one.
fn request(action: &str, input: impl FnOnce() -> Result<String, Failure>) -> Result<Request, Failure> {
    let server_url = |text: &str| match text.trim() {
        "" => Err(Failure::from(NO_SERVER)),
        url => Ok(url.to_owned()),
    };
    match action {
        "get" => {
            let server_url = server_url(&input()?)?;
            // Another registry than ECR's private ones is used without a login.
            let registry = host(&server_url).parse().map_err(|_| NOT_FOUND)?;
            Ok(Request::Get { server_url, registry })
        }
        // After `docker login`, with which a configuration of this helper may begin. A login for ECR is not needed, so
        // that dropping it is right; any other one would be lost.
        "store" => {
            let Stored { server_url: url } = serde_json::from_str(&input()?)
                .map_err(|_| "the login to store is not in the format of Docker")?;
            let url = server_url(&url)?;
            match host(&url).parse::<RegistryName>() {
                Ok(_) => Ok(Request::Print(String::new())),
                Err(_) => Err(format!(
                    "{NAME} stores no login, and {url} is not a private registry of ECR, for which none is needed: \
                     configure another helper for it (credHelpers, credsStore)"
                )
                .into()),
            }
        }
        // Nothing is stored, so nothing is left.
        "erase" => server_url(&input()?).map(|_| Request::Print(String::new())),
        "list" => Ok(Request::Print("{}".to_owned())),
        "version" | "--version" | "-v" => {
            Ok(Request::Print(format!("{NAME} (rds-iam) {}", env!("CARGO_PKG_VERSION"))))
        }
        "--help" | "-h" => Ok(Request::Print(usage())),
        _ => Err(usage().into()),
    }
}

fn usage() -> String {
    format!(
        "usage: {NAME} get|store|erase|list|version; started by Docker, as the credential helper \"rds-iam\""
    )
}

/// Returns the host in a server's URL. Docker gives the host alone; other programs a URL, with or without a path.
fn host(server_url: &str) -> &str {
    let host = server_url.strip_prefix("https://").unwrap_or(server_url);
    host.split_once('/').map_or(host, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTRY: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

    /// Returns the meaning of a request, or its error.
    fn requested(action: &str, input: &str) -> Result<Request, String> {
        request(action, || Ok(input.to_owned())).map_err(|error| error.to_string())
    }

    fn print(text: &str) -> Result<Request, String> {
        Ok(Request::Print(text.to_owned()))
    }

    #[test]
    fn the_name_of_the_program_decides() {
        for (program, expected) in [
            ("docker-credential-rds-iam", true),
            ("/usr/local/bin/docker-credential-rds-iam", true),
            ("rds-iam", false),
            ("docker-credential-rds-iam/rds-iam", false),
            ("", false),
        ] {
            assert_eq!(is_requested(Some(program.into())), expected, "{program}");
        }
        assert!(!is_requested(None));
    }

    #[test]
    fn a_login_is_for_ecr_alone() {
        for url in [
            REGISTRY.to_owned(),
            format!("{REGISTRY}\n"),
            format!("https://{REGISTRY}"),
            format!("https://{REGISTRY}/v2/"),
        ] {
            let expected =
                Request::Get { server_url: url.trim().to_owned(), registry: REGISTRY.parse().unwrap() };
            assert_eq!(requested("get", &url), Ok(expected));
        }
        for foreign in [
            "docker.io",
            "https://index.docker.io/v1/",
            "public.ecr.aws",
            "http://123456789012.dkr.ecr.eu-west-1.amazonaws.com",
            "https://user@123456789012.dkr.ecr.eu-west-1.amazonaws.com",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com.example.com",
            "127.0.0.1:5000",
        ] {
            assert_eq!(requested("get", foreign), Err(NOT_FOUND.to_owned()), "{foreign}");
        }
        assert_eq!(requested("get", "\n"), Err("no credentials server URL".to_owned()));
    }

    #[test]
    fn nothing_is_stored_and_no_login_is_lost() {
        let login = |url: &str| format!(r#"{{"ServerURL":"{url}","Username":"AWS","Secret":"c2VjcmV0"}}"#);
        assert_eq!(requested("store", &login(REGISTRY)), print(""));
        assert_eq!(requested("erase", REGISTRY), print(""));
        assert_eq!(requested("list", ""), print("{}"));
        for (input, expected) in [
            (login("docker.io"), "docker.io is not a private registry of ECR"),
            (login(""), NO_SERVER),
            ("c2VjcmV0".to_owned(), "not in the format of Docker"),
        ] {
            let error = requested("store", &input).unwrap_err();
            assert!(error.contains(expected) && !error.contains("c2VjcmV0"), "{error}");
        }
        assert_eq!(requested("erase", ""), Err(NO_SERVER.to_owned()));
    }

    #[test]
    fn other_actions_read_no_input() {
        let request = |action| request(action, || unreachable!("no input"));
        for action in ["version", "--version", "-v"] {
            let expected = format!("docker-credential-rds-iam (rds-iam) {}", env!("CARGO_PKG_VERSION"));
            assert_eq!(request(action).unwrap(), Request::Print(expected));
        }
        assert!(request("--help").is_ok() && request("list").is_ok());
        for action in ["", "GET", "login"] {
            assert!(request(action).unwrap_err().to_string().starts_with("usage: "), "{action}");
        }
    }

    /// The configuration of Docker in the README starts this program, for registries that it serves.
    #[test]
    fn the_configuration_of_the_readme_names_this_helper() {
        let readme = include_str!("../../README.md");
        let block = readme.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let configuration: serde_json::Value = serde_json::from_str(block).unwrap();
        let helpers = configuration["credHelpers"].as_object().unwrap();
        assert!(!helpers.is_empty());
        for (registry, helper) in helpers {
            assert!(registry.parse::<RegistryName>().is_ok(), "{registry}");
            // Docker's prefix of a helper's program.
            assert_eq!(format!("docker-credential-{}", helper.as_str().unwrap()), NAME);
        }
    }
}
