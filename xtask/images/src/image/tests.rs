//! Tests of images: digests that depend only on the content, layers, OCI layouts, and the two formats that
//! `docker save` writes.

use std::io::{self, Write};

use serde_json::json;
use tar::{EntryType, Header};

use super::layer::{Folders, Kind, Layer, Node};
use super::*;

/// A time after those of all files in the tests.
const LATEST: u64 = 1_767_323_045;

fn created() -> Created {
    Created { seconds: LATEST, text: "2026-01-02T03:04:05Z".into() }
}

/// The ways in which an engine may write a layer.
#[derive(Clone, Copy)]
struct Engine {
    /// The build time, not before the commit.
    built: u64,
    repeats_folders: bool,
    names_root: bool,
}

const ONE: Engine = Engine { built: LATEST + 10, repeats_folders: true, names_root: true };
const OTHER: Engine = Engine { built: LATEST + 99, repeats_folders: false, names_root: false };

fn tar(engine: Engine, folders: &[(&str, u32)], files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |path: &str, kind: EntryType, mode: u32, content: &str| {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(engine.built);
        header.set_size(content.len() as u64);
        header.set_uid(0);
        header.set_gid(0);
        if engine.names_root {
            header.set_username("root").unwrap();
        }
        tar.append_data(&mut header, path, content.as_bytes()).unwrap();
    };
    if engine.repeats_folders {
        add("./", EntryType::Directory, 0o755, "");
        for (path, mode) in folders {
            add(path, EntryType::Directory, *mode, "");
        }
    }
    for (path, content) in files {
        add(path, EntryType::Regular, 0o755, content);
    }
    tar.into_inner().unwrap()
}

/// Returns an image of two layers as saved by an engine's builder.
fn saved(engine: Engine, program: &str) -> saved::Saved {
    let base = Engine { repeats_folders: true, ..engine };
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "created": engine.built,
        "container": "0123",
        "docker_version": "20.10.24",
        "moby.buildkit.buildinfo.v1": "eyJ9",
        "config": {"User": "10001:10001", "Hostname": "", "Cmd": null, "Entrypoint": ["/usr/local/bin/app"], "Image": "sha256:1"},
        "history": [{"created_by": "COPY # buildkit", "created": engine.built}],
        "rootfs": {"diff_ids": ["sha256:1"]},
    });
    let layers = vec![
        tar(base, &[("tmp/", 0o1777), ("usr/", 0o755)], &[("usr/libc.so.6", "C")]),
        tar(
            engine,
            &[("usr/", 0o755), ("usr/local/", 0o755), ("usr/local/bin/", 0o755)],
            &[("usr/local/bin/app", program)],
        ),
        // An instruction that changed nothing.
        tar(engine, &[("tmp/", 0o1777)], &[]),
    ];
    saved::Saved { config, layers }
}

fn digest_of(saved: &saved::Saved) -> String {
    text(&normalise::normalise(saved, &created(), "t").unwrap().descriptor["digest"])
}

#[test]
fn the_digest_is_of_the_content_not_of_the_build() {
    assert_eq!(digest_of(&saved(ONE, "program")), digest_of(&saved(OTHER, "program")));
    assert_ne!(digest_of(&saved(ONE, "program")), digest_of(&saved(ONE, "another")));
    let mut run_by_root = saved(ONE, "program");
    run_by_root.config["config"]["User"] = "0".into();
    assert_ne!(digest_of(&saved(ONE, "program")), digest_of(&run_by_root));
}

#[test]
fn nothing_of_the_engine_stays_in_the_configuration() {
    let image = normalise::normalise(&saved(ONE, "program"), &created(), "t").unwrap();
    let mut config = image.config.clone();
    assert_eq!(config["rootfs"]["diff_ids"].as_array_mut().unwrap().drain(..).count(), 2);
    insta::assert_snapshot!(config, @r#"{"architecture":"amd64","config":{"Entrypoint":["/usr/local/bin/app"],"User":"10001:10001"},"created":"2026-01-02T03:04:05Z","os":"linux","rootfs":{"diff_ids":[],"type":"layers"}}"#);
}

#[test]
fn a_layer_keeps_what_differs_from_lower_ones() {
    let mut below = Folders::new();
    let lower = layer::read(saved(ONE, "").layers[0].as_slice()).unwrap();
    layer::canonical(lower, &mut below, LATEST);
    let folder = |mode| Node::of_root(Kind::Folder, mode);
    let upper = Layer::from([
        ("tmp".into(), folder(0o700)),
        ("usr".into(), folder(0o755)),
        (".wh.tmp".into(), Node::of_root(Kind::File(Vec::new()), 0o644)),
        ("new/link".into(), Node::of_root(Kind::SymbolicLink("../usr".into()), 0o777)),
    ]);
    let layer = layer::canonical(upper, &mut below, LATEST);
    let paths: Vec<_> = layer.keys().map(|path| path.display().to_string()).collect();
    assert_eq!(paths, [".wh.tmp", "new", "new/link", "tmp"]);
    // Where lower layers are hidden, their folders are no reason to omit one.
    let opaque = Layer::from([
        ("new/.wh..wh..opq".into(), Node::of_root(Kind::File(Vec::new()), 0o644)),
        ("new/folder".into(), folder(0o755)),
    ]);
    below.insert("new/folder".into(), folder(0o755).access);
    assert_eq!(layer::canonical(opaque, &mut below, LATEST).len(), 2);
}

#[test]
fn a_tar_gives_back_what_was_written() {
    let long = format!("usr/{}/file", "long".repeat(40));
    let mut layer = Layer::from([
        ("a".into(), Node::of_root(Kind::HardLink("z".into()), 0o644)),
        ("usr".into(), Node { modified: 7, ..Node::of_root(Kind::Folder, 0o755) }),
        (long.into(), Node::of_root(Kind::File(b"content".to_vec()), 0o4755)),
        ("usr/link".into(), Node::of_root(Kind::SymbolicLink("x".repeat(120).into()), 0o777)),
        ("z".into(), Node::of_root(Kind::File(Vec::new()), 0o644)),
    ]);
    layer.get_mut(Path::new("z")).unwrap().access.user = 3_000_000;
    let tar = layer::write(&layer).unwrap();
    assert_eq!(layer::read(tar.as_slice()).unwrap(), layer);
    // A link before its target could not be unpacked.
    let mut archive = tar::Archive::new(tar.as_slice());
    let last = archive.entries().unwrap().last().unwrap().unwrap();
    assert_eq!(last.path().unwrap(), Path::new("a"));
}

#[test]
fn extended_attributes_stay() {
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_pax_extensions([
        ("SCHILY.xattr.security.capability", [1, 0, 2].as_slice()),
        ("atime", b"1.5"),
    ])
    .unwrap();
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_size(0);
    header.set_mode(0o755);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    tar.append_data(&mut header, "ping", io::empty()).unwrap();
    let layer = layer::read(tar.into_inner().unwrap().as_slice()).unwrap();
    let written = layer::write(&layer).unwrap();
    assert_eq!(layer::read(written.as_slice()).unwrap(), layer);
    let printed = String::from_utf8_lossy(&written);
    assert!(printed.contains("SCHILY.xattr.security.capability=") && !printed.contains("atime"));
}

#[test]
fn what_no_image_of_ours_has_is_refused() {
    for (path, kind, told) in [
        ("dev/null", EntryType::Char, "dev/null is neither file, folder nor link, but Char"),
        ("run/pipe", EntryType::Fifo, "run/pipe is neither file, folder nor link, but Fifo"),
    ] {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        tar.append_data(&mut header, path, io::empty()).unwrap();
        let error = layer::read(tar.into_inner().unwrap().as_slice()).unwrap_err();
        assert_eq!(error.to_string(), told);
    }
}

/// Returns a tar of files.
fn archive(files: &[(&str, &[u8])], link: Option<(&str, &str)>) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = Header::new_ustar();
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, *content).unwrap();
    }
    if let Some((path, to)) = link {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, path, to).unwrap();
    }
    tar.into_inner().unwrap()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn the_older_format_is_read_with_its_links() {
    let image = saved(ONE, "program");
    let config = layout::bytes(&image.config);
    let manifest = json!([{
        "Config": "c.json", "RepoTags": ["x:1"], "Layers": ["0/layer.tar", "1/layer.tar", "2/layer.tar"],
    }]);
    let manifest = layout::bytes(&manifest);
    let files: [(&str, &[u8]); 4] = [
        ("0/layer.tar", &image.layers[0]),
        ("1/layer.tar", &image.layers[1]),
        ("c.json", &config),
        ("manifest.json", &manifest),
    ];
    let read = saved::read(archive(&files, Some(("2/layer.tar", "../1/layer.tar"))).as_slice()).unwrap();
    assert_eq!(read.config, image.config);
    assert!(read.layers == [&image.layers[0], &image.layers[1], &image.layers[1]].map(Clone::clone));
}

/// Returns an image in the newer format, with an index in an index, a compressed layer, and BuildKit's
/// attestation.
fn newer(layers: [&[u8]; 2], platforms: &[Value]) -> Vec<u8> {
    let mut blobs = Vec::new();
    let mut blob = |bytes: Vec<u8>| {
        let digest = layout::digest(&bytes);
        blobs.push((format!("blobs/{}", digest.replace(':', "/")), bytes));
        json!({"digest": digest})
    };
    let config = blob(layout::bytes(&json!({"architecture": "arm64", "os": "linux"})));
    let layers = layers.map(|layer| blob(layer.to_vec()));
    let manifest = blob(layout::bytes(&json!({"config": config, "layers": layers})));
    let listed: Vec<_> = platforms
        .iter()
        .map(|platform| {
            let mut listed = manifest.clone();
            listed["platform"] = platform.clone();
            listed
        })
        .collect();
    let inner = blob(layout::bytes(&json!({"manifests": listed})));
    let index = layout::bytes(&json!({"manifests": [inner]}));
    let mut files: Vec<(&str, &[u8])> =
        blobs.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
    files.push(("index.json", &index));
    archive(&files, None)
}

#[test]
fn the_newer_format_is_read_without_attestations() {
    let layers = saved(ONE, "program").layers;
    let compressed = gzipped(&layers[1]);
    let (arm, none) = (json!({"architecture": "arm64", "os": "linux"}), json!({"os": "unknown"}));
    let read = saved::read(newer([&layers[0], &compressed], &[arm.clone(), none]).as_slice()).unwrap();
    assert_eq!(read.config["architecture"], "arm64");
    assert!(read.layers == layers[..2]);

    let error =
        saved::read(newer([&layers[0], &compressed], &[arm.clone(), arm.clone()]).as_slice()).unwrap_err();
    assert_eq!(error.to_string(), "it has 2 images, not one");
    let zstd = [0x28, 0xb5, 0x2f, 0xfd, 0, 0];
    let error = saved::read(newer([&layers[0], &zstd], &[arm]).as_slice()).unwrap_err();
    assert_eq!(error.to_string(), "a layer is neither a tar nor one compressed by gzip");
}

#[test]
fn a_layout_lists_the_image_first_and_names_every_blob_by_its_digest() {
    let mut image = normalise::normalise(&saved(ONE, "program"), &created(), "0123").unwrap();
    image.layout.artifact(SBOM, b"{}".to_vec(), &image.descriptor, "2026-01-02T03:04:05Z");
    let folder = tempfile::tempdir().unwrap();
    image.layout.write(folder.path()).unwrap();
    let read = |path: &str| fs::read(folder.path().join(path)).unwrap();
    let json = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).unwrap();
    for entry in fs::read_dir(folder.path().join("blobs/sha256")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert_eq!(layout::digest(&fs::read(&path).unwrap()), format!("sha256:{name}"));
    }
    let index = json(read("index.json"));
    assert_eq!(index["manifests"][0]["digest"], image.descriptor["digest"]);
    assert_eq!(index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"], "0123");
    assert_eq!(index["manifests"][1]["artifactType"], SBOM);
    let blob = |descriptor: &Value| read(&format!("blobs/{}", text(&descriptor["digest"]).replace(':', "/")));
    let artifact = json(blob(&index["manifests"][1]));
    assert_eq!(artifact["subject"], image.descriptor);
    assert_eq!(artifact["layers"][0]["mediaType"], SBOM);
    assert_eq!(json(read("oci-layout")), json!({"imageLayoutVersion": "1.0.0"}));
}

fn request(created: &str) -> Request {
    Request {
        which: Which::App,
        bases: Bases::Local,
        tree: Tree::Working,
        commit: "0123456789abcdef0123456789abcdef01234567".into(),
        source: "https://example.com/us/it".into(),
        created: created.into(),
        no_cache: true,
        out: "target/app".into(),
    }
}

#[test]
fn the_commits_time_is_told_in_utc() {
    let created = request("2026-01-02T04:04:05+01:00").created().unwrap();
    assert_eq!((created.seconds, created.text.as_str()), (LATEST, "2026-01-02T03:04:05Z"));
    insta::assert_snapshot!(request("yesterday").created().unwrap_err().report(), @r"
    error: the commit's time `yesterday` is none by RFC 3339
      help: take it from `git show --no-patch --format=%cI`
    ");
}

#[test]
#[ignore = "builds release images twice with a Docker engine: minutes"]
fn two_builds_of_one_tree_have_one_digest() {
    let console = Console::from_env();
    let runner = Runner::new(console);
    let workspace = Workspace::find(runner).unwrap();
    let folder = tempfile::tempdir().unwrap();
    // Both are compiled in one stage: the second image of a run takes its program from there.
    let pass = |name: &str| {
        [(Which::App, true), (Which::Bootstrap, false)].map(|(which, no_cache)| {
            let out = folder.path().join(name);
            let request = Request { which, no_cache, out, ..request("2026-01-02T03:04:05Z") };
            build(&request, &workspace, console, runner).unwrap_or_else(|error| panic!("{}", error.report()))
        })
    };
    let (one, other) = (pass("one"), pass("other"));
    assert_eq!(one, other);
    assert!(one.iter().all(|built| built.user == "10001:10001"));
}
