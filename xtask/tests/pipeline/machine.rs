//! What xtask makes of a machine and of people: names and variables in any bytes, links, missing programs, Ctrl-C.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use super::house::{Ended, House};

#[test]
fn output_is_kept_where_a_variable_is_not_utf_8() {
    let house = House::new();
    let mut xtask = house.xtask(&["validate"], &[("LEAK", "GREETING"), ("GREETING", "hello")]);
    let output = xtask.env("FOO", OsStr::from_bytes(b"\xff")).output().unwrap();
    Ended::of(&output).expect(0).says("leaked hello");
}
