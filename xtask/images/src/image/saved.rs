//! Reads the output of `docker save` in both formats: the older one with a tar for each layer, and the OCI
//! layout of engines since version 25, which may contain build attestations besides the image.

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::Value;

/// An image as exported by an engine.
#[derive(Debug)]
pub(super) struct Saved {
    pub(super) config: Value,
    /// The uncompressed tars, the lowest layer first.
    pub(super) layers: Vec<Vec<u8>>,
}

/// Reads the tar of one image that `docker save` wrote.
///
/// # Errors
/// Returns an error if it can't be read, has no image or several, or has layers that are neither tars nor
/// gzip-compressed.
pub(super) fn read(tar: impl Read) -> io::Result<Saved> {
    let files = Files::read(tar)?;
    // The newer format usually has a manifest.json as well; some image stores omit it.
    let (config, layers) =
        if files.has("index.json") { files.of_layout()? } else { files.of_manifest_json()? };
    let layers = layers.into_iter().map(uncompressed).collect::<io::Result<_>>()?;
    Ok(Saved { config: parse("the image's configuration", config)?, layers })
}

/// An image's configuration and layers.
type Parts<'a> = (&'a [u8], Vec<&'a [u8]>);

/// The files in the tar.
struct Files {
    files: HashMap<PathBuf, Vec<u8>>,
    /// Links, because older engines store a layer once and link to it.
    links: HashMap<PathBuf, PathBuf>,
}

impl Files {
    fn read(tar: impl Read) -> io::Result<Self> {
        let (mut files, mut links) = (HashMap::new(), HashMap::new());
        for entry in tar::Archive::new(tar).entries()? {
            let mut entry = entry?;
            let path = entry.path()?.into_owned();
            if let Some(to) = entry.link_name()? {
                links.insert(path.clone(), target(&path, &to));
            } else if entry.header().entry_type().is_file() {
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                files.insert(path, content);
            }
        }
        Ok(Self { files, links })
    }

    fn has(&self, path: &str) -> bool {
        self.files.contains_key(Path::new(path))
    }

    fn file(&self, path: &str) -> io::Result<&[u8]> {
        let path = Path::new(path);
        let path = self.links.get(path).map_or(path, PathBuf::as_path);
        let file = self.files.get(path).map(Vec::as_slice);
        file.ok_or_else(|| invalid(format!("there is no file `{}` in it", path.display())))
    }

    /// Returns the content that a descriptor refers to.
    fn blob(&self, descriptor: &Value) -> io::Result<&[u8]> {
        self.file(&format!("blobs/{}", text(&descriptor["digest"]).replacen(':', "/", 1)))
    }

    /// Finds the parts through the OCI layout's index, which may list another index.
    fn of_layout(&self) -> io::Result<Parts<'_>> {
        let mut parsed = parse("index.json", self.file("index.json")?)?;
        while !parsed["manifests"].is_null() {
            let images: Vec<_> = list(&parsed["manifests"]).filter(|image| !is_attestation(image)).collect();
            parsed = parse("a manifest", self.blob(only(&images)?)?)?;
        }
        let layers = list(&parsed["layers"]).map(|layer| self.blob(layer)).collect::<io::Result<_>>()?;
        Ok((self.blob(&parsed["config"])?, layers))
    }

    /// Finds the parts through the older format's list.
    fn of_manifest_json(&self) -> io::Result<Parts<'_>> {
        let parsed = parse("manifest.json", self.file("manifest.json")?)?;
        let image = only(&list(&parsed).collect::<Vec<_>>())?;
        let layers = list(&image["Layers"]).map(|layer| self.file(text(layer))).collect::<io::Result<_>>()?;
        Ok((self.file(text(&image["Config"]))?, layers))
    }
}

/// Returns the target of a link at `path`.
fn target(path: &Path, to: &Path) -> PathBuf {
    let mut target = path.parent().unwrap_or(Path::new("")).to_owned();
    for component in to.components() {
        match component {
            Component::ParentDir => drop(target.pop()),
            Component::Normal(name) => target.push(name),
            _ => {}
        }
    }
    target
}

/// Returns whether a descriptor is a BuildKit attestation: its provenance or SBOM.
fn is_attestation(descriptor: &Value) -> bool {
    descriptor["annotations"]["vnd.docker.reference.type"] == "attestation-manifest"
        || descriptor["platform"]["os"] == "unknown"
}

fn only<'a>(images: &[&'a Value]) -> io::Result<&'a Value> {
    match images {
        [image] => Ok(image),
        _ => Err(invalid(format!("it has {} images, not one", images.len()))),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn parse(what: &str, json: &[u8]) -> io::Result<Value> {
    serde_json::from_slice(json).map_err(|error| invalid(format!("{what} is no JSON: {error}")))
}

/// Returns a layer's tar, decompressed if it is gzip. Other compressions are detected by their first bytes;
/// otherwise a tar reader would find no entry in them.
fn uncompressed(layer: &[u8]) -> io::Result<Vec<u8>> {
    if layer.starts_with(&[0x1f, 0x8b]) {
        let mut tar = Vec::new();
        GzDecoder::new(layer).read_to_end(&mut tar)?;
        return Ok(tar);
    }
    match layer.get(257..262) {
        Some(b"ustar") => Ok(layer.to_vec()),
        // An empty tar.
        _ if layer.iter().all(|byte| *byte == 0) => Ok(layer.to_vec()),
        _ => Err(invalid("a layer is neither a tar nor one compressed by gzip".to_owned())),
    }
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
