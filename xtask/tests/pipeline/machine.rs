//! What xtask makes of a machine and of people: names and variables in any bytes, links, missing programs, Ctrl-C.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use super::house::{Ended, House};

#[test]
fn output_is_kept_where_a_variable_is_not_utf_8() {
    let house = House::new();
    let mut xtask = house.xtask(&["validate"], &[("LEAK", "GREETING"), ("GREETING", "hello")]);
    let output = xtask.env("FOO", OsStr::from_bytes(b"\xff")).output().unwrap();
    Ended::of(&output).expect(0).says("leaked hello");
}

#[test]
fn a_new_file_with_any_name_is_part_of_what_is_planned() {
    let house = House::new();
    let planned = |content: &str| {
        house.write("terraform/stacks/mysql/r\u{e9}seau \"a\".tf", content);
        house.run(&["plan", "--env", "dev", "--json", "report.json"], &[]).expect(0);
        let report = fs::read_to_string(house.repo("report.json")).unwrap();
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        report["commit"].as_str().unwrap().to_owned()
    };
    let first = planned("# one\n");
    assert_ne!(first, planned("# two\n"));
    assert_eq!(first, planned("# one\n"));
    // What can't be read can't be planned, and nothing is taken for it.
    symlink("gone.tf", house.repo("terraform/stacks/mysql/link.tf")).unwrap();
    let ended = house.run(&["plan", "--env", "dev"], &[]);
    ended.expect(3).says("could not read the new file").says("link.tf").says("add it to .gitignore");
}

#[test]
fn a_lock_that_is_a_symbolic_link_is_refused_and_its_target_stays() {
    let house = House::new();
    let target = house.repo("../precious.txt");
    fs::write(&target, "kept").unwrap();
    fs::create_dir_all(house.pipeline("")).unwrap();
    symlink(&target, house.pipeline("ci.lock")).unwrap();
    let ended = house.run(&["validate"], &[]);
    ended.expect(1).says("ci.lock is a symbolic link; expected a file").says("remove the link");
    assert_eq!(fs::read_to_string(&target).unwrap(), "kept");
}
