//! The zip that Lambda unpacks: the same bytes for the same program, whoever makes it and when.

use std::io::{self, Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// What the custom runtime starts.
pub(crate) const ENTRY: &str = "bootstrap";

/// A zip with the program as its only entry, for all to run.
pub(crate) fn zip(program: &[u8]) -> io::Result<Vec<u8>> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .unix_permissions(0o755)
        // The first moment that a zip can tell: no clock, so that Terraform sees a change only where
        // there is one.
        .last_modified_time(DateTime::default());
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file(ENTRY, options)?;
    zip.write_all(program)?;
    Ok(zip.finish()?.into_inner())
}
