//! A layer of an image: reads a tar, converts it to a canonical form that is the same from every container engine,
//! and writes it again.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use tar::{EntryType, Header};

/// The prefix that marks a file of a lower layer as removed:
/// <https://github.com/opencontainers/image-spec/blob/main/layer.md>.
const WHITEOUT: &str = ".wh.";

/// The rest of the name, after [`WHITEOUT`], that marks a folder as hiding lower layers.
const OPAQUE: &str = ".wh..opq";

/// The prefix of an extended attribute in a tar's extension headers.
const ATTRIBUTE: &str = "SCHILY.xattr.";

/// The files of a layer by their paths, which have no leading `/`. Sorted, so that a folder comes before what
/// is in it.
pub(super) type Layer = BTreeMap<PathBuf, Node>;

/// A file, folder or link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) access: Access,
    /// Seconds since 1970.
    pub(super) modified: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    File(Vec<u8>),
    /// Another name of a file of the same layer.
    HardLink(PathBuf),
    SymbolicLink(PathBuf),
}

/// The owner, group and mode of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) mode: u32,
    pub(super) user: u64,
    pub(super) group: u64,
    attributes: Vec<(String, Vec<u8>)>,
}

/// The folders created by layers so far.
pub(super) type Folders = BTreeMap<PathBuf, Access>;

impl Node {
    /// Creates a node that belongs to root.
    pub(super) fn of_root(kind: Kind, mode: u32) -> Self {
        let access = Access { mode, user: 0, group: 0, attributes: Vec::new() };
        Self { kind, access, modified: 0 }
    }
}

/// Reads a tar. Of two entries with the same path the later one counts, as when unpacking.
///
/// # Errors
/// Returns an error if it can't be read, or has unsupported entries: devices, pipes, sparse files, a path
/// with `..`.
pub(super) fn read(tar: impl Read) -> io::Result<Layer> {
    read_some(tar, |_| true)
}

/// Reads the `wanted` entries of a tar.
///
/// # Errors
/// Returns the errors of [`read`].
pub(super) fn read_some(tar: impl Read, wanted: impl Fn(&Path) -> bool) -> io::Result<Layer> {
    let mut layer = Layer::new();
    let mut archive = tar::Archive::new(tar);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = relative(&entry.path()?)?;
        // The root itself always exists.
        if path.as_os_str().is_empty() || !wanted(&path) {
            continue;
        }
        let mut attributes = Vec::new();
        if let Some(extensions) = entry.pax_extensions()? {
            for extension in extensions {
                let extension = extension?;
                let key = extension.key().map_err(io::Error::other)?;
                if key.starts_with(ATTRIBUTE) {
                    attributes.push((key.to_owned(), extension.value_bytes().to_vec()));
                }
            }
        }
        attributes.sort();
        let header = entry.header();
        let access =
            Access { mode: header.mode()? & 0o7777, user: header.uid()?, group: header.gid()?, attributes };
        let modified = header.mtime()?;
        let link = entry.link_name()?.unwrap_or_default().into_owned();
        let kind = match entry.header().entry_type() {
            EntryType::XGlobalHeader => continue,
            EntryType::Directory => Kind::Folder,
            EntryType::Regular | EntryType::Continuous => {
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                Kind::File(content)
            }
            EntryType::Symlink => Kind::SymbolicLink(link),
            EntryType::Link => Kind::HardLink(relative(&link)?),
            other => {
                let what = format!("{} is neither file, folder nor link, but {other:?}", path.display());
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
        };
        layer.insert(path, Node { kind, access, modified });
    }
    Ok(layer)
}

/// Normalises a path: `./usr/lib`, `/usr/lib` and `usr/lib/` become `usr/lib`.
fn relative(path: &Path) -> io::Result<PathBuf> {
    let mut relative = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => relative.push(name),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                let what = format!("the path {} leads elsewhere", path.display());
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
        }
    }
    Ok(relative)
}

/// Returns the canonical form, which depends only on the content, not on the engine or the time.
///
/// No file is younger than `latest`, seconds since 1970. Engines differ in which folders they repeat from
/// lower layers: an unchanged one is omitted, a missing one is added. `below` has the folders of the lower
/// layers, and then also those of this layer.
pub(super) fn canonical(layer: Layer, below: &mut Folders, latest: u64) -> Layer {
    for (path, node) in &layer {
        let removed = path.file_name().and_then(|name| name.to_str()?.strip_prefix(WHITEOUT));
        match (removed, &node.kind) {
            (Some(OPAQUE), _) => {
                let folder = path.parent().unwrap_or(path);
                below.retain(|path, _| path == folder || !path.starts_with(folder));
            }
            (Some(removed), _) => forget(below, &path.with_file_name(removed)),
            (None, Kind::Folder) => {}
            (None, _) => forget(below, path),
        }
    }
    let mut canonical = Layer::new();
    for (path, mut node) in layer {
        for folder in path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()) {
            if !below.contains_key(folder) {
                let missing = Node { modified: latest, ..Node::of_root(Kind::Folder, 0o755) };
                below.insert(folder.to_owned(), missing.access.clone());
                canonical.insert(folder.to_owned(), missing);
            }
        }
        if node.kind == Kind::Folder {
            let before = below.insert(path.clone(), node.access.clone());
            if before.as_ref() == Some(&node.access) {
                continue;
            }
        }
        node.modified = node.modified.min(latest);
        canonical.insert(path, node);
    }
    canonical
}

fn forget(folders: &mut Folders, path: &Path) {
    folders.retain(|folder, _| !folder.starts_with(path));
}

/// Writes a tar. Hard links come last: their targets have to exist.
///
/// # Errors
/// Returns an error if a name is longer than a tar supports.
pub(super) fn write(layer: &Layer) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let (links, others): (Vec<_>, Vec<_>) =
        layer.iter().partition(|(_, node)| matches!(node.kind, Kind::HardLink(_)));
    for (path, node) in others.into_iter().chain(links) {
        let attributes = node.access.attributes.iter();
        tar.append_pax_extensions(attributes.map(|(key, value)| (key.as_str(), value.as_slice())))?;
        // Names of users and groups stay empty: they are those of the build machine.
        let mut header = Header::new_gnu();
        header.set_mode(node.access.mode);
        header.set_uid(node.access.user);
        header.set_gid(node.access.group);
        header.set_mtime(node.modified);
        header.set_size(0);
        match &node.kind {
            Kind::Folder => {
                header.set_entry_type(EntryType::Directory);
                tar.append_data(&mut header, path.join(""), io::empty())?;
            }
            Kind::File(content) => {
                header.set_entry_type(EntryType::Regular);
                header.set_size(content.len() as u64);
                tar.append_data(&mut header, path, content.as_slice())?;
            }
            Kind::HardLink(to) => {
                header.set_entry_type(EntryType::Link);
                tar.append_link(&mut header, path, to)?;
            }
            Kind::SymbolicLink(to) => {
                header.set_entry_type(EntryType::Symlink);
                tar.append_link(&mut header, path, to)?;
            }
        }
    }
    tar.into_inner()
}
