//! What the tunnel reports beside the command's output: warnings, the message of the account's administrator, and that
//! the connection is lost.

use std::error::Error;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};

use rds_iam_report::ErrorReport;
use rds_iam_tunnel::events::{ADMINISTRATOR, ENDED, LOST, NOT_RESUMED, RESUMED};
use tokio::sync::watch;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::Context;
use tracing_subscriber::prelude::*;
use tracing_subscriber::util::TryInitError;

use super::terminal;

/// Starts to print notices, for any `RUST_LOG`. Returns whether the connection is lost.
pub(super) fn start() -> Result<watch::Receiver<bool>, TryInitError> {
    let (lost, is_lost) = watch::channel(false);
    let notices = Notices { lost, is_explained: AtomicBool::new(false) };
    let of_the_tunnel = Targets::new().with_target("rds_iam_tunnel", LevelFilter::INFO);
    tracing_subscriber::registry().with(notices.with_filter(of_the_tunnel)).try_init()?;
    Ok(is_lost)
}

struct Notices {
    lost: watch::Sender<bool>,
    /// Whether the reason why the session is not resumed was printed. It is repeated with each attempt.
    is_explained: AtomicBool,
}

impl<S: Subscriber> Layer<S> for Notices {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        if text.says(LOST) {
            self.is_explained.store(false, Ordering::Relaxed);
            self.lost.send_replace(true);
        } else if text.says(RESUMED) {
            self.lost.send_replace(false);
        } else if text.says(ADMINISTRATOR) {
            terminal::say(&text.line());
        } else if text.says(ENDED) || *event.metadata().level() > Level::WARN {
            // The reason of the end is the program's own error.
        } else if !text.says(NOT_RESUMED) || !self.is_explained.swap(true, Ordering::Relaxed) {
            terminal::say(&format!("warning: {}", text.line()));
        }
    }
}

/// The fields of an event.
#[derive(Default)]
struct Text {
    messages: Vec<String>,
    others: Vec<String>,
}

impl Text {
    fn add(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.messages.push(value),
            // A person has one session.
            "session" => {}
            "error" | "reason" | "text" => self.others.push(value),
            name => self.others.push(format!("{name}: {value}")),
        }
    }

    fn says(&self, message: &str) -> bool {
        self.messages.iter().any(|one| one == message)
    }

    fn line(self) -> String {
        [self.messages, self.others].concat().join(": ")
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.add(field, ErrorReport(value).to_string());
    }
}
