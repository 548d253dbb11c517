//! Tests that this program accepts each command of the README, and that both have the same exit statuses.

use clap::Parser as _;

use crate::{AFTER_HELP, Arguments};

const README: &str = include_str!("../README.md");

#[test]
fn the_help_has_the_exit_statuses_of_the_readme() {
    let table = README.split("| Exit status | Meaning |\n").nth(1).and_then(|rest| rest.split("\n\n").next());
    let in_readme = table.unwrap().lines().skip(1).filter_map(|line| line.split('|').nth(1));
    let in_help = AFTER_HELP.split("Exit status:\n").nth(1).and_then(|rest| rest.split("\n\n").next());
    let in_help = in_help.unwrap().lines().filter_map(|line| line.split_whitespace().next());
    assert_eq!(in_readme.map(str::trim).collect::<Vec<_>>(), in_help.collect::<Vec<_>>());
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
