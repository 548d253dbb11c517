//! The files that count ordered refusals. They outlive a login: PostgreSQL runs a process for each.
//!
//! A file has one line, the serial number of the order and the number of refusals left (`3 2`), and is read and written
//! under an exclusive `flock`. Such a line is also easy to read in C.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::Refuse;

/// The counter of one kind of ordered refusals, a file in the control folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Counter {
    /// The counter of [`State::refuse`](crate::State::refuse).
    Refusals,
    /// The counter of [`State::throttle`](crate::State::throttle). PostgreSQL's module, which can't read the state, gets
    /// its order by [`Counter::write`].
    Throttle,
}

impl Counter {
    /// Returns the path of the file in the control folder `dir`.
    #[must_use]
    pub fn file(self, dir: &Path) -> PathBuf {
        dir.join(match self {
            Self::Refusals => "refusals",
            Self::Throttle => "throttle",
        })
    }

    /// Returns whether the next login is one of those to refuse by `order`, and counts it. The count restarts if
    /// the serial number of the order is not the one in the file.
    ///
    /// # Errors
    /// Returns an error if the file can't be read, contains something else, or can't be written to.
    pub fn take(self, dir: &Path, order: Refuse) -> io::Result<bool> {
        // The usual case, without a file.
        if order.count == 0 {
            return Ok(false);
        }
        let mut file = self.lock(dir)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let mut left = match parse(&text)? {
            Some(counted) if counted.serial == order.serial => counted,
            _ => order,
        };
        if left.count == 0 {
            return Ok(false);
        }
        left.count -= 1;
        replace(&mut file, left)?;
        Ok(true)
    }

    /// Replaces the count by that of a new order, for modules that read only this file.
    ///
    /// # Errors
    /// Returns an error if the file can't be written to.
    pub fn write(self, dir: &Path, order: Refuse) -> io::Result<()> {
        let mut file = self.lock(dir)?;
        // The server may run as another user.
        file.set_permissions(Permissions::from_mode(0o666))?;
        replace(&mut file, order)
    }

    /// Opens the file, which is created if needed, and waits for its lock. Closing it unlocks it.
    fn lock(self, dir: &Path) -> io::Result<File> {
        let path = self.file(dir);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        file.lock()?;
        Ok(file)
    }
}

/// Returns the count in the text of a file; `None` if it is new.
fn parse(text: &str) -> io::Result<Option<Refuse>> {
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = text.strip_suffix('\n').and_then(|line| line.split_once(' ')).and_then(|(serial, count)| {
        Some(Refuse { serial: serial.parse().ok()?, count: count.parse().ok()? })
    });
    let invalid = || io::Error::new(io::ErrorKind::InvalidData, "expected a serial number and a count");
    parsed.map(Some).ok_or_else(invalid)
}

fn replace(file: &mut File, left: Refuse) -> io::Result<()> {
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(format!("{} {}\n", left.serial, left.count).as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::thread;

    use super::*;

    #[test]
    fn refusals_are_counted_once_for_each_order() {
        let dir = tempfile::tempdir().unwrap();
        let take = |serial, count| Counter::Refusals.take(dir.path(), Refuse { serial, count }).unwrap();
        assert!(!take(0, 0));
        assert!(!Counter::Refusals.file(dir.path()).exists(), "no order needs no file");

        assert_eq!([(); 4].map(|()| take(1, 2)), [true, true, false, false]);
        assert_eq!([(); 2].map(|()| take(2, 1)), [true, false]);
        assert_eq!([take(3, 5), take(4, 0), take(5, 1)], [true, false, true]);
    }

    #[test]
    fn the_count_is_in_the_file_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = Counter::Refusals.file(dir.path());
        let order = Refuse { serial: 7, count: 3 };
        assert!(Counter::Refusals.take(dir.path(), order).unwrap());
        assert_eq!(fs::read_to_string(&file).unwrap(), "7 2\n");

        fs::write(&file, "7 0\n").unwrap();
        assert!(!Counter::Refusals.take(dir.path(), order).unwrap());

        for text in ["7", "7 2", "seven 2\n", "7 -1\n", "7 2 1\n"] {
            fs::write(&file, text).unwrap();
            let error = Counter::Refusals.take(dir.path(), order).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{text:?}");
        }
    }

    #[test]
    fn an_order_is_written_for_others() {
        let dir = tempfile::tempdir().unwrap();
        let (file, order) = (Counter::Throttle.file(dir.path()), Refuse { serial: 12_345, count: 678 });
        Counter::Throttle.write(dir.path(), order).unwrap();
        Counter::Throttle.write(dir.path(), Refuse { serial: 2, count: 1 }).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "2 1\n");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o666);
        assert!(Counter::Throttle.take(dir.path(), Refuse { serial: 2, count: 1 }).unwrap());
        assert_eq!(fs::read_to_string(&file).unwrap(), "2 0\n");
    }

    /// Each call opens the file, and `flock` is between open files: threads exclude each other as processes do.
    #[test]
    fn simultaneous_logins_take_each_refusal_once() {
        let dir = tempfile::tempdir().unwrap();
        let order = Refuse { serial: 1, count: 250 };
        let taken = || (0..100).filter(|_| Counter::Refusals.take(dir.path(), order).unwrap()).count();
        let taken: usize = thread::scope(|scope| {
            let threads = [(); 4].map(|()| scope.spawn(taken));
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 250);
    }
}
