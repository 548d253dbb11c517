//! The lock of an environment's folder: one run at a time, with the holder reported to the next.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};

use crate::context::Context;
use crate::gate_results;
use rds_iam_process::clock;
use rds_iam_process::error::Error;
use rds_iam_process::file;

/// The lock of a run, held while it is active; the system releases it when the process ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// Locks the environment's folder for this run.
///
/// # Errors
/// Returns an error with the holder and its start time if another run is active.
pub(crate) fn acquire(context: &Context<'_>) -> Result<Lock, Error> {
    let path = context.folder().with_extension("lock");
    let mut lock = file::open_lock(&path)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::Error(source)) => return Err(file::failed("lock", &path)(source)),
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // The holder may not have written it yet.
            drop(lock.read_to_string(&mut holder));
            return Err(Error::Found {
                found: format!("another run is at work in {}: {}", context.folder().display(), holder.trim()),
                help: "wait for its end, or work in a clone of your own".to_owned(),
            });
        }
    }
    let holder = format!(
        "{}, process {}, since {}\n",
        gate_results::who(),
        std::process::id(),
        clock::rfc3339(context.now)
    );
    lock.set_len(0)
        .and_then(|()| lock.rewind())
        .and_then(|()| lock.write_all(holder.as_bytes()))
        .map_err(file::failed("write", &path))?;
    Ok(Lock { _file: lock })
}
