//! Tests that each command of the README is one that this program accepts.

use clap::Parser as _;

use crate::Arguments;

const README: &str = include_str!("../README.md");

#[test]
fn the_program_accepts_the_commands_of_the_readme() {
    let script = README.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let mut accepted = 0;
    // What a reader fills in.
    let script = script.replace("$REPOSITORY", "123456789012.dkr.ecr.us-east-1.amazonaws.com/orders");
    let script = script.replace("sha256:…", &format!("sha256:{}", "0a".repeat(32)));
    for line in script.replace("\\\n", " ").lines() {
        let words = shlex::split(line).unwrap();
        for command in
            words.split(|word| word == "|").filter(|command| command.starts_with(&["rds-iam".to_owned()]))
        {
            Arguments::try_parse_from(command).unwrap_or_else(|error| panic!("{line}: {error}"));
            accepted += 1;
        }
    }
    assert!(accepted > 15, "only {accepted} commands were found");
}
