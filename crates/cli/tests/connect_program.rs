//! `rds-iam connect` and its PROGRAM, without a database: the environment, the target's name, the client that is found,
//! signals, exit statuses and the profile.

mod home;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Output, Stdio};

use home::{Ended, HOST, Home, argument, text};
use rustix::process::{Pid, Signal, kill_process};

fn url(scheme: &str) -> String {
    format!("{scheme}://app@{HOST}/shop")
}

fn connect(home: &Home, arguments: &[&str]) -> Output {
    home.program().arg("connect").args(arguments).output().unwrap()
}

#[test]
fn the_program_has_all_variables_of_the_port_and_none_that_leads_elsewhere() {
    const MYSQL: [&str; 6] =
        ["MYSQL_DATABASE", "MYSQL_HOST", "MYSQL_PWD", "MYSQL_TCP_PORT", "MYSQL_UNIX_PORT", "MYSQL_USER"];
    const POSTGRES: [&str; 7] =
        ["PGDATABASE", "PGGSSENCMODE", "PGHOST", "PGPASSWORD", "PGPORT", "PGSSLMODE", "PGUSER"];
    const REMOVED: [&str; 8] = [
        "MYSQL_SSL_MODE",
        "PGCHANNELBINDING",
        "PGHOSTADDR",
        "PGPASSFILE",
        "PGREQUIREAUTH",
        "PGSERVICE",
        "PGSSLNEGOTIATION",
        "PGSSLROOTCERT",
    ];
    for (scheme, names) in [("mysql", &MYSQL[..]), ("postgres", &POSTGRES[..])] {
        let home = Home::new();
        let mut command = home.program();
        command.envs(names.iter().chain(&REMOVED).map(|name| (name, "elsewhere")));
        let output = command.args(["connect", &url(scheme), "--", "env"]).output().unwrap();
        let variables: BTreeMap<_, _> =
            text(&output.stdout).lines().filter_map(|line| line.split_once('=')).collect();
        let of_clients = |name: &&str| name.starts_with("MYSQL") || name.starts_with("PG");
        assert_eq!(variables.keys().copied().filter(of_clients).collect::<Vec<_>>(), names);
        let login = variables["DATABASE_URL"].strip_prefix(&format!("{scheme}://app:")).unwrap();
        let (password, address) = login.split_once("@127.0.0.1:").unwrap();
        let (port, database) = address.split_once('/').unwrap();
        let expected = match scheme {
            "mysql" => {
                assert_eq!(database, "shop");
                assert!(variables["MYSQL_UNIX_PORT"].ends_with("/mysql.sock"), "{variables:?}");
                vec![
                    ("MYSQL_HOST", "127.0.0.1"),
                    ("MYSQL_TCP_PORT", port),
                    ("MYSQL_PWD", password),
                    ("MYSQL_USER", "app"),
                    ("MYSQL_DATABASE", "shop"),
                ]
            }
            _ => {
                assert_eq!(database, "shop?sslmode=disable");
                vec![
                    ("PGHOST", "127.0.0.1"),
                    ("PGPORT", port),
                    ("PGPASSWORD", password),
                    ("PGUSER", "app"),
                    ("PGDATABASE", "shop"),
                    ("PGSSLMODE", "disable"),
                    ("PGGSSENCMODE", "disable"),
                ]
            }
        };
        for (name, value) in expected {
            assert_eq!(variables[name], value, "{name}");
        }
        assert_eq!(variables["RDS_IAM_URL"], url(scheme));
    }
}

#[test]
fn a_target_is_a_name_in_the_gateway_s_file() {
    let home = Home::new();
    let entries = format!(
        "[orders]\nurl = \"mysql://ada@{HOST}/orders\"\nlisten = \"3306\"\n\
         [pay]\nurl = \"postgres://bob@{HOST}/pay\"\nlisten = \"5432\"\n"
    );
    let file = home.write("gateway.toml", &entries);
    let print = ["--", "sh", "-c", "echo $DATABASE_URL"];
    let by_option = connect(&home, &[&["orders", "--file", argument(&file)][..], &print].concat());
    let found = text(&by_option.stdout);
    assert!(found.starts_with("mysql://ada:") && found.ends_with("/orders\n"), "{found}");
    let mut command = home.program();
    command.env("RDS_IAM_GATEWAY_FILE", &file).args(["connect", "pay"]).args(print);
    let by_variable = command.output().unwrap();
    let found = text(&by_variable.stdout);
    assert!(found.starts_with("postgres://bob:") && found.contains("/pay?"), "{found}");
    let unknown = connect(&home, &["stock", "--file", argument(&file), "--", "echo", "started"]);
    let expected = format!("error: \"stock\" is not in {}, which has: orders, pay\n", file.display());
    assert_eq!((unknown.status.code(), text(&unknown.stderr)), (Some(64), &*expected));
    let without_file = connect(&home, &["orders", "--", "echo", "started"]);
    assert_eq!(without_file.status.code(), Some(64));
    assert!(text(&without_file.stderr).contains("there is no file with names"), "{without_file:?}");
    assert_eq!((text(&unknown.stdout), text(&without_file.stdout)), ("", ""));
}

#[test]
fn without_a_program_the_engine_s_client_is_found() {
    const STAND_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stand-in.sh");
    let home = Home::new();
    let folder = home.path("bin");
    std::fs::create_dir(&folder).unwrap();
    let run = |scheme: &str| {
        let output = home.program().args(["connect", &url(scheme)]).env("PATH", &folder).output().unwrap();
        (output.status.code(), text(&output.stdout).to_owned() + text(&output.stderr))
    };
    let absent = |names: &str| {
        (Some(1), format!("error: no {names} on PATH: install it, or name a program after --\n"))
    };
    assert_eq!(run("mysql"), absent("mysql or mariadb"));
    assert_eq!(run("postgres"), absent("psql"));
    // Settings in ~/.my.cnf would win over the environment.
    for (scheme, name, expected) in [
        ("mysql", "mariadb", "mariadb --no-defaults\n"),
        ("mysql", "mysql", "mysql --no-defaults\n"),
        ("postgres", "psql", "psql \n"),
    ] {
        std::os::unix::fs::symlink(STAND_IN, folder.join(name)).unwrap();
        assert_eq!(run(scheme), (Some(0), expected.to_owned()));
    }
}

#[test]
fn a_signal_is_forwarded_to_the_program() {
    const SCRIPT: &str =
        "trap 'kill $!; exit 41' TERM; trap 'kill $!; exit 42' HUP; sleep 60 & echo ready; wait";
    for (signal, status) in [(Signal::TERM, 41), (Signal::HUP, 42)] {
        let home = Home::new();
        let mut command = home.program();
        command.args(["connect", &url("mysql"), "--", "sh", "-c", SCRIPT]).stdout(Stdio::piped());
        let mut process = command.spawn().map(Ended).unwrap();
        let mut line = String::new();
        BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        kill_process(Pid::from_child(&process.0), signal).unwrap();
        assert_eq!(process.0.wait().unwrap().code(), Some(status));
    }
}

#[test]
fn a_program_that_can_not_be_executed_has_the_status_of_a_shell() {
    let home = Home::new();
    let file = home.write("notes.txt", "no program");
    for program in [&*file, Path::new("/")] {
        let done = connect(&home, &[&url("postgres"), "--", argument(program)]);
        assert_eq!(done.status.code(), Some(126));
        let expected = format!("error: cannot run {}: ", program.display());
        assert!(text(&done.stderr).starts_with(&expected), "{}", text(&done.stderr));
    }
}

#[test]
fn a_folder_for_temporary_files_that_does_not_exist_is_reported_before_credentials() {
    let home = Home::new();
    let folder = home.path("nowhere");
    let run = |scheme: &str| {
        let mut command = home.program();
        command.env("TMPDIR", &folder).env("AWS_CREDENTIAL_EXPIRATION", "tomorrow");
        command.args(["connect", &url(scheme), "--", "echo", "started"]).output().unwrap()
    };
    let done = run("mysql");
    assert_eq!((done.status.code(), text(&done.stdout)), (Some(1), ""));
    let error = text(&done.stderr);
    let start =
        format!("error: cannot create a folder for the socket of MySQL's clients in {}: ", folder.display());
    assert!(error.starts_with(&start) && error.contains("No such file or directory"), "{error}");
    assert!(error.ends_with("Set TMPDIR to a folder that exists and is writable\n"), "{error}");
    // PostgreSQL's clients use the port alone, and need no folder.
    let done = run("postgres");
    assert!(text(&done.stderr).contains("AWS_CREDENTIAL_EXPIRATION is not a time"), "{}", text(&done.stderr));
}

#[test]
fn the_profile_s_credentials_are_used_in_place_of_the_environment_s() {
    let home = Home::new();
    let keys = "[orders]\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = K7MDENGbPxRfi\n";
    let file = home.write("credentials", keys);
    let run = |options: &[&str]| {
        let mut command = home.program();
        command.env("AWS_SHARED_CREDENTIALS_FILE", &file);
        command.env("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z");
        command.args(["connect", &url("mysql")]).args(options).args(["--", "echo", "started"]);
        command.output().unwrap()
    };
    let started = run(&["--profile", "orders"]);
    assert_eq!((started.status.code(), text(&started.stdout)), (Some(0), "started\n"));
    let without = run(&[]);
    assert_eq!((without.status.code(), text(&without.stdout)), (Some(1), ""));
    assert!(text(&without.stderr).contains("the AWS credentials expired"), "{}", text(&without.stderr));
    let unknown = run(&["--profile", "payments"]);
    assert_eq!((unknown.status.code(), text(&unknown.stdout)), (Some(1), ""));
    let expected = "error: the AWS profile \"payments\" is neither in ~/.aws/config nor in ";
    assert!(text(&unknown.stderr).starts_with(expected), "{}", text(&unknown.stderr));
    assert!(text(&unknown.stderr).contains("which have the profiles orders: "), "{}", text(&unknown.stderr));
}
