//! Runs stages, independent ones in parallel and each with a log, until one fails, and records the results of
//! gates.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::context::Context;
use crate::gate_results::{self, GateOutcome, GateResults};
use crate::show::Show;
use crate::stage::{Action, Effect, Io, Stage};
use rds_iam_process::console::{Console, Log};
use rds_iam_process::error::Error;
use rds_iam_process::file;
use rds_iam_process::runner::{self, Owner, RunError, Runner};
use rds_iam_process::summary::{End, Row};

/// A stage and its result.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) stage: &'static Stage,
    pub(crate) end: End,
    pub(crate) took: Option<Duration>,
    pub(crate) log: Option<std::path::PathBuf>,
}

impl Done {
    /// Returns the result of a stage that was not started.
    pub(crate) fn not_run(stage: &'static Stage, why: String) -> Self {
        Self { stage, end: End::NotRun(why), took: None, log: None }
    }

    /// Returns the stage's row in the table.
    pub(crate) fn row(&self) -> Row<'_> {
        Row { name: self.stage.name, end: &self.end, took: self.took }
    }
}

/// Runs all stages that can run; returns all of them in their order.
pub(crate) fn run(
    stages: &[&'static Stage],
    context: &Context<'_>,
    console: Console,
    show: &mut Show,
) -> Vec<Done> {
    // One more than the number of processors: usually a stage waits for the network.
    let most = thread::available_parallelism().map_or(1, usize::from) + 1;
    let mut state: Vec<State> = stages.iter().map(|_| State::Waiting).collect();
    let mut results = GateResults::load(context);
    let (send, ended) = mpsc::channel();
    let single = stages.len() == 1;
    thread::scope(|scope| {
        loop {
            let failed =
                stages.iter().zip(&state).find(|(_, state)| state.failed()).map(|(stage, _)| stage.name);
            let stopping = failed.is_some() || runner::interrupted();
            for at in 0..stages.len() {
                let running = state.iter().filter(|state| matches!(state, State::Running(..))).count();
                if stopping || running == most || !is_ready(at, stages, &state) {
                    continue;
                }
                let stage = stages[at];
                let (log, path) = match open_log(stage, context, show.streams(single)) {
                    Ok(opened) => opened,
                    Err(error) => {
                        state[at] = State::Done(End::Failed(error), Duration::ZERO, None);
                        continue;
                    }
                };
                let owner = Owner(u32::try_from(at).unwrap_or(u32::MAX - 1) + 1);
                let stage_console = console.log(log);
                let started = Instant::now();
                let runner = Runner::for_stage(
                    stage_console,
                    owner,
                    started + stage.timeout(),
                    stage.effect > Effect::Local,
                );
                show.started(stage, log);
                state[at] = State::Running(owner, started, path);
                let send = send.clone();
                scope.spawn(move || {
                    let io = Io { console: stage_console, runner };
                    let result = catch_unwind(AssertUnwindSafe(|| perform(stage, context, &io)));
                    drop(send.send((at, result.unwrap_or_else(|_| Err(panicked(stage))))));
                });
            }
            if stopping {
                // Stages that only read or write locally are ended; stages that change an account finish their
                // current action.
                for (stage, state) in stages.iter().zip(&state) {
                    if let State::Running(owner, ..) = state
                        && stage.effect <= Effect::Local
                    {
                        runner::stop(*owner);
                    }
                }
            }
            if !state.iter().any(|state| matches!(state, State::Running(..))) {
                break;
            }
            let Some((at, result)) = next(&ended, show) else { break };
            let State::Running(_, started, path) = std::mem::replace(&mut state[at], State::Waiting) else {
                continue;
            };
            let end = match result {
                Ok(note) => End::Passed(note),
                Err(Error::Run(RunError::Stopped { command })) => End::Stopped(command),
                Err(_) if runner::is_stopped(Owner(u32::try_from(at).unwrap_or(0) + 1)) => {
                    End::Stopped(stages[at].name.to_owned())
                }
                Err(error) => End::Failed(error),
            };
            let end = match note(stages[at], &end, &mut results, context) {
                Ok(()) => end,
                // Stages that rely on the verdict would read an older one.
                Err(error) => End::Failed(error),
            };
            show.finish(stages[at], &end, started.elapsed(), &path);
            state[at] = State::Done(end, started.elapsed(), Some(path));
        }
    });
    let failed = stages.iter().zip(&state).find(|(_, state)| state.failed()).map(|(stage, _)| stage.name);
    let why = failed.map_or_else(|| "the run was interrupted".to_owned(), |name| format!("{name} failed"));
    stages
        .iter()
        .zip(state)
        .map(|(stage, state)| match state {
            State::Done(end, took, log) => Done { stage, end, took: Some(took), log },
            _ => Done::not_run(stage, why.clone()),
        })
        .collect()
}

enum State {
    Waiting,
    Running(Owner, Instant, std::path::PathBuf),
    Done(End, Duration, Option<std::path::PathBuf>),
}

impl State {
    fn failed(&self) -> bool {
        matches!(self, Self::Done(end, ..) if end.failed())
    }

    fn passed(&self) -> bool {
        matches!(self, Self::Done(end, ..) if end.passed())
    }
}

/// Returns whether a stage is waiting and all stages that make its inputs in this run have passed.
fn is_ready(at: usize, stages: &[&Stage], state: &[State]) -> bool {
    let makers = |input| stages.iter().zip(state).filter(move |(maker, _)| maker.outputs.contains(input));
    matches!(state[at], State::Waiting)
        && stages[at].inputs.iter().flat_map(makers).all(|(_, state)| state.passed())
}

/// Returns the next stage that ends; updates the display in the meantime.
fn next<T>(ended: &mpsc::Receiver<T>, show: &mut Show) -> Option<T> {
    loop {
        match ended.recv_timeout(Duration::from_millis(200)) {
            Ok(ended) => return Some(ended),
            Err(mpsc::RecvTimeoutError::Timeout) => show.tick(),
            Err(mpsc::RecvTimeoutError::Disconnected) => return None,
        }
    }
}

fn open_log(
    stage: &Stage,
    context: &Context<'_>,
    also_stdout: bool,
) -> Result<(&'static Log, std::path::PathBuf), Error> {
    let path = context.file(&format!("logs/{}.log", stage.name));
    file::make_folder(path.parent().unwrap_or(&path))?;
    let log = Log::create(&path, also_stdout).map_err(file::failed("make", &path))?;
    Ok((log, path))
}

/// Performs a stage's actions and returns their notes.
fn perform(stage: &Stage, context: &Context<'_>, io: &Io) -> Result<Option<String>, Error> {
    let mut notes = Vec::new();
    for action in (stage.actions)(context)? {
        match action {
            Action::Run(cmd) => io.runner.run(&cmd)?,
            Action::Do { what, work } => {
                // Commands are echoed as they run.
                if !what.starts_with('$') {
                    io.console.line(&format!("- {what}"));
                }
                notes.extend(work(io)?);
            }
        }
    }
    Ok((!notes.is_empty()).then(|| notes.join("; ")))
}

fn panicked(stage: &Stage) -> Error {
    Error::Found {
        found: format!("{} failed by a bug in the pipeline", stage.name),
        help: "the message above says where in xtask; please report it".to_owned(),
    }
}

/// Records a gate's outcome, for the stages that rely on it.
fn note(stage: &Stage, end: &End, results: &mut GateResults, context: &Context<'_>) -> Result<(), Error> {
    let judged = match end {
        End::Passed(_) | End::Warned(_) => GateOutcome::Passed,
        End::Failed(_) => GateOutcome::Failed,
        End::Stopped(_) | End::NotRun(_) => return Ok(()),
    };
    if !stage.is_gate() {
        return Ok(());
    }
    results.set(stage.name, judged, "", context);
    results.write(&gate_results::path(context))
}
