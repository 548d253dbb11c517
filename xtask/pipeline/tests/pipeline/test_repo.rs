//! A small repository with shims for all programs, in which the real pipeline runs.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

/// The programs that are on `PATH`.
const ON_PATH: [&str; 17] = [
    "cargo",
    "cargo-deny",
    "cargo-hack",
    "terraform",
    "tflint",
    "trivy",
    "python3",
    "actionlint",
    "zizmor",
    "hadolint",
    "docker",
    "curl",
    "rustc",
    "docker-registry",
    "node",
    "npm",
    "javac",
];
/// The programs that cargo builds.
const BUILT: [&str; 3] = ["rds-iam", "rds-iam-demo", "rds-iam-emulator"];

/// A repository, its target folder and the shims. All of it is removed when dropped.
pub(crate) struct TestRepo {
    folder: TempDir,
    commit: String,
}

/// The result of a command of xtask.
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) printed: String,
}

impl TestRepo {
    pub(crate) fn new() -> Self {
        let mut repo = Self { folder: tempfile::tempdir().unwrap(), commit: String::new() };
        repo.stand_ins();
        repo.sources();
        let git = |args: &[&str]| repo.ask("git", args);
        git(&["init", "--quiet", "--initial-branch", "main"]);
        git(&["add", "--all"]);
        let who = ["-c", "user.name=ada", "-c", "user.email=ada@example.test"];
        git(&[&who[..], &["commit", "--quiet", "--message", "all"]].concat());
        repo.commit = git(&["rev-parse", "HEAD"]).trim().to_owned();
        repo
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the path of a file in the repository.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.at("repo").join(name)
    }

    /// Returns the path of a file of the pipeline.
    pub(crate) fn pipeline(&self, name: &str) -> PathBuf {
        self.at("target/pipeline").join(name)
    }

    fn stand_ins(&self) {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        let script = self.at("stand-ins/stand-in.sh");
        // PostgreSQL has no image: its packages are in the cache already.
        let cached = ["cache/postgres-15-amd64-1", "cache/postgres-18-amd64-1", "cache/psql-18-amd64-1"];
        for folder in ["stand-ins", "bin", "target/debug", "repo"].into_iter().chain(cached) {
            fs::create_dir_all(self.at(folder)).unwrap();
        }
        fs::copy(own.join("tests/pipeline/stand-in.sh"), &script).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        for name in ON_PATH {
            symlink(&script, self.at("bin").join(name)).unwrap();
        }
        for name in BUILT {
            symlink(&script, self.at("target/debug").join(name)).unwrap();
        }
        let outputs = own.join("../checks/src/gates/tests/outputs");
        // For any environment.
        let example = fs::read_to_string(own.join("../../terraform/stacks/service/outputs.json")).unwrap();
        let example = example.replace("us-east-1", "eu-west-1").replace("\"dev\"", "\"ENVIRONMENT\"");
        fs::write(self.at("stand-ins/outputs.json"), example).unwrap();
        for (from, to) in [
            (outputs.join("tflint-clean.sarif"), "tflint.sarif"),
            (outputs.join("trivy-clean.sarif"), "trivy.sarif"),
        ] {
            fs::copy(from, self.at("stand-ins").join(to)).unwrap();
        }
        // checkov's output without findings.
        let checkov = fs::read_to_string(outputs.join("checkov.sarif")).unwrap();
        let mut checkov: serde_json::Value = serde_json::from_str(&checkov).unwrap();
        checkov["runs"][0]["results"] = json!([]);
        let trivy = json!({
            "Metadata": { "ImageID": "sha256:1" },
            "Results": [{ "Class": "config", "Target": "a" }, { "Class": "lang-pkgs", "Packages": [{ "Name": "a" }] }],
        });
        let database = json!({
            "address": "module.rds.aws_db_instance.this", "mode": "managed", "type": "aws_db_instance", "name": "this",
            "change": { "actions": ["delete"] },
        });
        let plan = json!({ "format_version": "1.2", "planned_values": {}, "resource_changes": [database] });
        for (name, text) in [
            ("checkov.sarif", checkov.to_string()),
            ("trivy.json", trivy.to_string()),
            ("plan.json", plan.to_string()),
            ("state", "module.rds.aws_db_instance.this\n".to_owned()),
        ] {
            fs::write(self.at("stand-ins").join(name), text).unwrap();
        }
        fs::write(self.at("stand-ins/image.tar"), Self::image("program")).unwrap();
    }

    /// Returns the output of `docker save` for an image with that program.
    pub(crate) fn image(program: &str) -> Vec<u8> {
        image(program)
    }

    /// Writes the files of a repository that the pipeline reads.
    fn sources(&self) {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for name in ["docker/app/Dockerfile", "docker/bootstrap/Dockerfile"] {
            self.write(name, &fs::read_to_string(own.join(name)).unwrap());
        }
        let environment = |name: &str| {
            format!(
                "account_id = \"123456789012\"\nregion = \"eu-west-1\"\nproject = \"orders\"\nenvironment = \"{name}\"\n\
                 bootstrap = {{ package = \"../../../../target/lambda/x.zip\", architecture = \"x86_64\" }}\n"
            )
        };
        for (name, text) in [
            ("Cargo.toml", "[workspace.package]\nversion = \"0.1.0\"\n[workspace.lints.rust]\n".to_owned()),
            ("Cargo.lock", "version = 4\n".to_owned()),
            ("gates/baseline.toml", "# Nothing is accepted.\n".to_owned()),
            (".gitignore", "/target\n".to_owned()),
            (".dockerignore", "/target\n".to_owned()),
            ("rust-toolchain.toml", String::new()),
            ("benches/Cargo.toml", String::new()),
            ("crates/token/Cargo.toml", "[lints]\nworkspace = true\n".to_owned()),
            ("xtask/Cargo.toml", "[lints]\nworkspace = true\n".to_owned()),
            (".github/workflows/ci.yml", "name: CI\n".to_owned()),
            ("terraform/.tflint.hcl", String::new()),
            ("terraform/stacks/service/main.tf", "# nothing\n".to_owned()),
            ("terraform/stacks/service/.terraform.lock.hcl", "# providers\n".to_owned()),
            ("terraform/stacks/account/main.tf", "# nothing\n".to_owned()),
            ("terraform/modules/README.md", "modules\n".to_owned()),
            ("terraform/stacks/service/environments/dev.tfvars", environment("dev")),
            ("terraform/stacks/service/environments/prod.tfvars", environment("prod")),
            ("terraform/stacks/service/environments/dev.s3.tfbackend", "bucket = \"b\"\n".to_owned()),
            ("terraform/stacks/service/environments/prod.s3.tfbackend", "bucket = \"b\"\n".to_owned()),
        ] {
            self.write(name, &text);
        }
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Adds a shim for one more program.
    pub(crate) fn with(&self, program: &str) {
        symlink(self.at("stand-ins/stand-in.sh"), self.at("bin").join(program)).unwrap();
    }

    /// Moves the target folder to its default path in a clone, as in a job that uses the programs of another
    /// one.
    pub(crate) fn hand_over(&self) {
        symlink(self.at("target"), self.path("target")).unwrap();
    }

    /// Removes a shim.
    pub(crate) fn without(&self, program: &str) {
        fs::remove_file(self.at("bin").join(program)).unwrap();
    }

    /// Returns `xtask` with the shims, none of this process's settings, and `more` variables.
    pub(crate) fn xtask(&self, args: &[&str], more: &[(&str, &str)]) -> Command {
        #[expect(clippy::disallowed_methods, reason = "the program under test")]
        let mut command = Command::new(env!("CARGO_BIN_EXE_rds-iam-pipeline"));
        let path = format!("{}:/usr/bin:/bin", self.at("bin").display());
        command.env_clear().current_dir(self.path("")).args(args).stdin(Stdio::null());
        command.env("PATH", path).env("HOME", self.folder.path()).env("COMMIT", &self.commit);
        command
            .env("CARGO_MANIFEST_DIR", self.path("xtask/pipeline"))
            .env("RDS_IAM_CACHE_DIR", self.at("cache"));
        command.env("TARGET", self.at("target")).env("STAND_INS", self.at("stand-ins"));
        command.env("RDS_IAM_EMULATOR_ENGINE", "docker").env("AWS_ACCESS_KEY_ID", "AKIAMADEUP");
        command.env("AWS_SECRET_ACCESS_KEY", SECRET).envs(more.iter().copied());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, args: &[&str], more: &[(&str, &str)]) -> Ended {
        Ended::of(&self.xtask(args, more).output().unwrap())
    }

    /// Runs a command to its end in a working directory that was removed.
    pub(crate) fn run_in_removed_folder(&self, args: &[&str]) -> Ended {
        let (folder, xtask) = (self.at("removed"), self.xtask(args, &[]));
        fs::create_dir(&folder).unwrap();
        #[expect(clippy::disallowed_methods, reason = "the program under test")]
        let mut command = Command::new("/bin/sh");
        command.env_clear().current_dir(folder).stdin(Stdio::null());
        command.envs(xtask.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.args(["-c", "rmdir ../removed; exec \"$@\"", "sh"]).arg(xtask.get_program());
        Ended::of(&command.args(xtask.get_args()).output().unwrap())
    }

    /// Starts a command, and waits until a shim's call that matches `pattern` waits for Ctrl-C.
    pub(crate) fn waits(&self, args: &[&str], pattern: &str) -> Child {
        let mut xtask = self.xtask(args, &[("BREAK", pattern), ("BREAK_HOW", "wait")]);
        let mut child = xtask.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let since = Instant::now();
        while !self.stand_in_file("waiting").exists() {
            assert!(since.elapsed() < Duration::from_secs(120), "it never came to {pattern}");
            if child.try_wait().unwrap().is_some() {
                panic!("{}", Ended::of(&child.wait_with_output().unwrap()).printed);
            }
            std::thread::yield_now();
        }
        child
    }

    /// Sends Ctrl-C to a command started by [`TestRepo::waits`].
    pub(crate) fn interrupt(child: Child) -> Ended {
        let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        Ended::of(&child.wait_with_output().unwrap())
    }

    /// Changes a file and commits it.
    pub(crate) fn commit(&self, name: &str, text: &str) {
        self.write(name, text);
        self.ask("git", &["add", "--all"]);
        let who = ["-c", "user.name=ada", "-c", "user.email=ada@example.test"];
        self.ask("git", &[&who[..], &["commit", "--quiet", "--message", "more"]].concat());
    }

    /// Keeps only one of the pipeline's folders, like the artifact of a job.
    pub(crate) fn keep_alone(&self, folder: &str) {
        let (kept, pipeline) = (self.at("kept"), self.at("target/pipeline"));
        fs::rename(pipeline.join(folder), &kept).unwrap();
        fs::remove_dir_all(&pipeline).unwrap();
        for made in ["target/lambda", "target/release"] {
            fs::remove_dir_all(self.at(made)).unwrap();
        }
        fs::create_dir_all(pipeline.join(folder).parent().unwrap()).unwrap();
        fs::rename(kept, pipeline.join(folder)).unwrap();
    }

    /// Returns the recorded calls of the shims.
    pub(crate) fn calls(&self) -> String {
        fs::read_to_string(self.at("stand-ins/calls")).unwrap_or_default()
    }

    pub(crate) fn forget_calls(&self) {
        drop(fs::remove_file(self.at("stand-ins/calls")));
    }

    pub(crate) fn stand_in_file(&self, name: &str) -> PathBuf {
        self.at("stand-ins").join(name)
    }

    /// Returns every file with a hash of its content, except the records of the shims.
    pub(crate) fn everything(&self) -> BTreeMap<PathBuf, u64> {
        let mut files = BTreeMap::new();
        collect(self.folder.path(), &mut files);
        files.retain(|path, _| !path.ends_with("calls"));
        files
    }

    fn ask(&self, program: &str, args: &[&str]) -> String {
        #[expect(
            clippy::disallowed_methods,
            reason = "makes the repository that the program under test works in"
        )]
        let mut command = Command::new(program);
        let output = command.current_dir(self.path("")).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// A secret in the environment that must not be in any output.
pub(crate) const SECRET: &str = "made-up/secret+key";

impl Ended {
    pub(crate) fn of(output: &Output) -> Self {
        let printed = [&output.stdout[..], &output.stderr[..]].concat();
        Self { status: output.status.code(), printed: String::from_utf8_lossy(&printed).into_owned() }
    }

    /// Returns the row of a stage in the table at the end.
    pub(crate) fn row(&self, stage: &str) -> &str {
        let table = self.printed.rsplit_once("\nstage ").map_or("", |(_, table)| table);
        table.lines().find(|line| line.split_whitespace().next() == Some(stage)).unwrap_or("")
    }

    /// Fails the test with the whole output if the command ended with another status.
    #[track_caller]
    pub(crate) fn expect(&self, status: i32) -> &Self {
        assert_eq!(self.status, Some(status), "{}", self.printed);
        assert!(!self.printed.contains(SECRET), "{}", self.printed);
        self
    }

    #[track_caller]
    pub(crate) fn assert_contains(&self, text: &str) -> &Self {
        assert!(self.printed.contains(text), "no {text:?} in\n{}", self.printed);
        self
    }
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, u64>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.insert(path.clone(), 0);
            collect(&path, files);
        } else {
            let mut hash = DefaultHasher::new();
            fs::read(&path).unwrap_or_default().hash(&mut hash);
            files.insert(path, hash.finish());
        }
    }
}

/// Returns the output of `docker save` for an image with one file.
fn image(program: &str) -> Vec<u8> {
    let file = |tar: &mut tar::Builder<Vec<u8>>, name: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        tar.append_data(&mut header, name, content).unwrap();
    };
    let mut layer = tar::Builder::new(Vec::new());
    file(&mut layer, "usr/local/bin/rds-iam-app", program.as_bytes());
    let layer = layer.into_inner().unwrap();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": { "User": "10001:10001", "Entrypoint": ["/rds-iam-app"] },
        "rootfs": { "type": "layers", "diff_ids": [] }, "history": [{ "created_by": "COPY" }],
    });
    let manifest = json!([{ "Config": "config.json", "RepoTags": [], "Layers": ["layer.tar"] }]);
    let mut image = tar::Builder::new(Vec::new());
    file(&mut image, "config.json", config.to_string().as_bytes());
    file(&mut image, "layer.tar", &layer);
    file(&mut image, "manifest.json", manifest.to_string().as_bytes());
    image.into_inner().unwrap()
}
