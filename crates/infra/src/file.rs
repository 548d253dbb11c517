//! Files, read with a limit and written in one step.

use std::io::{self, Read, Write as _};
use std::path::Path;

/// Reads a UTF-8 text file of at most `limit` bytes.
///
/// # Errors
/// Where it cannot be read, is not UTF-8, or is larger.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    text(&mut std::fs::File::open(path)?, limit)
}

/// Reads a UTF-8 text of at most `limit` bytes to its end.
///
/// # Errors
/// Where it cannot be read, is not UTF-8, or is larger.
pub fn text(from: &mut dyn Read, limit: u64) -> io::Result<String> {
    let mut text = String::new();
    from.take(limit + 1).read_to_string(&mut text)?;
    if text.len() as u64 > limit {
        let size = if limit < 1024 * 1024 {
            format!("{} KiB", limit / 1024)
        } else {
            format!("{} MiB", limit / (1024 * 1024))
        };
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has over {size}")));
    }
    Ok(text)
}

/// Writes a file in one step: whoever reads it meanwhile sees the old text or the new one, and a failure
/// leaves the old one. A symbolic link is replaced by a file. What is written holds no secret and is for
/// other accounts to read, so the permissions are those of an ordinary new file.
///
/// # Errors
/// Where the folder does not take the file.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    let prefix = path.file_name().map(|name| format!(".{}.", name.to_string_lossy())).unwrap_or_default();
    builder.prefix(&prefix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let mut temporary = builder.tempfile_in(folder.unwrap_or(Path::new(".")))?;
    temporary.write_all(text.as_bytes())?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    Ok(())
}
