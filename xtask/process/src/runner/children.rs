//! The running programs, each in a separate process group: Ctrl-C, a time limit or the failure of another
//! part ends a program and its children, and gives them time to exit cleanly.

use std::collections::HashSet;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

/// The owner of a program: concurrent stages are stopped one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Owner(pub u32);

/// The time for a program to end after a signal, if nothing outside this machine depends on it.
const GRACE: Duration = Duration::from_secs(120);

#[derive(Debug, Default)]
struct State {
    groups: Vec<(Owner, Pid)>,
    stopped: Option<HashSet<Owner>>,
}

static STATE: Mutex<State> = Mutex::new(State { groups: Vec::new(), stopped: None });
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forwards signals that end this process (Ctrl-C, SIGTERM, a closed terminal) to all programs. Only a second
/// Ctrl-C, from an operator, kills them: a cancelled job on GitHub gets several signals in a row. `report` is
/// called with a description of each action.
///
/// # Errors
/// Returns an error if the signal handlers can't be installed.
pub fn watch_signals(report: impl Fn(&str) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT])?;
    thread::spawn(move || {
        for got in signals.forever() {
            let first = !INTERRUPTED.swap(true, Ordering::SeqCst);
            if !first && got != SIGINT {
                continue;
            }
            let groups = state().groups.clone();
            if groups.is_empty() && !first {
                // No program is running, and a second Ctrl-C is deliberate: this process's own work ends too.
                std::process::exit(130);
            }
            report(if first {
                "stopping; what runs may finish what it is in the middle of (once more to kill it)"
            } else {
                "killing what still runs"
            });
            for (_, group) in groups {
                signal(group, if first { Signal::INT } else { Signal::KILL });
            }
        }
    });
    Ok(())
}

/// Returns whether a signal ended the whole run.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Stops all current and future programs of one owner.
pub fn stop(owner: Owner) {
    let groups: Vec<Pid> = {
        let mut state = state();
        state.stopped.get_or_insert_default().insert(owner);
        state.groups.iter().filter(|(of, _)| *of == owner).map(|(_, group)| *group).collect()
    };
    for group in groups {
        signal(group, Signal::INT);
    }
}

/// Returns whether this owner's programs are stopped.
pub fn is_stopped(owner: Owner) -> bool {
    interrupted() || state().stopped.as_ref().is_some_and(|stopped| stopped.contains(&owner))
}

fn signal(group: Pid, signal: Signal) {
    // The program may have ended in the meantime.
    _ = kill_process_group(group, signal);
}

/// Starts a program in a separate process group.
pub(super) fn spawn(process: &mut Command) -> io::Result<Child> {
    process.process_group(0).spawn()
}

/// The end of a program.
#[derive(Debug)]
pub(super) enum Ended {
    ByItself(ExitStatus),
    /// The time limit was exceeded.
    TimedOut,
    /// The program was stopped.
    Stopped,
}

/// Waits for a program, and ends it if it takes longer than `within` or its owner is stopped. A `patient`
/// program gets a signal and is waited for: Terraform finishes its current call, and writes its state.
pub(super) fn wait(
    mut child: Child,
    owner: Owner,
    within: Option<Duration>,
    patient: bool,
) -> io::Result<Ended> {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let Some(group) = group else { return child.wait().map(Ended::ByItself) };
    state().groups.push((owner, group));
    // The owner may have been stopped between the start and the line above.
    if is_stopped(owner) {
        signal(group, Signal::INT);
    }
    let (done, ended) = mpsc::channel();
    thread::spawn(move || {
        let status = child.wait();
        state().groups.retain(|(_, running)| *running != group);
        drop(done.send(status));
    });
    let closed = |_| io::Error::other("the thread that waits for the program ended");
    let deadline = within.map(|within| Instant::now() + within);
    let mut asked = None;
    loop {
        // Polled a few times a second: a task that stops the program does not have this channel.
        let status = match ended.recv_timeout(Duration::from_millis(200)) {
            Ok(status) => status?,
            Err(mpsc::RecvTimeoutError::Disconnected) => return Err(closed(())),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
                match asked {
                    None if late => {
                        signal(group, Signal::INT);
                        asked = Some((Instant::now(), true));
                    }
                    None if is_stopped(owner) => asked = Some((Instant::now(), false)),
                    Some((since, _)) if !patient && since.elapsed() >= GRACE => signal(group, Signal::KILL),
                    _ => {}
                }
                continue;
            }
        };
        let ended = match asked {
            Some((_, true)) => Ended::TimedOut,
            _ if !status.success() && is_stopped(owner) => Ended::Stopped,
            _ => return Ok(Ended::ByItself(status)),
        };
        // Ends children that the program left running: a shell's background jobs do not get SIGINT.
        signal(group, Signal::KILL);
        return Ok(ended);
    }
}
