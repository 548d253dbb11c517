//! The steps of `.github/workflows/integration.yml`, run in order from its text, with an emulated Session Manager and a
//! server that checks tokens. Replaced are the actions of others: the clones are empty folders, both jobs have one folder
//! for the artifact, and the role's credentials are those that the server accepts, for one user. The build is a link to
//! the programs of this test.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use rds_iam_emulator_server::fixtures::{create_user, until};
use rds_iam_emulator_server::{LoginEvent, on_each_engine};
use rds_iam_emulator_ssm::{Emulator, Settings};
use yaml_rust2::{Yaml, YamlLoader};

use super::pool;
use super::workstation::{TestEngine, Workstation};

on_each_engine![
    the_pool_s_tests_run_through_the_tunnel,
    a_command_that_fails_fails_the_job,
    another_user_than_the_role_s_does_not_get_in,
];

const WORKFLOW: &str = include_str!("../../../../.github/workflows/integration.yml");
const INSTANCE: &str = "i-0123456789abcdef0";

/// A step that failed.
#[derive(Debug)]
struct Failed {
    status: Option<i32>,
    stderr: String,
}

/// A run of the workflow: the replacement of GitHub.
struct Run {
    workflow: Yaml,
    /// The artifact's folder, `RUNNER_TEMP` of both jobs.
    temp: tempfile::TempDir,
    /// The values of expressions.
    values: BTreeMap<String, String>,
    /// The environment after the step that gets credentials.
    credentials: Vec<(&'static str, String)>,
}

impl Run {
    /// Begins a run that another workflow or a person starts, with the defaults of that event and `inputs`.
    fn new(event: &str, inputs: &[(&str, &str)]) -> Self {
        let workflow = YamlLoader::load_from_str(WORKFLOW).unwrap().remove(0);
        let declared = workflow["on"][event]["inputs"].as_hash().unwrap();
        let name_of = |input: &Yaml| format!("inputs.{}", input.as_str().unwrap());
        // An input that is declared for the other event alone is empty.
        let names = ["workflow_call", "workflow_dispatch"]
            .into_iter()
            .flat_map(|event| workflow["on"][event]["inputs"].as_hash().unwrap().keys().map(name_of));
        let mut values: BTreeMap<_, _> = names.map(|name| (name, String::new())).collect();
        values.extend(
            declared.iter().map(|(name, input)| {
                (name_of(name), input["default"].as_str().unwrap_or_default().to_owned())
            }),
        );
        for (name, value) in inputs {
            assert!(declared.contains_key(&Yaml::String((*name).to_owned())), "{event} has no input {name}");
            values.insert(format!("inputs.{name}"), (*value).to_owned());
        }
        // Settings of the GitHub environment, which a caller leaves out with the inputs.
        for name in ["INTEGRATION_URL", "INTEGRATION_VIA"] {
            values.insert(format!("vars.{name}"), String::new());
        }
        Self { workflow, temp: tempfile::tempdir().unwrap(), values, credentials: Vec::new() }
    }

    /// Replaces each expression of a text by its value; of alternatives, by the first that is not empty.
    fn filled_in(&self, text: &str) -> String {
        let (mut filled, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once("${{") {
            let (expression, after) = after.split_once("}}").unwrap();
            let mut values = expression.split("||").map(|name| {
                let name = name.trim();
                self.values.get(name).unwrap_or_else(|| panic!("the expression {name} has no value here"))
            });
            filled.push_str(before);
            filled.push_str(values.find(|value| !value.is_empty()).map_or("", String::as_str));
            rest = after;
        }
        filled + rest
    }

    /// Runs a job in a new clone. Returns what its last step printed.
    fn job(&mut self, name: &str) -> Result<String, Failed> {
        let clone = tempfile::tempdir().unwrap();
        let job = self.workflow["jobs"][name].clone();
        let (mut has_credentials, mut printed) = (false, String::new());
        for step in job["steps"].as_vec().unwrap() {
            let Some(script) = step["run"].as_str() else {
                match step["uses"].as_str().and_then(|uses| uses.split_once('@')) {
                    Some(("aws-actions/configure-aws-credentials", _)) => has_credentials = true,
                    Some((
                        "actions/checkout" | "actions/download-artifact" | "actions/upload-artifact",
                        _,
                    )) => {}
                    other => panic!("{other:?} has no replacement here"),
                }
                continue;
            };
            printed = self.script(script, step, clone.path(), has_credentials)?;
        }
        let outputs = job["outputs"].as_hash().cloned().unwrap_or_default();
        for (output, value) in outputs {
            let value = self.filled_in(value.as_str().unwrap());
            self.values.insert(format!("needs.{name}.outputs.{}", output.as_str().unwrap()), value);
        }
        Ok(printed)
    }

    /// Runs a step as GitHub does: a file for `bash -e`.
    #[expect(clippy::disallowed_methods, reason = "this is the runner of the steps under test")]
    fn script(
        &mut self,
        script: &str,
        step: &Yaml,
        clone: &Path,
        has_credentials: bool,
    ) -> Result<String, Failed> {
        assert!(!script.contains("${{"), "an expression in a script could contain commands: {script}");
        let (file, outputs) = (self.temp.path().join("step.sh"), self.temp.path().join("outputs"));
        fs::write(&file, script).unwrap();
        fs::write(&outputs, "").unwrap();
        let mut command = Command::new("bash");
        command.arg("-e").arg(&file).current_dir(clone).stdin(Stdio::null()).env_clear();
        command.env("PATH", env::var_os("PATH").unwrap()).env("HOME", clone);
        command.env("RUNNER_TEMP", self.temp.path()).env("GITHUB_OUTPUT", &outputs);
        if has_credentials {
            command.envs(self.credentials.iter().map(|(name, value)| (name, value)));
        }
        for (name, value) in step["env"].as_hash().cloned().unwrap_or_default() {
            command.env(name.as_str().unwrap(), self.filled_in(value.as_str().unwrap()));
        }
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if !output.status.success() {
            return Err(Failed { status: output.status.code(), stderr: text(&output.stderr) });
        }
        if let Some(id) = step["id"].as_str() {
            for (name, value) in
                fs::read_to_string(&outputs).unwrap().lines().filter_map(|l| l.split_once('='))
            {
                self.values.insert(format!("steps.{id}.outputs.{name}"), value.to_owned());
            }
        }
        Ok(text(&output.stdout))
    }
}

/// The command that replaces the build: links to programs that are built already.
fn links() -> String {
    let this: PathBuf = env::current_exe().unwrap();
    let links = [(Path::new(env!("CARGO_BIN_EXE_rds-iam")), "rds-iam"), (this.as_path(), "integration")];
    links.iter().fold("mkdir --parents target/debug".to_owned(), |command, (program, name)| {
        let program = program.to_str().unwrap();
        format!("{command}; ln --symbolic {} target/debug/{name}", shlex::try_quote(program).unwrap())
    })
}

/// The account and the database of a run.
struct Account<E: TestEngine> {
    workstation: Workstation<E>,
    ssm: Emulator,
}

impl<E: TestEngine> Account<E> {
    /// Starts a database whose name the instance alone can resolve, and whose policy permits the user `app`.
    async fn new() -> Self {
        let workstation = Workstation::<E>::new().await;
        let server = &workstation.server;
        create_user(server, "other", "SELECT ON shop.*").await.unwrap();
        server.allow_users(["app"]).unwrap();
        let ssm = Emulator::start(Settings::with_instance(INSTANCE)).await.unwrap();
        let (endpoint, address) = (server.endpoint(), server.dial().to_string());
        let address: SocketAddr = address.parse().unwrap();
        ssm.hosts().set(&endpoint.host().to_string(), endpoint.port(), vec![address]);
        Self { workstation, ssm }
    }

    fn url(&self, user: &str) -> String {
        let server = &self.workstation.server;
        format!(
            "{}://{user}@{}/shop?region={}&sslrootcert={}",
            E::SCHEME,
            server.endpoint(),
            server.region(),
            server.ca_path().display()
        )
    }

    /// Runs the whole workflow. Returns what the command printed.
    fn run(&self, event: &str, inputs: &[(&str, &str)], url: &str) -> Result<String, Failed> {
        let mut run = Run::new(event, inputs);
        run.values.insert("inputs.build".to_owned(), links());
        if event == "workflow_dispatch" {
            run.values.insert("vars.INTEGRATION_URL".to_owned(), url.to_owned());
            run.values.insert("vars.INTEGRATION_VIA".to_owned(), INSTANCE.to_owned());
        }
        let file = self.workstation.folder.path().join("credentials");
        run.credentials = vec![
            ("AWS_SHARED_CREDENTIALS_FILE", file.display().to_string()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("AWS_REGION", self.workstation.server.region().to_string()),
            ("AWS_ENDPOINT_URL_SSM", self.ssm.endpoint()),
        ];
        run.job("build")?;
        run.job("run")
    }

    /// Runs it as another workflow does that gives the database and the instance.
    fn call(&self, user: &str, command: &str) -> Result<String, Failed> {
        let url = self.url(user);
        let inputs = [
            ("environment", "auroratest-integration"),
            ("url", url.as_str()),
            ("via", INSTANCE),
            ("build", ""),
            ("paths", "target/debug/rds-iam"),
            ("command", command),
        ];
        self.run("workflow_call", &inputs, &url)
    }

    async fn wait_for_the_end(&self) {
        until("the sessions end", async || self.ssm.sessions().is_empty() && self.ssm.stats().agents == 0)
            .await;
    }
}

/// By hand, with the defaults, and a filter for the engine.
async fn the_pool_s_tests_run_through_the_tunnel<E: TestEngine>() {
    let account = Account::<E>::new().await;
    let default = Run::new("workflow_dispatch", &[]).values["inputs.command"].clone();
    let command = default.replace("postgres::", &format!("{}::", E::SCHEME));
    let printed =
        account.run("workflow_dispatch", &[("command", command.as_str())], &account.url("app")).unwrap();
    assert!(printed.contains(&format!("test result: ok. {} passed", pool::TESTS)), "{printed}");
    let logins = account.workstation.server.logins().unwrap();
    assert!(logins.iter().filter(|login| login.accepted()).all(|login| login.user == "app"), "{logins:?}");
    assert!(logins.iter().any(LoginEvent::accepted), "{logins:?}");
    account.wait_for_the_end().await;
    assert!(account.ssm.stats().dialled > 0, "{:?}", account.ssm.stats());
}

async fn a_command_that_fails_fails_the_job<E: TestEngine>() {
    let account = Account::<E>::new().await;
    let client = E::client().await.display().to_string();
    let query = |sql: &str| {
        let words = std::iter::once(client.clone()).chain(E::query(sql)).collect::<Vec<_>>();
        shlex::try_join(words.iter().map(String::as_str)).unwrap()
    };
    let succeeds = query(E::CURRENT_USER);
    assert_eq!(account.call("app", &succeeds).unwrap().trim(), E::APP);
    let failed = account.call("app", &format!("{succeeds}; exit 7")).unwrap_err();
    assert_eq!(failed.status, Some(7), "{failed:?}");
    // In the middle of a command, and of a pipe.
    for command in ["false; echo continued", "false | cat"] {
        let failed = account.call("app", command).unwrap_err();
        assert_eq!(failed.status, Some(1), "{command}: {failed:?}");
    }
    assert!(account.call("app", "echo $NOT_SET").is_err());
    assert!(account.call("app", &query("select * from nothing_here")).is_err());
    account.wait_for_the_end().await;
}

async fn another_user_than_the_role_s_does_not_get_in<E: TestEngine>() {
    let account = Account::<E>::new().await;
    let words = std::iter::once(E::client().await.display().to_string()).chain(E::query(E::CURRENT_USER));
    let words: Vec<_> = words.collect();
    let query = shlex::try_join(words.iter().map(String::as_str)).unwrap();
    let failed = account.call("other", &query).unwrap_err();
    assert!(!failed.stderr.is_empty(), "{failed:?}");
    let logins = account.workstation.server.logins().unwrap();
    assert!(!logins.is_empty() && logins.iter().all(|l| l.user == "other" && !l.accepted()), "{logins:?}");
    account.wait_for_the_end().await;
}

/// Each example of the page gives what is required, and nothing unknown.
#[test]
fn the_call_of_the_page_has_the_inputs_of_the_workflow() {
    let page = include_str!("../../../../docs/pipeline.md");
    let workflow = YamlLoader::load_from_str(WORKFLOW).unwrap().remove(0);
    let declared = workflow["on"]["workflow_call"]["inputs"].as_hash().unwrap();
    let blocks: Vec<_> =
        page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 2, "in this repository, and in another one");
    for block in blocks {
        let call = YamlLoader::load_from_str(block).unwrap().remove(0);
        let given = call["jobs"]["integration"]["with"].as_hash().unwrap();
        for name in given.keys() {
            assert!(declared.contains_key(name), "{name:?} is not an input");
        }
        for (name, input) in declared {
            let is_required = input["required"].as_bool() == Some(true);
            assert!(!is_required || given.contains_key(name), "{name:?} is required");
        }
        assert_eq!(call["jobs"]["integration"]["permissions"], workflow["jobs"]["run"]["permissions"]);
    }
}

/// What was built is compared before anything of it runs.
#[test]
fn a_changed_archive_is_not_unpacked() {
    let inputs = [("build", "mkdir bin; echo 'exit 0' >bin/rds-iam"), ("paths", "bin"), ("command", "true")];
    let mut run = Run::new("workflow_call", &inputs);
    run.job("build").unwrap();
    let archive = run.temp.path().join("integration.tar");
    let mut bytes = fs::read(&archive).unwrap();
    bytes.push(0);
    fs::write(&archive, bytes).unwrap();
    let failed = run.job("run").unwrap_err();
    assert!(failed.stderr.contains("checksum"), "{failed:?}");
}
