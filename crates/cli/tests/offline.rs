//! Tests of the commands that call nothing: `roots`, `policy`, `completions`, `man` and help.

mod terminal;

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use rds_iam_roots::Roots;

#[expect(clippy::disallowed_methods, reason = "this is the program under test")]
fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rds-iam")).args(arguments).env_clear().output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Returns what a successful run prints.
fn printed(arguments: &[&str]) -> String {
    let done = run(arguments);
    assert_eq!((done.status.code(), text(&done.stderr)), (Some(0), ""), "{arguments:?}");
    text(&done.stdout).to_owned()
}

#[test]
fn roots_are_pem_for_a_client() {
    let roots = |arguments: &[&str]| Roots::parse(printed(arguments).as_bytes()).unwrap();
    assert_eq!(roots(&["roots"]), *Roots::bundled());
    assert_eq!(roots(&["roots", "--proxy"]), *Roots::proxy());
    let region = "eu-central-1".parse().unwrap();
    let of_region = roots(&["roots", "--region", "eu-central-1"]);
    assert!(of_region.covers(&region) && of_region.len() < Roots::rds().len());
    let missing = run(&["roots", "--region", "cn-north-1"]);
    assert_eq!(missing.status.code(), Some(1));
    let error = text(&missing.stderr);
    assert!(error.contains("no trust root for database servers in cn-north-1 is bundled"), "{error}");
    assert!(error.contains("https://rds-truststore.s3.cn-north-1.amazonaws.com.cn"), "{error}");
}

#[test]
fn a_bundle_is_compared_and_the_status_says_whether_it_differs() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, pem: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, pem).unwrap();
        path.display().to_string()
    };
    let same = write("same.pem", Roots::rds().pem());
    assert_eq!(printed(&["roots", "--refresh", &same]), "0 added, 0 removed, 81 kept\n");
    let own = write("own.pem", printed(&["roots"]).as_bytes());
    assert_eq!(printed(&["roots", "--refresh", &own]), "0 added, 0 removed, 86 kept\n");
    let done = run(&["roots", "--proxy", "--refresh", &own]);
    assert_eq!(done.status.code(), Some(2));
    assert!(text(&done.stdout).ends_with("81 added, 0 removed, 5 kept\n"), "{}", text(&done.stdout));
    let done = run(&["roots", "--proxy", "--refresh", &same]);
    assert_eq!(done.status.code(), Some(2));
    assert!(text(&done.stdout).contains("- Amazon Root CA 1, valid to 2038-01-17"), "{}", text(&done.stdout));
    let proxy = write("proxy.pem", Roots::proxy().pem());
    assert_eq!(printed(&["roots", "--proxy", "--refresh", &proxy]), "0 added, 0 removed, 5 kept\n");
    let none = write("none.pem", b"");
    for file in [none.as_str(), "/nowhere/bundle.pem"] {
        let done = run(&["roots", "--refresh", file]);
        assert_eq!(done.status.code(), Some(1));
        assert!(text(&done.stderr).contains(file), "{}", text(&done.stderr));
    }
}

const POLICY: [&str; 5] = ["policy", "--region", "eu-west-1", "--account-id", "123456789012"];

#[test]
fn the_policy_is_the_one_of_the_infrastructure() {
    let resource = "cluster-ABCDEFGHIJKLMNOPQRSTUVWX12";
    let arguments = [&POLICY[..], &["--resource-id", resource, "--user", "ada", "--user", "bob"]].concat();
    let arn = |user| format!("arn:aws:rds-db:eu-west-1:123456789012:dbuser:{resource}/{user}");
    let expected =
        rds_iam_infra::policy::ConnectPolicy::new(["bob", "ada"].map(|user| arn(user).parse().unwrap()));
    assert_eq!(printed(&arguments), format!("{}\n", expected.unwrap()));
    let policy: serde_json::Value = serde_json::from_str(&printed(&arguments)).unwrap();
    assert_eq!(policy["Statement"][0]["Action"], "rds-db:connect");
    assert_eq!(policy["Statement"][0]["Resource"], serde_json::json!([arn("ada"), arn("bob")]));
    let in_china = [
        &["policy", "--region", "cn-north-1", "--account-id", "123456789012"][..],
        &["--resource-id", resource, "--user", "ada"],
    ];
    assert!(printed(&in_china.concat()).contains("\"arn:aws-cn:rds-db:cn-north-1:"));
}

#[test]
fn a_name_in_place_of_a_resource_id_is_refused_with_the_place_of_the_id() {
    for name in ["orders-dev", "orders-cluster", "orders-proxy", "db-orders", "db-*"] {
        let done = run(&[&POLICY[..], &["--resource-id", name, "--user", "ada"]].concat());
        assert_eq!((done.status.code(), text(&done.stdout)), (Some(64), ""), "{name}");
        let error = text(&done.stderr);
        let expected =
            if name == "db-*" { "wildcard" } else { "DbiResourceId of `aws rds describe-db-instances`" };
        assert!(error.contains(expected), "{error}");
    }
    let pattern = ["--resource-id", "prx-0a1b2c3d4e5f67890", "--user", "*"];
    let done = run(&[&POLICY[..], &pattern].concat());
    assert_eq!((done.status.code(), text(&done.stdout)), (Some(1), ""));
    assert!(text(&done.stderr).contains("IAM would read the database user \"*\" as a pattern"));
}

#[test]
fn shells_accept_the_completions() {
    let shells = [("bash", "bash"), ("zsh", "zsh"), ("fish", "fish"), ("elvish", ""), ("powershell", "")];
    for (shell, checker) in shells {
        let script = printed(&["completions", shell]);
        assert!(script.contains("rds-iam") && script.contains("hostname"), "{shell}");
        assert!(script.contains("promote"), "{shell} has no nested command");
        if let Some(accepted) = accepts(checker, &script) {
            assert!(accepted, "{shell} refuses its completions");
        }
    }
    assert_eq!(run(&["completions", "tcsh"]).status.code(), Some(64));
}

/// Returns whether a shell parses a script; `None` if this machine lacks the shell. Bash is a requirement of the tests.
#[expect(clippy::disallowed_methods, reason = "the shell is the judge of the output")]
fn accepts(shell: &str, script: &str) -> Option<bool> {
    let mut command = Command::new(shell);
    command.arg("-n").stdin(Stdio::piped()).stderr(Stdio::null());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            assert_ne!(shell, "bash", "{error}");
            return None;
        }
    };
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    Some(child.wait().unwrap().success())
}

/// Returns the names of the commands, from the program's help.
fn commands() -> Vec<String> {
    let help = printed(&["--help"]);
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    // Other lines continue the one before.
    let names = list.lines().filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    let names: Vec<String> =
        names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
    assert!(names.len() > 12 && names.contains(&"token".to_owned()), "{names:?}");
    names.into_iter().filter(|name| name != "help").collect()
}

#[test]
fn each_command_has_a_manual_page_and_examples_in_its_help() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(printed(&["man", "--out", folder.path().to_str().unwrap()]), "");
    let main = printed(&["man"]);
    assert!(main.starts_with(".ie") && main.contains(".SH EXIT STATUS"), "{main}");
    for command in commands() {
        assert!(main.contains(&format!("rds\\-iam\\-{}(1)", command.replace('-', "\\-"))), "{command}");
        let page = std::fs::read_to_string(folder.path().join(format!("rds-iam-{command}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{page}");
        let help = printed(&[&command, "--help"]);
        if help.contains("\nCommands:\n") {
            continue;
        }
        assert!(help.contains("Examples:\n") && help.contains("rds-iam "), "{command}: {help}");
        assert!(help.contains("Exit status:\n"), "{command}: {help}");
    }
    for command in ["push", "show", "promote", "deployed"] {
        assert!(folder.path().join(format!("rds-iam-image-{command}.1")).exists());
        let help = printed(&["image", command, "--help"]);
        assert!(help.contains("Examples:\n  rds-iam image ") && help.contains("Exit status:\n"), "{help}");
    }
    assert!(folder.path().join("rds-iam.1").exists());
    let done = run(&["man", "--out", "/nowhere/man1"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(text(&done.stderr).contains("/nowhere/man1"), "{}", text(&done.stderr));
}

#[test]
fn help_has_no_colour_in_a_pipe_or_with_no_color() {
    for arguments in [&["--help"][..], &["token", "--help"], &["token"]] {
        let done = run(arguments);
        let shown = [text(&done.stdout), text(&done.stderr)].concat();
        assert!(!shown.is_empty() && !shown.contains('\u{1b}'), "{shown:?}");
        let on_terminal = |no_color: Option<&str>| {
            let mut command = terminal::on_terminal(env!("CARGO_BIN_EXE_rds-iam"), arguments);
            command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("TERM", "xterm");
            command.envs(no_color.map(|value| ("NO_COLOR", value)));
            let shown = command.stdin(Stdio::null()).output().unwrap();
            assert_eq!(shown.status.code(), done.status.code());
            text(&shown.stdout).to_owned()
        };
        for (no_color, expected) in [(None, true), (Some(""), true), (Some("1"), false)] {
            let shown = on_terminal(no_color);
            assert!(shown.contains("Usage:"), "{shown:?}");
            assert_eq!(terminal::is_styled(&shown), expected, "NO_COLOR={no_color:?}: {shown:?}");
        }
    }
}
