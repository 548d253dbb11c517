//! Writes the zip that Lambda unpacks: the same bytes for the same program, on any machine and at any time.

use std::io::{self, Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// The file that the custom runtime starts.
pub(crate) const ENTRY: &str = "bootstrap";

/// Returns a zip with the program, executable by every user, and the files beside it, readable by every user.
pub(crate) fn zip(program: &[u8], files: &[(&str, &str)]) -> io::Result<Vec<u8>> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        // The earliest time in a zip, instead of the current one, so that Terraform reports a change only if
        // the content changed.
        .last_modified_time(DateTime::default());
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file(ENTRY, options.unix_permissions(0o755))?;
    zip.write_all(program)?;
    for (name, content) in files {
        zip.start_file(*name, options.unix_permissions(0o644))?;
        zip.write_all(content.as_bytes())?;
    }
    Ok(zip.finish()?.into_inner())
}
