//! A server without an installation: its programs with everything they load, extracted from Debian's packages into a
//! folder, without root.
//!
//! A private apt state reads only the recipe's suite, so this machine's own package settings and state are not touched.

use std::fs;
use std::path::{Path, PathBuf};

use tracing::info;

use super::cache::Entry;
use super::debian::{self, Apt, Architecture};
use super::file::copy_file;
use super::shared;
use crate::command::Command;
use crate::error::Error;

/// The way around packages that can't be fetched, for clients.
pub(crate) const ON_DEBIAN: &str = "run on Debian or a system derived from it";

/// The way to make a tree.
pub(crate) struct Recipe {
    /// The name of its entry in the cache, without architecture and version.
    pub(crate) name: String,
    /// The version of the recipe. Increment it when the content of the tree changes, so that no older tree is used.
    pub(crate) version: &'static str,
    /// What it makes, for a person.
    pub(crate) product: &'static str,
    pub(crate) suite: &'static str,
    /// The package of the server. Its version is the tree's.
    pub(crate) server: String,
    /// Other packages.
    pub(crate) packages: &'static [&'static str],
    /// The beginnings of names of packages that a server does not load: mostly maintainers' tools.
    pub(crate) not_needed: &'static [&'static str],
    /// Programs and shared objects by their paths in the packages, besides the objects that they load.
    pub(crate) programs: Vec<String>,
    /// The way around packages that can't be fetched.
    pub(crate) hint: &'static str,
    /// Whether other users read the tree.
    pub(crate) shared: bool,
}

/// A tree in the cache.
#[derive(Clone)]
pub(crate) struct Tree {
    root: PathBuf,
    pub(crate) architecture: &'static Architecture,
    /// The version of the server's package.
    pub(crate) version: String,
}

impl Tree {
    /// Returns the tree in the cache, if it exists.
    pub(crate) async fn cached(recipe: &Recipe) -> Result<Option<Self>, Error> {
        let architecture = Architecture::of_this_machine()?;
        let entry = recipe.entry(architecture).await?;
        entry.existing().map(|root| Self::open(root, architecture)).transpose()
    }

    /// Returns the tree in the cache, and downloads it first if missing. `more` copies what the programs read.
    pub(crate) async fn from_cache(
        recipe: &Recipe,
        more: impl FnOnce(&Gather<'_>) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let architecture = Architecture::of_this_machine()?;
        let entry = recipe.entry(architecture).await?;
        if let Some(root) = entry.existing() {
            return Self::open(root, architecture);
        }
        let scratch = entry.begin()?;
        let root = scratch.join("root");
        let version = recipe.fetch(&scratch, architecture).await?;
        let gather = Gather { packages: &scratch.join("packages"), root: &root, architecture };
        info!("gathering what the server loads");
        gather.programs(&recipe.programs).await?;
        more(&gather)?;
        let version_file = root.join("VERSION");
        fs::write(&version_file, version).map_err(Error::io("write", &version_file))?;
        if recipe.shared {
            shared::open_up(&root)?;
        }

        // Only the gathered tree is kept.
        let root = entry.finish(&root)?;
        fs::remove_dir_all(&scratch).map_err(Error::io("remove", &scratch))?;
        info!("{} is in {}", recipe.product, root.display());
        Self::open(&root, architecture)
    }

    fn open(root: &Path, architecture: &'static Architecture) -> Result<Self, Error> {
        let version_file = root.join("VERSION");
        let version = fs::read_to_string(&version_file).map_err(Error::io("read", &version_file))?;
        Ok(Self { root: root.to_owned(), architecture, version })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the path of something in the tree.
    pub(crate) fn path(&self, below: &str) -> String {
        self.root.join(below).display().to_string()
    }

    /// Returns the tag of an image of the tree that is made with this Dockerfile and recipe.
    pub(crate) fn tag(&self, parts: &[&str]) -> String {
        // Not every character of a version is valid in a tag.
        let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
        let version: String = self.version.chars().map(plain).collect();
        let parts = [&[self.version.as_str()], parts].concat();
        format!("{version}-{}", super::docker::digest(&parts))
    }
}

impl Recipe {
    async fn entry(&self, architecture: &Architecture) -> Result<Entry, Error> {
        let name = format!("{}-{}-{}", self.name, architecture.debian, self.version);
        if self.shared { shared::entry(&name).await } else { Entry::lock(&name).await }
    }

    /// Downloads the packages and unpacks them into `work/packages`; returns the version of the server.
    async fn fetch(&self, work: &Path, architecture: &Architecture) -> Result<String, Error> {
        let missing = debian::missing_tools();
        if !missing.is_empty() {
            return Err(Error::MissingTools {
                purpose: "fetch a database server from Debian's packages",
                tools: missing,
                hint: self.hint,
            });
        }
        let apt = Apt::of_suite(work, self.suite, architecture).await?;
        info!("reading the package lists of Debian's {} suite", self.suite);
        apt.update().await?;
        let mut packages = vec![self.server.as_str()];
        packages.extend(self.packages);
        let plan = apt.plan(&packages).await?;
        let wanted = self.to_install(&plan);
        info!("downloading {} and what it loads: {} packages", self.product, wanted.len());
        let debs = apt.download(&wanted).await?;
        info!("unpacking them");
        debian::unpack(&debs, &work.join("packages")).await?;
        // <package>_<version>_<architecture>.deb
        let names = debs.iter().filter_map(|deb| deb.file_name()?.to_str()?.strip_prefix(&self.server));
        let version = names.filter_map(|rest| rest.strip_prefix('_')?.split('_').next()).next();
        version.map(str::to_owned).ok_or_else(|| Error::Setting {
            setting: "the suite of Debian's mirror",
            value: self.suite.into(),
            problem: format!("it does not have the package {} any more: {}", self.server, self.hint),
        })
    }

    /// Returns the packages in apt's plan that a server needs.
    fn to_install<'a>(&self, plan: &'a str) -> Vec<&'a str> {
        let planned = plan.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next());
        planned.filter(|package| !self.not_needed.iter().any(|no| package.starts_with(no))).collect()
    }
}

/// The copying from the unpacked packages to a tree.
pub(crate) struct Gather<'a> {
    pub(crate) packages: &'a Path,
    pub(crate) root: &'a Path,
    pub(crate) architecture: &'static Architecture,
}

impl Gather<'_> {
    /// Copies the loader, the programs and everything they load, and makes `/bin/sh`, `/tmp` and a list of users.
    async fn programs(&self, programs: &[String]) -> Result<(), Error> {
        let library = format!("usr/lib/{}", self.architecture.triplet);
        // Before trixie, some packages have their libraries in /lib.
        let libraries = [library.clone(), format!("lib/{}", self.architecture.triplet)];
        let libraries = libraries.map(|dir| self.packages.join(dir));
        let loader_name = Path::new(self.architecture.loader).file_name().unwrap_or_default();
        let loaders = libraries.clone().map(|dir| dir.join(loader_name));
        let loader = loaders.iter().find(|path| path.is_file()).unwrap_or(&loaders[0]);
        let search = libraries.each_ref().map(|dir| dir.display().to_string()).join(":");

        copy_file(loader, &self.root.join(self.architecture.loader))?;
        for program in programs {
            let from = self.unpacked(program);
            copy_file(&from, &self.root.join(program))?;
            let loaded = Command::new(loader)
                .arg("--library-path")
                .arg(&search)
                .arg("--list")
                .arg(&from)
                .output()
                .await?;
            // `name => path (address)`
            for object in loaded.lines().filter_map(|line| line.split_once(" => ")?.1.split(' ').next()) {
                let object = Path::new(object);
                if let (true, Some(name)) = (object.starts_with(self.packages), object.file_name()) {
                    copy_file(object, &self.root.join(&library).join(name))?;
                }
            }
        }
        copy_file(&self.unpacked("usr/bin/dash"), &self.root.join("bin/sh"))?;
        self.write("etc/passwd", "root:x:0:0:root:/:/bin/sh\nserver:x:65534:65534:server:/:/bin/sh\n")?;
        let tmp = self.root.join("tmp");
        fs::create_dir(&tmp).map_err(Error::io("create", &tmp))?;
        shared::set_mode(&tmp, 0o1777)
    }

    /// Returns a path in the packages, some of which have their programs in `/bin` before trixie.
    fn unpacked(&self, path: &str) -> PathBuf {
        let merged = self.packages.join(path);
        match path.strip_prefix("usr/") {
            Some(older) if !merged.exists() => self.packages.join(older),
            _ => merged,
        }
    }

    /// Puts a script in place of a program, which runs it with the libraries of the tree. The script finds the tree by
    /// its own path, which ends with `below`, a pattern of the shell.
    pub(crate) fn wrap(&self, program: &str, below: &str) -> Result<(), Error> {
        let Architecture { loader, triplet, .. } = self.architecture;
        let path = self.root.join(program);
        fs::rename(&path, path.with_extension("bin")).map_err(Error::io("rename", &path))?;
        let script = format!(
            r#"#!/bin/sh
root=${{0%/{below}}}
exec "$root/{loader}" --argv0 "$0" --library-path "$root/usr/lib/{triplet}" "$0.bin" "$@"
"#
        );
        self.write(program, &script)?;
        shared::set_mode(&path, 0o755)
    }

    /// Writes a file of the tree.
    pub(crate) fn write(&self, below: &str, text: &str) -> Result<(), Error> {
        let path = self.root.join(below);
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
        }
        fs::write(&path, text).map_err(Error::io("write", &path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_is_taken_without_the_maintainers_tools() {
        let recipe = Recipe {
            name: "mysql".into(),
            version: "1",
            product: "MySQL",
            suite: "sid",
            server: "mysql-server-core".into(),
            packages: &[],
            not_needed: &["perl"],
            programs: Vec::new(),
            hint: "",
            shared: false,
        };
        let plan = "Inst libc6 (2.43-7 Debian:unstable [amd64])\nInst perl-base (5.42 Debian)\nInst mysql-server-core (9.7.4-2 Debian) []\nConf libc6 (2.43-7)\n";
        assert_eq!(recipe.to_install(plan), ["libc6", "mysql-server-core"]);
    }
}
