//! The stages that deliver the app to an environment: `proxy-auth` (login method of the proxy), `ecr-push`
//! (image), `bootstrap` (database users), `rollout`, `rollback` and `smoke` (test of the service).

use std::time::Duration;

use rustix::process::{getgid, getuid};
use serde_json::Value;
use xshell::{Shell, cmd};

use super::outputs;
use super::rights::{committed, identity_rights, push_rights, rollout_rights};
use crate::context::Context;
use crate::environment::EnvironmentKind;
use crate::gate_results::{GateResults, digest};
use crate::local;
use crate::need::Need;
use crate::permissions::permission_needs;
use crate::stage::{Action, Artifact, Effect, Io, Part, Stage};
use rds_iam_infra::{Engine, Outputs, Permission};
use rds_iam_process::engine;
use rds_iam_process::error::Error;
use rds_iam_process::file;
use rds_iam_process::runner::Cmd;

/// The path, within a container, of the mounted settings.
const CONF_IN_IMAGE: &str = "/etc/rds-iam/rds.conf";
/// The time limit of one request to the app.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);
/// The time limit of one query on an instance: Systems Manager's limit is two minutes.
const IDENTITY_WITHIN: Duration = Duration::from_secs(180);
const CURL: Need = Need::Packaged("curl");

pub(super) const PROXY_AUTH: Stage = Stage {
    name: "proxy-auth",
    purpose: "Switch the proxy to end-to-end IAM if the deployment requests it, and verify the switch",
    inputs: &[Artifact::Programs, Artifact::Outputs],
    outputs: &[Artifact::Proxy],
    effect: Effect::Remote,
    part: Part::Proxy,
    undo: "aws rds modify-db-proxy --default-auth-scheme NONE",
    minutes: 40,
    exit: 18,
    needs: |context| committed(context, permission_needs(context, |_| Vec::new())),
    actions: |context| {
        let (shell, rds_iam, outputs) =
            (context.workspace.shell(), context.rds_iam(), outputs::path(context));
        Ok(vec![context.in_account(cmd!(shell, "{rds_iam} proxy-auth --outputs {outputs}"))?.into()])
    },
};

pub(super) const ECR_PUSH: Stage = Stage {
    name: "ecr-push",
    purpose: "Push the app's image by digest, tagged with the commit, and wait for the registry's scan",
    inputs: &[
        Artifact::Programs,
        Artifact::Outputs,
        Artifact::Images,
        Artifact::Verdict("validate"),
        Artifact::Verdict("tflint"),
        Artifact::Verdict("checkov"),
        Artifact::Verdict("trivy"),
    ],
    outputs: &[Artifact::Pushed, Artifact::PushedBootstrap],
    effect: Effect::Remote,
    part: Part::App,
    undo: "nothing runs it yet; the repository's lifecycle removes old images",
    minutes: 30,
    exit: 19,
    needs: |context| committed(context, permission_needs(context, push_rights)),
    actions: |context| {
        let tag = context.commit.identity();
        // On AWS bootstrap is a function, and an unused image would only make others expire. The app's image
        // is last: the rollout waits for its record.
        let bootstrap = ("bootstrap", format!("bootstrap-{tag}"), "pushed-bootstrap.json");
        let pushes = context.is_local().then_some(bootstrap).into_iter().chain([("app", tag, "pushed.json")]);
        let (shell, rds_iam) = (context.workspace.shell(), context.rds_iam());
        let mut actions = Vec::new();
        for (image, tag, record) in pushes {
            let layout = context.images().join(image);
            let record = context.file(record);
            let push = cmd!(shell, "{rds_iam} image push --layout {layout} --tag {tag} --record {record}");
            let push = context.in_account(push)?;
            let what = format!("$ {} --repository <app.repository_url of outputs.json>", push.shown());
            actions.push(Action::new(what, move |io| {
                let outputs = outputs::read(context)?;
                let gates = context.file(&format!("gates-{image}.json"));
                GateResults::load(context).of_image(&digest(&layout)?)?.write(&gates)?;
                let repository = outputs::app(&outputs)?.repository_url.clone();
                let region = outputs.deployment.region.to_string();
                let gates = gates.display().to_string();
                let mut push =
                    push.args(["--repository", &repository, "--region", &region, "--gates", &gates]);
                if !context.accept_scan.is_empty() {
                    push = push.args(["--accept-scan".to_owned(), context.accept_scan.join(",")]);
                }
                io.runner.run(&push)?;
                Ok(None)
            }));
        }
        Ok(actions)
    },
};

pub(super) const BOOTSTRAP: Stage = Stage {
    name: "bootstrap",
    purpose: "Create or update the database users, and verify them",
    inputs: &[Artifact::Programs, Artifact::RdsConf, Artifact::PushedBootstrap],
    outputs: &[Artifact::Users],
    effect: Effect::Remote,
    part: Part::Every,
    undo: "a second run finishes what a first left; users are never dropped",
    minutes: 15,
    exit: 27,
    needs: |context| {
        let rights = permission_needs(context, |environment| {
            let function = format!("function:{}-bootstrap", environment.deployment());
            vec![Permission::new("lambda:InvokeFunction", environment.arn("lambda", &function))]
        });
        committed(context, rights)
    },
    actions: |context| match context.environment()?.kind {
        // Only the function, within the network, can reach the database.
        EnvironmentKind::Aws => {
            let (shell, rds_iam, outputs) =
                (context.workspace.shell(), context.rds_iam(), outputs::path(context));
            let invoke = cmd!(shell, "{rds_iam} invoke-bootstrap --mode apply --outputs {outputs}");
            Ok(vec![context.in_account(invoke)?.into()])
        }
        EnvironmentKind::Local => {
            let what =
                "docker run <bootstrap's image, by digest> --config rds.conf --users <those of the engine>";
            Ok(vec![Action::new(what, move |io| bootstrap_here(context, io).map(|()| None))])
        }
    },
};

pub(super) const ROLLOUT: Stage = Stage {
    name: "rollout",
    purpose: "Set the image's parameter to the digest, replace the instances, and revert if they don't become healthy",
    inputs: &[Artifact::Programs, Artifact::Pushed, Artifact::Users, Artifact::Proxy],
    outputs: &[Artifact::Release],
    effect: Effect::Remote,
    part: Part::App,
    undo: "it goes back by itself where the machines don't get healthy; later: cargo xtask rollback --env E",
    // 20 minutes for the rollout and 20 for rolling back, besides an earlier refresh and one that is
    // cancelled. With the stage smoke, less than a session of the role: .github/workflows/deploy.yml.
    minutes: 95,
    exit: 28,
    needs: |context| committed(context, permission_needs(context, rollout_rights)),
    actions: |context| {
        let (shell, rds_iam) = (context.workspace.shell(), context.rds_iam());
        let (outputs, record) = (outputs::path(context), record(context));
        let rollout = cmd!(shell, "{rds_iam} rollout --outputs {outputs} --record {record}");
        let rollout = context.in_account(rollout)?;
        let rollout = rollout.hint("exit status 3 is a return to the last good image, which serves");
        let mark_deployed = context.in_account(cmd!(shell, "{rds_iam} image deployed"))?;
        let what = format!(
            "$ {} --digest <digest of pushed.json>\n  $ {} --digest <digest of pushed.json>",
            mark_deployed.shown(),
            rollout.shown()
        );
        Ok(vec![Action::new(what, move |io| {
            let pushed: Value = file::json(&context.file("pushed.json"), "cargo xtask ecr-push --env E")?;
            let digest = pushed["digest"].as_str().filter(|digest| digest.starts_with("sha256:"));
            // An image pushed by a run for another commit is not part of this run.
            let of_here = context.promotion.is_some() || pushed["tag"] == context.commit.identity();
            let Some(digest) = digest.filter(|_| of_here) else {
                return Err(Error::Found {
                    found: format!(
                        "pushed.json is of {}, and this is {}",
                        pushed["tag"],
                        context.commit.short()
                    ),
                    help: "push first: cargo xtask deploy --env E, or --from ecr-push".to_owned(),
                });
            };
            // Before any instance runs it: the repository's lifecycle policy keeps marked images.
            let outputs = outputs::read(context)?;
            let repository = outputs::app(&outputs)?.repository_url.clone();
            let region = outputs.deployment.region.to_string();
            let mark = ["--repository", &repository, "--region", &region, "--digest", digest];
            io.runner.run(&mark_deployed.args(mark))?;
            io.runner.run(&rollout.args(["--digest", digest]))?;
            Ok(Some(digest.chars().take(19).collect()))
        })])
    },
};

pub(super) const ROLLBACK: Stage = Stage {
    name: "rollback",
    purpose: "Roll out the image that served before the current one",
    inputs: &[Artifact::Programs, Artifact::Outputs],
    outputs: &[Artifact::Release],
    effect: Effect::Remote,
    part: Part::App,
    undo: "the same again: it goes back and forth between two images",
    minutes: 95,
    exit: 29,
    needs: |context| committed(context, permission_needs(context, rollout_rights)),
    actions: |context| {
        let (shell, rds_iam) = (context.workspace.shell(), context.rds_iam());
        let (outputs, record) = (outputs::path(context), record(context));
        let back = cmd!(shell, "{rds_iam} rollout --previous --outputs {outputs} --record {record}");
        Ok(vec![context.in_account(back)?.into()])
    },
};

pub(super) const SMOKE: Stage = Stage {
    name: "smoke",
    purpose: "Request the service's page and messages, and on an instance the database user that it logs in as",
    inputs: &[Artifact::Programs, Artifact::Outputs, Artifact::Release],
    outputs: &[],
    effect: Effect::Reads,
    part: Part::App,
    undo: "nothing to undo: it only asks",
    minutes: 10,
    exit: 30,
    needs: |context| std::iter::once(CURL).chain(permission_needs(context, identity_rights)).collect(),
    actions: |context| {
        let service = Action::new("$ curl <app.url of outputs.json>/, /api/messages", move |io| {
            smoke_service(context, io).map(|()| None)
        });
        let (what, ask) = ask_identity(context)?;
        let identity = Action::new(what, move |io| smoke_identity(context, &ask, io));
        Ok(vec![service, identity])
    },
};

fn record(context: &Context<'_>) -> String {
    context.file("rollout.json").display().to_string()
}

/// Runs bootstrap from its image, pulled from the registry by digest, against the server that emulates the
/// instance.
fn bootstrap_here(context: &Context<'_>, io: &Io) -> Result<(), Error> {
    let pushed: Value = file::json(&context.file("pushed-bootstrap.json"), "cargo xtask ecr-push --env E")?;
    let image = format!(
        "{}/{}@{}",
        local::registry(context.workspace)?,
        context.environment()?.deployment(),
        pushed["digest"].as_str().unwrap_or_default()
    );
    let database = outputs::read(context)?.database;
    let users = users_in_image(database.engine);
    let database = local::Database::find(context.workspace, &database.identifier)?;
    let shell = context.workspace.shell();
    let docker = |cmd: xshell::Cmd<'_>| Cmd::from_xshell(cmd, engine::CLIENT_HELP);
    let login = local::folder(context.workspace).join("docker");
    let pull = cmd!(shell, "docker pull --quiet {image}").env("DOCKER_CONFIG", login);
    io.runner.run(&docker(pull))?;
    let mount = |from: &str, to: &str| format!("--volume={from}:{to}:ro");
    let credentials = local::folder(context.workspace).join("credentials").display().to_string();
    let mounts = [
        mount(&context.file("rds.conf").display().to_string(), CONF_IN_IMAGE),
        mount(&database.ca_file, &database.ca_file),
        mount(&credentials, "/etc/rds-iam/credentials"),
    ];
    // The account's credentials belong to the user, and no other user can read them.
    let user = format!("--user={}:{}", getuid().as_raw(), getgid().as_raw());
    let variables = local::environment(context)?.into_iter().map(|(name, value)| {
        let value =
            if name == "AWS_SHARED_CREDENTIALS_FILE" { "/etc/rds-iam/credentials" } else { value.as_str() };
        format!("--env={name}={value}")
    });
    let run = cmd!(
        shell,
        "docker run --rm --pull=never --read-only --cap-drop=ALL --security-opt=no-new-privileges --network=host
         {user} {mounts...} {variables...} {image} --config {CONF_IN_IMAGE} --users {users}"
    );
    Ok(io.runner.run(&docker(run))?)
}

/// Returns the path, within bootstrap's image, of the app's users for an engine. The image's own command line names
/// MySQL's, and the last path counts.
fn users_in_image(engine: Engine) -> &'static str {
    match engine {
        Engine::MySql => "/etc/rds-iam-bootstrap/users/mysql.toml",
        Engine::Postgres => "/etc/rds-iam-bootstrap/users/postgres.toml",
    }
}

/// Checks that the service answers users' requests.
fn smoke_service(context: &Context<'_>, io: &Io) -> Result<(), Error> {
    let url = match context.environment()?.port() {
        Some(port) => format!("http://127.0.0.1:{port}"),
        None => outputs::app(&outputs::read(context)?)?.url.clone(),
    };
    let shell = context.workspace.shell();
    let get = |path: &str, more: &[&str]| {
        let curl = curl(&shell, &format!("{url}{path}"), more);
        io.runner
            .capture(&curl.hint("the service does not answer as it should; its log says why"), ANSWERS_WITHIN)
    };
    get("/", &[])?;
    let messages = get("/api/messages", &[])?;
    serde_json::from_str::<Value>(&messages).map_err(|error| Error::Answer {
        command: format!("GET {url}/api/messages"),
        what: error.to_string(),
    })?;
    if context.is_local() {
        // The database here belongs to the run.
        let message = [
            "--header",
            "Content-Type: application/json",
            "--data",
            "{\"message\":\"a deployment passed by\"}",
        ];
        get("/api/insert", &message)?;
    }
    Ok(())
}

/// Returns the command that asks the service for its database user, and its description. On AWS the route is
/// reachable only from the instance, and on this machine at its port.
fn ask_identity(context: &Context<'_>) -> Result<(String, Cmd), Error> {
    let shell = context.workspace.shell();
    let ask = match context.environment()?.management_port() {
        Some(port) => curl(&shell, &format!("http://127.0.0.1:{port}/api/identity"), &[]),
        None => {
            let (rds_iam, outputs) = (context.rds_iam(), outputs::path(context));
            context.in_account(cmd!(shell, "{rds_iam} identity --outputs {outputs}"))?
        }
    };
    let ask = ask.hint("the service does not say as whom it logs in; its log says why");
    Ok((format!("$ {}", ask.shown()), ask))
}

/// Checks that the service logs in as the declared user, by token and over TLS.
fn smoke_identity(context: &Context<'_>, ask: &Cmd, io: &Io) -> Result<Option<String>, Error> {
    let identity = io.runner.capture(ask, IDENTITY_WITHIN)?;
    let identity: Value = serde_json::from_str(&identity).map_err(Error::answer(ask))?;
    let outputs = outputs::read(context)?;
    let wanted = outputs::app(&outputs)?.database_user.to_string();
    let login = &identity["database"];
    // An image from before the app reported its engine is of MySQL.
    let engine = login["engine"].as_str().unwrap_or("mysql");
    if engine != outputs.database.engine.as_str() {
        return Err(Error::Found {
            found: format!("the service runs on {engine}, and the database is {}", outputs.database.engine),
            help: "compare the parameter engine of the deployment with outputs.json; an older image has no other engine"
                .to_owned(),
        });
    }
    let user = login["user"].as_str().unwrap_or_default();
    let encrypted = login["tls_version"].as_str().is_some_and(|version| version.starts_with("TLS"));
    if user.split('@').next() != Some(wanted.as_str())
        || login["plugin"] != token_check(outputs.database.engine)
        || !encrypted
    {
        return Err(Error::Found {
            found: format!(
                "the service does not log in to the database as {wanted}, by token and over TLS: {login}"
            ),
            help: "compare the parameters of the deployment with outputs.json, and run the stage bootstrap"
                .to_owned(),
        });
    }
    Ok(Some(format!("it serves, as {user}{}", through(context, &outputs)?)))
}

/// Returns what the service's path to the database is: on this machine, the emulated proxy that it was given.
fn through(context: &Context<'_>, outputs: &Outputs) -> Result<String, Error> {
    let Some(proxy) = &outputs.proxy else { return Ok(", without a proxy".to_owned()) };
    if context.environment()?.management_port().is_none() {
        return Ok(", through RDS Proxy".to_owned());
    }
    let host = proxy.endpoint.host().to_string();
    let emulated = local::proxy_at(context.workspace, &host);
    Ok(emulated.map_or_else(String::new, |dial| format!(", through an emulated RDS Proxy at {dial}")))
}

/// Returns what the service reports to check its login if that is by token: MySQL's plugin, or PostgreSQL's role.
fn token_check(engine: Engine) -> &'static str {
    match engine {
        Engine::MySql => "AWSAuthenticationPlugin",
        Engine::Postgres => "rds_iam",
    }
}

fn curl(shell: &Shell, url: &str, more: &[&str]) -> Cmd {
    let curl = cmd!(shell, "curl --fail --silent --show-error --max-time 15 {more...} {url}");
    Cmd::from_xshell(curl, "apt-get install curl")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The image has the users of each engine, where bootstrap is told to read them.
    #[test]
    fn the_users_of_each_engine_are_in_bootstraps_image() {
        let root = rds_iam_process::workspace::root();
        let dockerfile = std::fs::read_to_string(root.join("docker/bootstrap/Dockerfile")).unwrap();
        assert!(dockerfile.contains("/src/crates/app/users/ /etc/rds-iam-bootstrap/users/"), "{dockerfile}");
        for engine in [Engine::MySql, Engine::Postgres] {
            let name = users_in_image(engine).strip_prefix("/etc/rds-iam-bootstrap/users/").unwrap();
            assert!(root.join("crates/app/users").join(name).is_file(), "{name}");
        }
    }
}
