//! Shims for the programs that a machine's start script calls. They support the calls of that script, and
//! reject any other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rds_iam_emulator_server::Error;
use rds_iam_emulator_server::command::Command;
use rds_iam_emulator_server::host::file;
use serde::{Deserialize, Serialize};

use crate::aws::AwsApi;
use crate::http;

/// The environment variable that names the file with a machine's [`Settings`].
pub(crate) const SETTINGS_VARIABLE: &str = "RDS_IAM_EMULATOR_MACHINE";

/// The settings of one machine's shims.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Settings {
    /// The path of the real Docker client.
    pub(crate) docker: PathBuf,
    /// The container's name, which differs from other machines'.
    pub(crate) container: String,
    /// The registry in place of ECR.
    pub(crate) registry: String,
    /// The additional options of `docker run`.
    pub(crate) options: Vec<String>,
    /// The URL of the AWS API.
    pub(crate) aws_endpoint_url: String,
    /// The file with its access key.
    pub(crate) credentials_file: PathBuf,
    pub(crate) region: String,
    /// The machine's own ID.
    pub(crate) instance: String,
    /// The ports of the container, in place of those in the scripts: another machine of the group may use
    /// those at the same time.
    pub(crate) port: u16,
    pub(crate) management_port: u16,
}

/// The file with the machine's ID on AWS.
const INSTANCE_ID: &str = "/var/lib/cloud/data/instance-id";

/// The timeout of the script's curl.
const CURL_WITHIN: Duration = Duration::from_secs(5);

/// Writes the shims into a folder for the `PATH`. They call `program`, which has to call [`run`].
pub(crate) fn write(shims: &Path, program: &Path) -> Result<(), Error> {
    let program = program.display().to_string().replace('\'', r"'\''");
    for name in ["aws", "cat", "curl", "docker"] {
        let text = format!(
            "#!/bin/sh\n# A shim for {name} on a machine that rds-iam-emulator emulates; it is not {name}.\n\
             exec '{program}' shim {name} \"$@\"\n"
        );
        file::replace(&shims.join(name), &text, 0o755)?;
    }
    Ok(())
}

/// Runs the shim of the program `words[0]` with the arguments that follow.
///
/// # Errors
/// Returns [`Error::Setting`] if it does not support that call.
pub async fn run(words: &[String]) -> Result<(), Error> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let settings = settings()?;
    match words.as_slice() {
        ["docker", arguments @ ..] => {
            let arguments = rewritten(arguments, &settings).ok_or_else(|| unknown(&words))?;
            // This process is replaced by the Docker client.
            Err(Command::new(&settings.docker).args(arguments).exec().into())
        }
        ["aws", "ssm", "get-parameter", "--name", name, "--query", "Parameter.Value", "--output", "text"] => {
            let value = aws(&settings).await?.parameter(name).await?.ok_or_else(|| Error::Setting {
                setting: "the name of a parameter",
                value: (*name).to_owned(),
                problem: "ParameterNotFound: there is none".into(),
            })?;
            println!("{value}");
            Ok(())
        }
        [
            "aws",
            "ssm",
            "get-parameters",
            "--names",
            name,
            "--query",
            "length(InvalidParameters)",
            "--output",
            "text",
        ] => {
            println!("{}", u8::from(aws(&settings).await?.parameter(name).await?.is_none()));
            Ok(())
        }
        ["aws", "autoscaling", "complete-lifecycle-action", options @ ..] => {
            let form = lifecycle_action(options).ok_or_else(|| unknown(&words))?;
            aws(&settings).await?.complete_lifecycle_action(&form).await
        }
        ["cat", INSTANCE_ID] => {
            println!("{}", settings.instance);
            Ok(())
        }
        ["curl", "--fail", "--silent", "--output", "/dev/null", "--max-time", "5", url] => {
            let path = path_of(url).ok_or_else(|| unknown(&words))?;
            let answer = answer(settings.management_port, path).await?;
            if answer.status < 400 {
                return Ok(());
            }
            Err(Error::aws(format!("answer at {path}"))(http::HttpError::Status(answer.status)))
        }
        // Without --fail, any answer is accepted: the public port.
        ["curl", "--silent", "--output", "/dev/null", "--max-time", "5", url] => {
            let path = path_of(url).ok_or_else(|| unknown(&words))?;
            answer(settings.port, path).await.map(drop)
        }
        _ => Err(unknown(&words)),
    }
}

async fn aws(settings: &Settings) -> Result<AwsApi, Error> {
    let region = settings.region.parse().map_err(Error::setting("the region", &settings.region))?;
    AwsApi::connect(&settings.aws_endpoint_url, region, &settings.credentials_file).await
}

/// Returns the form of the action, from the options of `aws autoscaling complete-lifecycle-action`.
fn lifecycle_action<'a>(options: &[&'a str]) -> Option<[(&'static str, &'a str); 4]> {
    match options {
        [
            "--auto-scaling-group-name",
            group,
            "--lifecycle-hook-name",
            hook,
            "--instance-id",
            instance,
            "--lifecycle-action-result",
            result,
        ] => Some([
            ("AutoScalingGroupName", group),
            ("LifecycleHookName", hook),
            ("InstanceId", instance),
            ("LifecycleActionResult", result),
        ]),
        _ => None,
    }
}

async fn answer(port: u16, path: &str) -> Result<http::Answer, Error> {
    let address = format!("127.0.0.1:{port}");
    http::get(&address, path, CURL_WITHIN).await.map_err(Error::aws(format!("answer at {path}")))
}

/// Returns the path of a URL of the machine itself.
fn path_of(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("http://127.0.0.1:")?;
    let path = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    path.starts_with('/').then_some(path)
}

fn settings() -> Result<Settings, Error> {
    let path = PathBuf::from(std::env::var_os(SETTINGS_VARIABLE).unwrap_or_default());
    let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    serde_json::from_str(&text).map_err(Error::setting(SETTINGS_VARIABLE, &path.display().to_string()))
}

fn unknown(words: &[&str]) -> Error {
    Error::Setting {
        setting: "a call on a machine",
        value: words.join(" "),
        problem: "the shims of aws, cat, curl and docker support only the calls of the scripts app-start and app-ready of the \
                  module ec2"
            .into(),
    }
}

/// Returns the arguments for Docker's real client.
fn rewritten(arguments: &[&str], settings: &Settings) -> Option<Vec<String>> {
    match arguments {
        ["pull", options @ .., image] => {
            let mut words = vec!["pull".to_owned()];
            words.extend(options.iter().map(ToString::to_string));
            words.push(in_registry(image, settings)?);
            Some(words)
        }
        ["rm", "--force", _name] => Some(["rm", "--force", &settings.container].map(String::from).into()),
        ["run", options @ .., image] => {
            let mut words: Vec<String> = ["run", "--name", &settings.container].map(String::from).into();
            words.extend(settings.options.iter().cloned());
            let mut options = options.iter();
            while let Some(option) = options.next() {
                match *option {
                    // The name is set above; there is no CloudWatch to log to.
                    "--name" | "--log-driver" | "--log-opt" => drop(options.next()?),
                    "--env" => words.extend(["--env".to_owned(), environment(options.next()?, settings)]),
                    option => words.push(option.to_owned()),
                }
            }
            words.push(in_registry(image, settings)?);
            Some(words)
        }
        _ => None,
    }
}

/// Returns a variable of the container, with this machine's ports.
fn environment(variable: &str, settings: &Settings) -> String {
    match variable.split_once('=') {
        Some((name @ "PORT", _)) => format!("{name}={}", settings.port),
        Some((name @ "RDS_IAM_MANAGEMENT_PORT", _)) => format!("{name}={}", settings.management_port),
        _ => variable.to_owned(),
    }
}

/// Returns the name in the registry of an ECR image.
fn in_registry(image: &str, settings: &Settings) -> Option<String> {
    let (_, name) = image.split_once('/')?;
    Some(format!("{}/{name}", settings.registry))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            docker: "/usr/bin/docker".into(),
            container: "rds-iam-orders-local".into(),
            registry: "127.0.0.1:5000".into(),
            options: ["--label", "of=it", "--env", "AWS_ENDPOINT_URL=http://127.0.0.1:1"]
                .map(String::from)
                .into(),
            aws_endpoint_url: "http://127.0.0.1:1".into(),
            credentials_file: "/nowhere/credentials".into(),
            region: "us-east-1".into(),
            instance: "i-0123456789abcdef0".into(),
            port: 4000,
            management_port: 4001,
        }
    }

    fn docker(command: &str) -> Option<String> {
        rewritten(&command.split(' ').collect::<Vec<_>>(), &settings()).map(|words| words.join(" "))
    }

    #[test]
    fn docker_is_asked_for_the_same_but_for_what_this_machine_needs() {
        let image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-local@sha256:ab";
        insta::assert_snapshot!(docker(&format!("pull --quiet {image}")).unwrap(), @"pull --quiet 127.0.0.1:5000/orders-local@sha256:ab");
        insta::assert_snapshot!(docker("rm --force app").unwrap(), @"rm --force rds-iam-orders-local");
        let run = format!(
            "run --name app --rm --read-only --network host --env AWS_REGION --env PORT=3000 --env \
             RDS_IAM_MANAGEMENT_PORT=3001 --log-driver awslogs \
             --log-opt mode=non-blocking --log-opt awslogs-stream= {image}"
        );
        insta::assert_snapshot!(docker(&run).unwrap(), @"run --name rds-iam-orders-local --label of=it --env AWS_ENDPOINT_URL=http://127.0.0.1:1 --rm --read-only --network host --env AWS_REGION --env PORT=4000 --env RDS_IAM_MANAGEMENT_PORT=4001 127.0.0.1:5000/orders-local@sha256:ab");
    }

    #[test]
    fn anything_else_is_refused() {
        for command in ["ps", "rm app", "run", "pull", "pull busybox", "run --name", "run --env"] {
            assert_eq!(docker(command), None, "{command}");
        }
        insta::assert_snapshot!(unknown(&["docker", "ps"]), @r#"a call on a machine is "docker ps", but the shims of aws, cat, curl and docker support only the calls of the scripts app-start and app-ready of the module ec2"#);
        for url in [
            "http://127.0.0.1:3001",
            "http://127.0.0.1:x/",
            "http://127.0.0.1.example.com/",
            "file:///etc/passwd",
        ] {
            assert_eq!(path_of(url), None, "{url}");
        }
        assert_eq!(path_of("http://127.0.0.1:3001/readyz"), Some("/readyz"));
    }
}
