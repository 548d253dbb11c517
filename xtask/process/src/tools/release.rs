//! Release archives: downloaded, verified against their checksum, and then unpacked.

use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use xshell::cmd;

use super::Tool;
use super::pins::Archive;
use crate::error::Error;
use crate::file::failed;
use crate::runner::Cmd;
use crate::workspace::Workspace;

/// The file mode of a program: executable for all, writable by its owner only.
const PROGRAM_MODE: u32 = 0o755;

/// Returns the command that downloads `url` to `to`, over HTTPS only, including redirects.
pub(super) fn download(tool: Tool, url: &str, to: &Path, workspace: &Workspace) -> Cmd {
    let shell = workspace.shell();
    let curl = cmd!(
        shell,
        "curl --fail --location --proto =https --proto-redir =https --silent --show-error --retry 3 --output {to} {url}"
    );
    Cmd::from_xshell(curl, "apt-get install curl").hint(format!(
        "the host must be reachable; where it is not, {}put {tool} {} on PATH",
        if tool == Tool::Actionlint { "run cargo xtask tools install actionlint-fork, or " } else { "" },
        tool.version()
    ))
}

/// Downloads the tool's archive and leaves only its program in `scratch`.
///
/// # Errors
/// Returns an error if it cannot be downloaded, is not the pinned file, or does not contain the program.
pub(super) fn fetch(
    tool: Tool,
    archive: &Archive,
    scratch: &Path,
    download: &dyn Fn(&str, &Path) -> Result<(), Error>,
) -> Result<(), Error> {
    let file = scratch.join("archive");
    download(&archive.url, &file)?;
    let bytes = fs::read(&file).map_err(failed("read", &file))?;
    fs::remove_file(&file).map_err(failed("remove", &file))?;
    let is = hex::encode(Sha256::digest(&bytes));
    if is != archive.sha256 {
        return Err(Error::Found {
            found: format!(
                "{} is not the file that is pinned: its SHA-256 is {is}, not {}",
                archive.url, archive.sha256
            ),
            help: "try again; if it stays so, the release was changed after it was published: find out why \
                   before anything in xtask/process/tools.toml changes"
                .to_owned(),
        });
    }
    let program = if archive.url.ends_with(".zip") {
        from_zip(tool.program(), &bytes)
    } else {
        from_tar(tool.program(), &bytes)
    };
    place(tool, program, &archive.url, scratch)
}

/// Writes the program from the archive at `origin` into `folder`.
pub(super) fn place(
    tool: Tool,
    program: io::Result<Option<Vec<u8>>>,
    origin: &str,
    folder: &Path,
) -> Result<(), Error> {
    let name = tool.program();
    let help = || "correct xtask/process/tools.toml, or the path of the program in the archive".to_owned();
    let bytes = program
        .map_err(|error| Error::Found {
            found: format!("{origin} cannot be unpacked: {error}"),
            help: help(),
        })?
        .ok_or_else(|| Error::Found { found: format!("{origin} has no file {name}"), help: help() })?;
    let file = folder.join(name);
    fs::write(&file, bytes).map_err(failed("write", &file))?;
    let mode = fs::Permissions::from_mode(PROGRAM_MODE);
    fs::set_permissions(&file, mode).map_err(failed("set the mode of", &file))
}

/// Returns the file of that name in a zip, in any folder. Nothing else is unpacked.
pub(super) fn from_zip(name: &str, zip: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut zip = zip::ZipArchive::new(Cursor::new(zip))?;
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index)?;
        let is_it = Path::new(&*entry.name()?).file_name().is_some_and(|file| file == name);
        if entry.is_file() && is_it {
            return read(&mut entry).map(Some);
        }
    }
    Ok(None)
}

/// Returns the file of that name in a compressed tar.
fn from_tar(name: &str, tar: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(tar));
    for entry in tar.entries()? {
        let mut entry = entry?;
        let is_file = entry.header().entry_type().is_file();
        if is_file && entry.path()?.file_name().is_some_and(|file| file == name) {
            return read(&mut entry).map(Some);
        }
    }
    Ok(None)
}

fn read(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Returns the only file in a folder.
pub(super) fn only_file(folder: &Path) -> Result<PathBuf, Error> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    match entries.map_err(failed("read", folder))?.as_slice() {
        [file] => Ok(file.path()),
        files => Err(Error::Found {
            found: format!("{} has {} files, not one", folder.display(), files.len()),
            help: "the requirements must name one package alone".to_owned(),
        }),
    }
}

/// Returns the content of a file.
pub(super) fn contents(file: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    File::open(file).and_then(|mut it| it.read_to_end(&mut bytes)).map_err(failed("read", file))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn zip_of(files: &[(&str, &str)]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in files {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn tar_of(files: &[(&str, &str)]) -> Vec<u8> {
        let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut tar = tar::Builder::new(gzip);
        for (name, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            tar.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap()
    }

    /// Returns the content of the folder after a download of `bytes` whose checksum is the pinned one.
    fn fetched(name: &str, bytes: &[u8]) -> Result<Vec<(String, String, u32)>, Error> {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("https://host/{name}");
        let archive = Archive { url, sha256: hex::encode(Sha256::digest(bytes)) };
        fetch(Tool::Trivy, &archive, folder.path(), &|_, to| {
            fs::write(to, bytes).unwrap();
            Ok(())
        })?;
        let files = fs::read_dir(folder.path()).unwrap().map(|entry| {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            let text = fs::read_to_string(entry.path()).unwrap();
            (entry.file_name().to_string_lossy().into_owned(), text, mode)
        });
        Ok(files.collect())
    }

    #[test]
    fn the_program_alone_is_taken_out_of_an_archive() {
        let files =
            [("README.md", "read"), ("../../escape", "out"), ("contrib/trivy.tpl", "no"), ("trivy", "yes")];
        let only = vec![("trivy".to_owned(), "yes".to_owned(), PROGRAM_MODE)];
        assert_eq!(fetched("trivy.zip", &zip_of(&files)).unwrap(), only);
        let files = [files[0], files[2], files[3]];
        assert_eq!(fetched("trivy.tar.gz", &tar_of(&files)).unwrap(), only);
    }

    #[test]
    fn a_wheel_has_the_program_in_a_folder() {
        let wheel =
            zip_of(&[("tool-1.data/scripts/zizmor", "program"), ("tool-1.dist-info/METADATA", "zizmor")]);
        assert_eq!(from_zip("zizmor", &wheel).unwrap().as_deref(), Some(b"program".as_slice()));
    }

    #[test]
    fn an_archive_without_the_program_or_that_is_none_is_told() {
        let error = fetched("trivy.tar.gz", &tar_of(&[("README.md", "read")])).unwrap_err();
        insta::assert_snapshot!(error, @"https://host/trivy.tar.gz has no file trivy");
        let error = fetched("trivy.zip", b"<html>not found</html>").unwrap_err();
        insta::assert_snapshot!(error, @"https://host/trivy.zip cannot be unpacked: invalid Zip archive: Could not find EOCD");
    }
}
