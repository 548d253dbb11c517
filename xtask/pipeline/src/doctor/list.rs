//! The types of the doctor's list: `Need`, a requirement with the tasks that have it and whether the machine
//! meets it, and `List`, which collects the needs of a task.

use std::cell::OnceCell;

use super::machine::{Machine, Source};

/// A task that checks its requirements before its first step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// `cargo xtask demo`
    Demo,
    /// `cargo xtask demo --database postgres`, which also starts a MySQL server
    DemoPostgres,
    /// `cargo xtask infra check` and `infra local`, and `--with-infra` of the demo
    Infra,
    /// `cargo xtask test --only crates`
    Crates,
    /// `cargo xtask test`
    Test,
}

pub(super) const ALL: &[Task] = &[Task::Demo, Task::DemoPostgres, Task::Crates, Task::Test, Task::Infra];
pub(super) const SERVERS: &[Task] = &[Task::Demo, Task::DemoPostgres, Task::Crates, Task::Test];
pub(super) const POSTGRES: &[Task] = &[Task::DemoPostgres, Task::Crates, Task::Test];
pub(super) const CHECKS: &[Task] = &[Task::Crates, Task::Test];
pub(super) const INFRA: &[Task] = &[Task::Test, Task::Infra];
pub(super) const TEST: &[Task] = &[Task::Test];
pub(super) const OPTIONAL: &[Task] = &[];

/// The state of a need on a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// Present; usually with the version.
    Present(String),
    /// Fetched at its first use, from this source.
    Fetched(String),
    /// Missing, with the reason if one is known.
    Missing(Option<String>),
}

impl Met {
    pub(super) fn present(found: Option<String>) -> Self {
        found.map_or(Self::Missing(None), Self::Present)
    }
}

/// A requirement of the workspace, or an optional tool.
#[derive(Debug)]
pub(super) struct Need {
    pub(super) name: &'static str,
    /// The purpose; for an optional tool, the consequence of its absence.
    pub(super) purpose: &'static str,
    /// The tasks that fail without it.
    pub(super) tasks: &'static [Task],
    /// Whether `cargo xtask ci` and `deploy` fail without it, required or not.
    pub(super) pipeline: bool,
    pub(super) met: Met,
    pub(super) help: String,
}

impl Need {
    pub(super) fn required(&self) -> bool {
        !self.tasks.is_empty()
    }

    pub(super) fn unmet(&self) -> bool {
        matches!(self.met, Met::Missing(_))
    }

    pub(super) fn missing(&self) -> bool {
        self.required() && self.unmet()
    }
}

/// The requested part of the list. The rest is not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    All,
    Of(&'static [Task]),
    Named(&'static str),
}

/// The list under construction.
pub(super) struct List<'m> {
    pub(super) machine: &'m dyn Machine,
    wanted: Wanted,
    pub(super) needs: Vec<Need>,
    packages: OnceCell<Option<String>>,
    python: OnceCell<Option<String>>,
}

impl<'m> List<'m> {
    pub(super) fn new(machine: &'m dyn Machine, wanted: Wanted) -> Self {
        Self { machine, wanted, needs: Vec::new(), packages: OnceCell::new(), python: OnceCell::new() }
    }

    pub(super) fn add(
        &mut self,
        tasks: &'static [Task],
        name: &'static str,
        purpose: &'static str,
        met: impl FnOnce(&Self) -> Met,
        help: &str,
    ) {
        let is_wanted = match self.wanted {
            Wanted::All => true,
            Wanted::Of(some) => some.iter().any(|task| tasks.contains(task)),
            Wanted::Named(one) => one == name,
        };
        if is_wanted {
            let met = met(self);
            self.needs.push(Need { name, purpose, tasks, pipeline: false, met, help: help.to_owned() });
        }
    }

    /// Returns whether only the demo's servers are wanted, and not those of the tests.
    pub(super) fn is_for_a_demo(&self) -> bool {
        matches!(self.wanted, Wanted::Of(tasks) if tasks.contains(&Task::DemoPostgres))
    }

    /// Marks the last need as required by the pipeline too.
    pub(super) fn for_the_pipeline(&mut self, name: &str) {
        if let Some(need) = self.needs.iter_mut().find(|need| need.name == name) {
            need.pipeline = true;
        }
    }

    pub(super) fn version(&self, program: &str, args: &[&str]) -> Met {
        Met::present(self.first_line(program, args))
    }

    pub(super) fn first_line(&self, program: &str, args: &[&str]) -> Option<String> {
        let answer = self.machine.ask(program, args)?;
        Some(answer.lines().next().unwrap_or_default().trim().to_owned())
    }

    /// Returns the state of a package from this machine's apt, or the reason why it is missing.
    pub(super) fn packaged(&self, what: &str) -> Met {
        for tool in ["apt-get", "dpkg-deb"] {
            if self.machine.ask(tool, &["--version"]).is_none() {
                return Met::Missing(Some(format!("{tool} is not on this machine")));
            }
        }
        match self.packages.get_or_init(|| self.machine.unreachable(Source::Packages)) {
            None => Met::Fetched(what.to_owned()),
            Some(why) => Met::Missing(Some(format!("the package sources do not answer: {why}"))),
        }
    }

    /// Returns the state of a package from pip's index, or the reason why it is missing.
    pub(super) fn by_pip(&self, what: &str) -> Met {
        match self.python.get_or_init(|| self.machine.unreachable(Source::Python)) {
            None if what.is_empty() => Met::Fetched("from the Python Package Index".to_owned()),
            None => Met::Fetched(format!("{what}, from the Python Package Index")),
            Some(why) => Met::Missing(Some(why.clone())),
        }
    }
}
