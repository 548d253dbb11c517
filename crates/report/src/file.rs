//! Files, read with a size limit and replaced atomically.

use std::io::{self, Read, Write as _};
use std::path::Path;

use tempfile::NamedTempFile;

/// Reads a UTF-8 text file of at most `limit` bytes.
///
/// # Errors
/// Returns an error if it can't be read, is not UTF-8, or is larger.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    text(&mut std::fs::File::open(path)?, limit)
}

/// Reads a UTF-8 text of at most `limit` bytes to its end.
///
/// # Errors
/// Returns an error if it can't be read, is not UTF-8, or is larger.
pub fn text(from: &mut dyn Read, limit: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    from.take(limit + 1).read_to_end(&mut bytes)?;
    // Before the text is decoded: the limit may be in the middle of a character.
    if bytes.len() as u64 > limit {
        let size = if limit < 1024 * 1024 {
            format!("{} KiB", limit / 1024)
        } else {
            format!("{} MiB", limit / (1024 * 1024))
        };
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has over {size}")));
    }
    io::read_to_string(bytes.as_slice())
}

/// Removes the file of an earlier run, so that a reader does not mistake it for this run's. A device, a pipe, a folder
/// and every path in `/dev` and `/proc` stay.
///
/// # Errors
/// Returns an error if the file exists and can't be removed.
pub fn remove_old(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() && !is_in_system_folder(path) => std::fs::remove_file(path),
        _ => Ok(()),
    }
}

/// Checks that [`replace`] can write a file, and changes nothing: for a report that is written after long work.
///
/// # Errors
/// Returns an error if the file can't be created in its folder, or is a folder itself.
pub fn check_writable(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        // Opening a pipe would wait for its reader.
        Ok(found) if !found.is_file() || is_in_system_folder(path) => Ok(()),
        _ => tempfile::tempfile_in(folder(path)).map(drop),
    }
}

fn is_in_system_folder(path: &Path) -> bool {
    ["/dev", "/proc"].iter().any(|root| path.starts_with(root))
}

/// Replaces a file atomically: a concurrent reader gets the old text or the new one, and a failure keeps the
/// old one. A symbolic link to a file is replaced by a file. The text contains no secret and is for other
/// accounts to read, so the permissions are those of an ordinary new file.
///
/// A device or a pipe is not replaced: the text is written to it. The same applies to every path in `/dev`,
/// where `/dev/stdout` may lead to an ordinary file.
///
/// # Errors
/// Returns an error if the file can't be created in its folder, or is a folder itself.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    // Links are followed: `/dev/stdout` is one.
    let is_special = match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(found) => !found.is_file() || is_in_system_folder(path),
        // Writing reports the error, if there is one.
        Err(_) => false,
    };
    if is_special {
        // Earlier output that was redirected into the file stays there.
        return std::fs::OpenOptions::new().append(true).open(path)?.write_all(text.as_bytes());
    }
    let prefix = prefix(path);
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    finish(builder.tempfile_in(folder(path))?, path, text)
}

/// Replaces a file atomically, like [`replace`], with exactly these permissions, independent of the umask.
/// For files with secrets (`0o600`), and for those that other users of this machine read or run.
///
/// # Errors
/// Returns an error if the file can't be created in its folder, or is a folder itself.
#[cfg(unix)]
pub fn replace_with_mode(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    // Until its permissions are set, only its owner can open it.
    let file = tempfile::Builder::new().prefix(&prefix(path)).tempfile_in(folder(path))?;
    file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    finish(file, path, text)
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Returns the prefix of the temporary file beside `path`.
fn prefix(path: &Path) -> String {
    path.file_name().map(|name| format!(".{}.", name.to_string_lossy())).unwrap_or_default()
}

fn finish(mut file: NamedTempFile, path: &Path, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_file_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("record.json");
        std::fs::write(&file, "old").unwrap();
        for path in [&file, folder.path(), &folder.path().join("missing")] {
            remove_old(path).unwrap();
        }
        assert!(!file.exists() && folder.path().is_dir());
        remove_old(Path::new("/dev/null")).unwrap();
        assert!(Path::new("/dev/null").exists());
    }

    #[test]
    fn a_file_in_a_missing_folder_is_not_writable() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("record.json");
        check_writable(&file).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        std::fs::write(&file, "old").unwrap();
        check_writable(&file).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "old");
        check_writable(Path::new("/dev/null")).unwrap();
        let missing = folder.path().join("missing/record.json");
        assert_eq!(check_writable(&missing).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(check_writable(folder.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }

    #[test]
    fn a_text_over_the_limit_is_reported_as_such_whatever_is_there() {
        // The limit is in the middle of a character.
        for long in ["é".repeat(1024), "€".repeat(1024), "\u{10000}".repeat(1024), "x".repeat(1025)] {
            let error = text(&mut long.as_bytes(), 1024).unwrap_err();
            assert_eq!(
                (error.kind(), error.to_string().as_str()),
                (io::ErrorKind::FileTooLarge, "it has over 1 KiB")
            );
            let odd = format!("x{long}");
            let error = text(&mut odd.as_bytes(), 1024).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        }
        assert_eq!(text(&mut "é".repeat(512).as_bytes(), 1024).unwrap(), "é".repeat(512));
        assert_eq!(text(&mut &b"\xff"[..], 1024).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_folder_is_refused_and_left() {
        let folder = tempfile::tempdir().unwrap();
        let error = replace(folder.path(), "text").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        assert!(folder.path().is_dir());
    }

    #[cfg(unix)]
    mod unix {
        use std::os::unix::fs::{FileTypeExt as _, symlink};

        use super::*;

        #[test]
        fn a_device_stays_one() {
            let folder = tempfile::tempdir().unwrap();
            // Through links, so that a failure of this test costs no machine its /dev/null.
            let (inner, link) = (folder.path().join("inner"), folder.path().join("link"));
            symlink("/dev/null", &inner).unwrap();
            symlink(&inner, &link).unwrap();
            replace(&link, "text").unwrap();
            assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
            assert!(std::fs::metadata(&link).unwrap().file_type().is_char_device());
        }

        #[test]
        fn a_pipe_takes_the_text() {
            use std::os::fd::AsRawFd as _;
            // Like a FIFO, it is no ordinary file, and its folder permits no new one.
            let (mut reader, writer) = io::pipe().unwrap();
            replace(Path::new(&format!("/dev/fd/{}", writer.as_raw_fd())), "text").unwrap();
            drop(writer);
            assert_eq!(io::read_to_string(&mut reader).unwrap(), "text");
        }

        #[test]
        fn a_file_gets_the_mode_and_leaves_none_beside_it() {
            use std::os::unix::fs::PermissionsExt as _;

            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("file");
            for (text, mode) in [("first", 0o600), ("second", 0o666)] {
                replace_with_mode(&path, text, mode).unwrap();
                assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
                assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode);
            }
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        }

        #[test]
        fn a_link_to_a_file_is_replaced_by_a_file() {
            let folder = tempfile::tempdir().unwrap();
            let (file, link) = (folder.path().join("file"), folder.path().join("link"));
            std::fs::write(&file, "old").unwrap();
            symlink(&file, &link).unwrap();
            replace(&link, "new").unwrap();
            assert!(std::fs::symlink_metadata(&link).unwrap().is_file());
            assert_eq!(std::fs::read_to_string(&file).unwrap(), "old");
        }
    }
}
