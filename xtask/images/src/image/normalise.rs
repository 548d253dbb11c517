//! Converts an image to a form whose digest depends only on its content and the commit's time, independent of
//! the engine, the builder, the machine and the build time.

use std::io::{self, Write};

use flate2::{Compression, GzBuilder};
use serde_json::{Map, Value, json};

use super::layer::{self, Folders, Layer};
use super::layout::{Layout, digest};
use super::saved::Saved;

/// The keys of an engine's `config` that configure how the image runs. The rest of the file is about its
/// build.
const RUN: [&str; 9] =
    ["Cmd", "Entrypoint", "Env", "ExposedPorts", "Labels", "StopSignal", "User", "Volumes", "WorkingDir"];

/// The creation time of an image, in the two required forms.
#[derive(Clone, Debug)]
pub(super) struct Created {
    /// Seconds since 1970.
    pub(super) seconds: u64,
    /// In RFC 3339, in UTC.
    pub(super) text: String,
}

/// An image with its layers and manifest.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) layout: Layout,
    /// The descriptor of its manifest.
    pub(super) descriptor: Value,
    pub(super) config: Value,
    /// The layers, the lowest first.
    pub(super) layers: Vec<Layer>,
    /// The size of all compressed layers in bytes.
    pub(super) size: u64,
}

/// Converts an image to its canonical form, under a tag.
///
/// # Errors
/// Returns an error if a layer can't be read.
pub(super) fn normalise(saved: &Saved, created: &Created, tag: &str) -> io::Result<Image> {
    let mut layout = Layout::default();
    let mut folders = Folders::new();
    let (mut layers, mut descriptors, mut diff_ids, mut size) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for tar in &saved.layers {
        let layer = layer::canonical(layer::read(tar.as_slice())?, &mut folders, created.seconds);
        // Some builders create a layer for an instruction that changed nothing.
        if layer.is_empty() {
            continue;
        }
        let tar = layer::write(&layer)?;
        diff_ids.push(digest(&tar));
        let compressed = gzip(&tar)?;
        size += compressed.len() as u64;
        descriptors.push(layout.blob("application/vnd.oci.image.layer.v1.tar+gzip", compressed));
        layers.push(layer);
    }
    let config = config(&saved.config, &diff_ids, created);
    let descriptor = layout.image(&config, &descriptors, tag);
    Ok(Image { layout, descriptor, config, layers, size })
}

/// Compresses a tar without a file name or time in the header, at a fixed level.
fn gzip(tar: &[u8]) -> io::Result<Vec<u8>> {
    let mut gzip = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best());
    gzip.write_all(tar)?;
    gzip.finish()
}

fn config(saved: &Value, diff_ids: &[String], created: &Created) -> Value {
    let says = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    };
    let pick = |from: &Value, keys: &[&str]| -> Map<String, Value> {
        let picked = keys.iter().map(|key| ((*key).to_owned(), from[*key].clone()));
        picked.filter(|(_, value)| says(value)).collect()
    };
    let mut config = pick(saved, &["architecture", "os", "variant"]);
    config.insert("created".to_owned(), created.text.as_str().into());
    config.insert("config".to_owned(), pick(&saved["config"], &RUN).into());
    config.insert("rootfs".to_owned(), json!({"type": "layers", "diff_ids": diff_ids}));
    config.into()
}
