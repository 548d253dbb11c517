//! Tests that this program accepts each command of the README, and that both have the same exit statuses.

use clap::Parser as _;

use crate::{AFTER_HELP, Arguments};

const README: &str = include_str!("../README.md");

#[test]
fn the_help_has_the_exit_statuses_of_the_readme() {
    let table = README.split("| Exit status | Meaning |\n").nth(1).and_then(|rest| rest.split("\n\n").next());
    let in_readme = table.unwrap().lines().skip(1).filter_map(|line| line.split('|').nth(1));
    let in_help = AFTER_HELP.split("Exit status:\n").nth(1).and_then(|rest| rest.split("\n\n").next());
    let in_help = in_help.unwrap().lines().filter(|line| !line.starts_with("   "));
    let in_help = in_help.filter_map(|line| line.split_whitespace().next());
    assert_eq!(in_readme.map(str::trim).collect::<Vec<_>>(), in_help.collect::<Vec<_>>());
}

/// Clap wraps help at 100 columns: a longer line, which is divided already, would be divided twice.
#[test]
fn the_lines_after_the_help_are_not_wrapped() {
    fn check(command: &clap::Command) {
        let texts = [command.get_after_help(), command.get_after_long_help()];
        for line in texts
            .into_iter()
            .flatten()
            .flat_map(|text| text.to_string().lines().map(str::to_owned).collect::<Vec<_>>())
        {
            let is_example = line.starts_with("  rds-iam ");
            assert!(is_example || line.chars().count() <= 98, "{}: {line}", command.get_name());
        }
        command.get_subcommands().for_each(check);
    }
    check(&<Arguments as clap::CommandFactory>::command());
}

#[test]
fn the_program_accepts_the_commands_of_the_readme() {
    let blocks = README.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut accepted = 0;
    // What a reader fills in.
    let script = blocks.collect::<String>().replace("$HOST", "orders.c0ffee.eu-west-1.rds.amazonaws.com");
    let script = script.replace("$REPOSITORY", "123456789012.dkr.ecr.us-east-1.amazonaws.com/orders");
    let script = script.replace("sha256:…", &format!("sha256:{}", "0a".repeat(32)));
    for line in script.replace("\\\n", " ").lines() {
        let mut words = shlex::split(line).unwrap();
        // The command in VARIABLE="$(COMMAND)".
        let inner = words.iter().filter_map(|word| word.split_once("$(")?.1.strip_suffix(')'));
        if let Some(inner) = inner.map(|command| shlex::split(command).unwrap()).next() {
            words = inner;
        }
        if let Some(end) = words.iter().position(|word| word == ">") {
            words.truncate(end);
        }
        for command in
            words.split(|word| word == "|").filter(|command| command.starts_with(&["rds-iam".to_owned()]))
        {
            Arguments::try_parse_from(command).unwrap_or_else(|error| panic!("{line}: {error}"));
            accepted += 1;
        }
    }
    assert!(accepted > 30, "only {accepted} commands were found");
}

#[test]
fn the_program_accepts_the_commands_for_desktop_programs() {
    let table =
        README.split("| Client | Setting | Command |\n").nth(1).and_then(|rest| rest.split("\n\n").next());
    // What each program, or its shell, replaces.
    let host = "pay.c0ffee.eu-west-1.rds.amazonaws.com";
    let replaced = [
        ("%HOSTNAME%", host),
        ("%PORT%", "5432"),
        ("%USERNAME%", "ada"),
        ("$PGHOST", host),
        ("$PGPORT", "5432"),
        ("$PGUSER", "ada"),
    ];
    let mut clients = Vec::new();
    for row in table.unwrap().lines().skip(1) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, client, _, command, _] = cells[..] else { panic!("{row}") };
        let mut command = command.trim_matches('`').to_owned();
        for (name, value) in replaced {
            command = command.replace(name, value);
        }
        let words = shlex::split(&command).unwrap();
        assert_eq!(words[0], "/usr/local/bin/rds-iam", "{row}");
        Arguments::try_parse_from(words).unwrap_or_else(|error| panic!("{row}: {error}"));
        clients.push(client);
    }
    assert_eq!(clients, ["pgAdmin 4", "DBeaver", "TablePlus", "Postico 2"]);
}
