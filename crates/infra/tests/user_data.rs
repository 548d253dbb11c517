//! The scripts in the user data of `terraform/modules/ec2`, run by bash. The programs that they call are test
//! doubles, which record their calls and answer as the test configures.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

const TEMPLATE: &str = include_str!("../../../terraform/modules/ec2/user_data.sh.tftpl");
const GATEWAY: &str = include_str!("../../../terraform/modules/ec2/gateway.sh.tftpl");

/// The programs that scripts call and tests must not run. The answer to a call is the exit code and the
/// output of the first rule whose pattern matches.
const PROGRAMS: [&str; 9] = ["aws", "cat", "chmod", "curl", "dnf", "install", "sleep", "systemctl", "docker"];

/// Returns the user data as Terraform renders it, without a gateway.
fn user_data() -> String {
    let values = [
        ("app_port", "3000"),
        ("hook", "ready"),
        ("image_parameter", "/dev/app/image"),
        ("log_group", "/orders-dev/app"),
        ("management_port", "3001"),
        ("name", "orders-dev"),
        ("parameter_path", "/dev/database"),
        ("region", "us-east-1"),
        ("registry", "123456789012.dkr.ecr.us-east-1.amazonaws.com"),
        ("repository_url", "123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev"),
    ];
    rendered(TEMPLATE, &values)
}

/// Returns the part of the user data that a gateway adds, as Terraform renders it.
fn gateway() -> String {
    let values = [
        ("admin_port", "9090"),
        ("image", "123456789012.dkr.ecr.us-east-1.amazonaws.com/tools@sha256:0a"),
        (
            "listeners",
            "'3306=mysql://app@orders/orders' '5432=postgres://app@pay/pay?region=us-east-1&dial=h:1'",
        ),
        ("log_group", "/orders-dev/app"),
        ("region", "us-east-1"),
        ("registry", "123456789012.dkr.ecr.us-east-1.amazonaws.com"),
    ];
    rendered(GATEWAY, &values)
}

fn rendered(template: &str, values: &[(&str, &str)]) -> String {
    let rendered = values.iter().fold(template.replace("$${", "\0"), |text, (name, value)| {
        text.replace(&format!("${{{name}}}"), value)
    });
    assert!(!rendered.contains("${"), "a variable without a value in this test:\n{rendered}");
    rendered.replace('\0', "${")
}

/// Returns the script that the user data writes to `/usr/local/sbin/<name>`.
fn script(name: &str) -> String {
    script_of(&user_data(), name)
}

fn script_of(user_data: &str, name: &str) -> String {
    let (_, rest) = user_data.split_once(&format!("cat > /usr/local/sbin/{name} <<'SCRIPT'\n")).unwrap();
    rest.split_once("\nSCRIPT\n").unwrap().0.to_owned()
}

/// A machine that runs a script with test doubles, which answer by `rules`: a pattern of `case` for the whole
/// call, and the commands of the answer. A call without a rule succeeds without output.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new(rules: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let calls = folder.path().join("calls");
        let cases: String = rules.iter().map(|(call, answer)| format!("  {call}) {answer} ;;\n")).collect();
        for program in PROGRAMS {
            let double = format!(
                "#!/bin/bash\ncall=\"{program} $*\"\necho \"$call\" >> '{calls}'\ncount=$(grep -cxF -- \"$call\" \
                 '{calls}')\ncase $call in\n{cases}esac\n",
                calls = calls.display()
            );
            write(&folder.path().join(program), &double);
        }
        Self { folder }
    }

    fn run(&self, script: &str, arguments: &[&str]) -> Output {
        let file = self.folder.path().join("script");
        write(&file, script);
        let path = format!("{}:/usr/bin:/bin", self.folder.path().display());
        bash().arg(&file).args(arguments).env_clear().env("PATH", path).output().unwrap()
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    /// Returns the completions of the launch hook, with their results.
    fn completed(&self) -> Vec<String> {
        let calls = self.calls();
        let of_hook = calls.iter().filter(|call| call.starts_with("aws autoscaling "));
        of_hook.map(|call| call.rsplit(' ').next().unwrap_or_default().to_owned()).collect()
    }
}

#[expect(clippy::disallowed_methods, reason = "the scripts are what is tested")]
fn bash() -> Command {
    Command::new("bash")
}

fn write(file: &Path, text: &str) {
    fs::write(file, text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

const INSTANCE: (&str, &str) = ("'cat /var/lib/cloud/data/instance-id'", "echo i-0a1b2c3d4e5f67890");
const NOT_READY: (&str, &str) = ("curl*", "exit 7");
const IMAGE: (&str, &str) = ("'aws ssm get-parameters'*", "echo 0");
const NO_IMAGE: (&str, &str) = ("'aws ssm get-parameters'*", "echo 1");

#[test]
fn the_user_data_and_its_scripts_are_bash() {
    let scripts = ["app-start", "app-ready", "app-watch"].map(script);
    let of_gateway = ["gateway-start", "gateway-wait"].map(|name| script_of(&gateway(), name));
    let whole = [user_data(), gateway() + &user_data()];
    for text in scripts.iter().chain(&of_gateway).chain(&whole) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("script");
        write(&file, text);
        let checked = bash().arg("-n").arg(&file).output().unwrap();
        assert!(checked.status.success(), "{}\n{text}", String::from_utf8_lossy(&checked.stderr));
    }
}

#[test]
fn a_ready_service_completes_the_launch() {
    let machine = Machine::new(&[INSTANCE, IMAGE]);
    assert!(machine.run(&script("app-ready"), &["300"]).status.success());
    assert_eq!(
        machine.calls(),
        [
            "cat /var/lib/cloud/data/instance-id",
            "curl --fail --silent --output /dev/null --max-time 5 http://127.0.0.1:3001/readyz",
            "curl --silent --output /dev/null --max-time 5 http://127.0.0.1:3000/",
            "aws autoscaling complete-lifecycle-action --auto-scaling-group-name orders-dev --lifecycle-hook-name ready \
             --instance-id i-0a1b2c3d4e5f67890 --lifecycle-action-result CONTINUE",
        ]
    );
}

#[test]
fn a_service_that_gets_ready_later_completes_the_launch_then() {
    let machine = Machine::new(&[INSTANCE, IMAGE, ("'curl --fail'*", "(( count > 3 )) || exit 22")]);
    assert!(machine.run(&script("app-ready"), &["300"]).status.success());
    assert_eq!(machine.completed(), ["CONTINUE"]);
    assert_eq!(machine.calls().iter().filter(|call| call.starts_with("curl --fail")).count(), 4);
}

#[test]
fn a_service_without_an_answer_on_the_app_port_is_not_ready() {
    let machine = Machine::new(&[INSTANCE, IMAGE, ("'curl --silent'*", "exit 28")]);
    assert!(machine.run(&script("app-ready"), &["1"]).status.success());
    assert_eq!(machine.completed(), ["ABANDON"]);
}

#[test]
fn a_service_that_never_gets_ready_is_abandoned() {
    let machine = Machine::new(&[INSTANCE, IMAGE, NOT_READY]);
    assert!(machine.run(&script("app-ready"), &["1"]).status.success());
    assert_eq!(machine.completed(), ["ABANDON"]);
}

#[test]
fn without_an_image_nothing_is_waited_for() {
    let machine = Machine::new(&[INSTANCE, NO_IMAGE, NOT_READY]);
    assert!(machine.run(&script("app-ready"), &["300"]).status.success());
    assert_eq!(machine.completed(), ["CONTINUE"]);
}

#[test]
fn a_parameter_store_that_does_not_answer_is_not_a_missing_image() {
    let machine = Machine::new(&[INSTANCE, ("'aws ssm get-parameters'*", "exit 254"), NOT_READY]);
    assert!(machine.run(&script("app-ready"), &["1"]).status.success());
    assert_eq!(machine.completed(), ["ABANDON"]);
}

#[test]
fn a_failed_completion_is_retried() {
    let machine = Machine::new(&[INSTANCE, IMAGE, ("'aws autoscaling'*", "(( count > 2 )) || exit 254")]);
    assert!(machine.run(&script("app-ready"), &["300"]).status.success());
    assert_eq!(machine.completed(), ["CONTINUE"; 3]);
}

#[test]
fn an_image_that_is_not_a_digest_of_the_repository_is_not_started() {
    let elsewhere = format!("evil.example.test/app@sha256:{}", "a".repeat(64));
    for image in ["123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-dev:latest", &elsewhere] {
        let machine = Machine::new(&[("'aws ssm get-parameter '*", &format!("echo '{image}'"))]);
        assert!(!machine.run(&script("app-start"), &[]).status.success());
        assert!(!machine.calls().iter().any(|call| call.starts_with("docker")), "{:?}", machine.calls());
    }
}

/// Returns the answer about the service's start, in microseconds after boot: 1 is long ago.
fn active_since(microseconds: &str) -> (&'static str, String) {
    ("'systemctl show app.service'*", format!("echo {microseconds}"))
}

#[test]
fn a_service_that_answers_is_left_alone() {
    let (show, since) = active_since("1");
    let machine = Machine::new(&[(show, &since), ("'curl --fail'*", "(( count > 2 )) || exit 28")]);
    assert!(machine.run(&long_after_boot(), &[]).status.success());
    assert!(
        !machine.calls().iter().any(|call| call.starts_with("systemctl restart")),
        "{:?}",
        machine.calls()
    );
}

#[test]
fn a_service_that_fails_to_answer_three_times_is_restarted() {
    let (show, since) = active_since("1");
    let machine = Machine::new(&[(show, &since), ("curl*", "exit 28")]);
    assert!(machine.run(&long_after_boot(), &[]).status.success());
    let calls = machine.calls();
    assert_eq!(calls.iter().filter(|call| call.starts_with("curl")).count(), 3);
    assert_eq!(calls.last().map(String::as_str), Some("systemctl restart docker.service app.service"));
}

#[test]
fn a_service_that_has_just_started_or_is_stopped_is_left_alone() {
    let (show, since) = active_since("999000000");
    for rules in [
        [(show, since.as_str()), ("curl*", "exit 28")],
        [("'systemctl is-active'*", "exit 3"), ("curl*", "exit 28")],
    ] {
        let machine = Machine::new(&rules);
        assert!(machine.run(&long_after_boot(), &[]).status.success());
        assert!(
            !machine.calls().iter().any(|call| call.starts_with("systemctl restart")),
            "{:?}",
            machine.calls()
        );
    }
}

/// Returns app-watch on an instance that booted 1000 seconds ago.
fn long_after_boot() -> String {
    let (watch, uptime) = (script("app-watch"), "read -r uptime _ < /proc/uptime");
    assert!(watch.contains(uptime));
    watch.replace(uptime, "uptime=1000.50")
}

#[test]
fn a_failed_installation_is_retried_and_then_everything_is_started() {
    let root = tempfile::tempdir().unwrap();
    let rooted = ["/etc/", "/usr/local/sbin/"].iter().fold(user_data(), |text, folder| {
        let under = root.path().join(folder.trim_matches('/'));
        fs::create_dir_all(&under).unwrap();
        text.replace(&format!("cat > {folder}"), &format!("/bin/cat > {}/", under.display()))
    });
    for folder in ["etc/app/docker", "etc/systemd/system"] {
        fs::create_dir_all(root.path().join(folder)).unwrap();
    }
    let machine = Machine::new(&[("'dnf install'*", "(( count > 3 )) || exit 1")]);
    let ran = machine.run(&rooted, &[]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let calls = machine.calls();
    let of = |program: &str| calls.iter().filter(|call| call.starts_with(program)).count();
    assert_eq!((of("dnf install"), of("sleep")), (4, 3));
    let place = |call: &str| calls.iter().position(|made| made.starts_with(call)).unwrap();
    assert!(place("systemctl start --no-block app-ready.service") < place("dnf"), "{calls:?}");
    assert_eq!(
        calls.last().map(String::as_str),
        Some("systemctl enable --now docker.service app.service app-watch.timer")
    );
    for unit in ["app.service", "app-ready.service", "app-watch.service", "app-watch.timer"] {
        assert!(root.path().join("etc/systemd/system").join(unit).is_file(), "{unit}");
    }
}

#[test]
fn the_gateway_gets_one_argument_for_each_listener() {
    let machine = Machine::new(&[INSTANCE]);
    assert!(machine.run(&script_of(&gateway(), "gateway-start"), &[]).status.success());
    let calls = machine.calls();
    let run = calls.iter().find(|call| call.starts_with("docker run")).unwrap();
    assert!(run.contains(" --log-opt awslogs-stream=i-0a1b2c3d4e5f67890-gateway "), "{run}");
    let arguments = " --admin 127.0.0.1:9090 --drain 30 3306=mysql://app@orders/orders \
                     5432=postgres://app@pay/pay?region=us-east-1&dial=h:1";
    assert!(run.ends_with(arguments), "{run}");
}

#[test]
fn the_service_waits_for_the_gateway_until_it_has_started_or_ended() {
    // systemd sets the variable.
    let wait = |process: i32, rules: &[(&str, &str)]| {
        let machine = Machine::new(rules);
        let script = script_of(&gateway(), "gateway-wait");
        let ran = machine.run(&format!("MAINPID={process}\n{script}"), &[]);
        let polls = machine.calls().iter().filter(|call| call.starts_with("curl")).count();
        (ran.status.success(), polls)
    };
    let this = i32::try_from(std::process::id()).unwrap();
    assert_eq!(wait(this, &[("curl*", "(( count > 2 )) || exit 22")]), (true, 3));
    // No process has this id: Linux gives out ids up to 4194304.
    assert_eq!(wait(i32::MAX, &[NOT_READY]), (false, 1));
}
