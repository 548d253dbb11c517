//! The load: tasks that insert rows one after another, and count which were acknowledged.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use rds_iam_emulator_server::fixtures::until;
use rds_iam_sqlx::{Error, Pool};
use rds_iam_token::{ErrorKind, ErrorReport};
use tokio::task::JoinSet;

use crate::engine::SoakEngine;

/// The number of tasks: more than connections, so that callers wait.
const TASKS: usize = 8;

#[derive(Debug, Default)]
struct Counts {
    next: AtomicI64,
    stops: AtomicBool,
    acknowledged: AtomicU64,
    /// The rows whose statement failed without an answer: the server may have executed it.
    unanswered: Mutex<Vec<i64>>,
    /// The errors that no fault explains.
    unexpected: Mutex<Vec<String>>,
}

#[derive(Debug)]
pub(crate) struct Load {
    counts: Arc<Counts>,
    tasks: JoinSet<()>,
}

impl Load {
    pub(crate) fn start<DB: SoakEngine>(pool: &Pool<DB>) -> Self {
        let counts = Arc::new(Counts::default());
        let mut tasks = JoinSet::new();
        for _ in 0..TASKS {
            tasks.spawn(insert_rows(pool.clone(), Arc::clone(&counts)));
        }
        Self { counts, tasks }
    }

    /// Waits until this many more statements are acknowledged.
    pub(crate) async fn work(&self, statements: u64) {
        let enough = self.acknowledged() + statements;
        let what = format!("{statements} more statements; unexpected: {:?}", self.unexpected());
        until(&what, async || self.acknowledged() >= enough || !self.unexpected().is_empty()).await;
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.counts.acknowledged.load(SeqCst)
    }

    pub(crate) fn unanswered(&self) -> Vec<i64> {
        self.counts.unanswered.lock().unwrap().clone()
    }

    pub(crate) fn unexpected(&self) -> Vec<String> {
        self.counts.unexpected.lock().unwrap().clone()
    }

    pub(crate) async fn stop(&mut self) {
        self.counts.stops.store(true, SeqCst);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

async fn insert_rows<DB: SoakEngine>(pool: Pool<DB>, counts: Arc<Counts>) {
    while !counts.stops.load(SeqCst) {
        let id = counts.next.fetch_add(1, SeqCst);
        match DB::insert(id).execute(&pool).await {
            Ok(_) => {
                counts.acknowledged.fetch_add(1, SeqCst);
            }
            Err(error) => counts.failed(id, &pool.explain(error)),
        }
    }
}

impl Counts {
    fn failed(&self, id: i64, error: &Error) {
        match error.kind() {
            // The server answered that it did not execute it.
            ErrorKind::ReadOnly => {}
            ErrorKind::Unreachable => self.unanswered.lock().unwrap().push(id),
            kind => {
                let error = format!("row {id}: {kind:?}: {}", ErrorReport(error));
                self.unexpected.lock().unwrap().push(error);
            }
        }
    }
}
