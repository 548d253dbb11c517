//! Commands: in a terminal, or with pipes.

mod pipes;
mod terminal;
mod text;

pub(super) use pipes::Pipes;
pub(super) use terminal::Terminal;

/// The environment of a command: `PATH` and `HOME` of this process, and nothing that could be a secret.
fn environment() -> impl Iterator<Item = (&'static str, std::ffi::OsString)> {
    let inherited = ["PATH", "HOME"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    inherited.chain([("TERM", "xterm-256color".into()), ("LANG", "C.UTF-8".into())])
}
